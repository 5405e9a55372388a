//! `TokenBindingIncludeReferred`: redirects that ask a bound client to prove its key to their target.

use tokbind::http1::Http1;
use tokbind::{Request, Response, binding, federation};

use httpd_harness::client::{connect, http1, http2, unbound};
use httpd_harness::httpd::{HOST, Httpd, documented};
use httpd_harness::{Setup, Visitor, pki};

const HEADER: &str = binding::INCLUDE_REFERRED_TOKEN_BINDING_ID;

/// What the server answers a bound client, over HTTP/1.1 and HTTP/2.
async fn answers(server: &Httpd, path: &str) -> [Response; 2] {
    let visitor = Visitor::new();
    let mut one = http1(server).await;
    let ekm = one.get_ref().ekm().unwrap();
    let first = one.request(&visitor.get(&ekm, path)).await.unwrap();
    let two = http2(server).await;
    [first, two.request(&visitor.get(two.ekm(), path)).await.unwrap()]
}

/// Whether a client would show its key to the target of this redirect.
fn asks(response: &Response) -> bool {
    federation::is_asked_for(true, response.status, response.headers_named(HEADER))
}

const REDIRECTS: &str = "
    Redirect 301 /alias https://op.test/
    RewriteEngine On
    RewriteRule ^/rewritten$ https://op.test/ [R=303]
    ErrorDocument 404 https://op.test/
    Header always set Location https://op.test/ env=ALWAYS
    ScriptAlias /cgi/ @DIR@/htdocs/";

async fn redirecting(directives: &str) -> Httpd {
    let server = Setup::with(&format!("{REDIRECTS}\n{directives}")).start();
    server.script("redirect.cgi", "#!/bin/sh\nprintf 'Status: 307\\nLocation: https://op.test/\\n\\n'\n");
    server
}

#[tokio::test]
async fn every_kind_of_redirect_asks() {
    let server = redirecting("TokenBindingIncludeReferred On").await;
    for (path, status) in [("/alias", 301), ("/rewritten", 303), ("/missing", 302), ("/redirect.cgi", 307)] {
        for answer in answers(&server, path).await {
            assert_eq!(answer.status, status, "{path}");
            assert!(asks(&answer), "{path}: {:?}", answer.headers);
        }
    }
}

#[tokio::test]
async fn proxied_redirects_ask_too() {
    let backend = redirecting("TokenBindingEnabled Off").await;
    let port = backend.port();
    let server = Setup::with(&format!(
        "SSLProxyEngine On\nSSLProxyCheckPeerName Off\nTokenBindingIncludeReferred On\n\
         ProxyPass / https://127.0.0.1:{port}/"
    ))
    .start();
    for answer in answers(&server, "/alias").await {
        assert_eq!(answer.status, 301);
        assert!(asks(&answer), "{:?}", answer.headers);
    }
}

#[tokio::test]
async fn other_responses_and_unbound_clients_are_not_asked() {
    let server = redirecting("TokenBindingIncludeReferred On").await;
    for path in ["/page.html", "/env.cgi"] {
        for answer in answers(&server, path).await {
            assert_eq!(answer.status, 200);
            assert_eq!(answer.headers_named(HEADER).count(), 0, "{path}");
        }
    }
    let visitor = Visitor::new();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let tag = http.request(&visitor.get(&ekm, "/page.html")).await.unwrap();
    let tag = tag.headers_named("ETag").next().expect("a file has a tag").to_vec();
    let unmodified =
        http.request(&visitor.get(&ekm, "/page.html").header("If-None-Match", tag)).await.unwrap();
    assert_eq!(unmodified.status, 304);
    assert_eq!(unmodified.headers_named(HEADER).count(), 0, "304 redirects nobody");
    let mut plain = Http1::new(connect(&server, &unbound()).await);
    for path in ["/alias", "/rewritten", "/missing", "/redirect.cgi"] {
        let answer = plain.request(&Request::get(HOST, path)).await.unwrap();
        assert!((300..400).contains(&answer.status));
        assert_eq!(answer.headers_named(HEADER).count(), 0, "{path}: there is no key to prove");
    }
}

#[tokio::test]
async fn it_is_off_unless_the_directory_says_otherwise() {
    let location = "<Location /alias>\n  TokenBindingIncludeReferred On\n</Location>";
    let server = redirecting(location).await;
    for (path, expected) in [("/alias", true), ("/rewritten", false), ("/redirect.cgi", false)] {
        for answer in answers(&server, path).await {
            assert_eq!(asks(&answer), expected, "{path}");
        }
    }
    let except =
        "TokenBindingIncludeReferred On\n<Location /alias>\n  TokenBindingIncludeReferred Off\n</Location>";
    let server = redirecting(except).await;
    for (path, expected) in [("/alias", false), ("/redirect.cgi", true)] {
        for answer in answers(&server, path).await {
            assert_eq!(asks(&answer), expected, "{path}");
        }
    }
    let server = Setup::default().start();
    server.document(
        "sub/.htaccess",
        "TokenBindingIncludeReferred On\nRewriteEngine On\nRewriteRule ^out$ https://op.test/ [R]\n",
    );
    for answer in answers(&server, "/sub/out").await {
        assert_eq!(answer.status, 302);
        assert!(asks(&answer), "from .htaccess: {:?}", answer.headers);
    }
}

/// A second header line would make clients ignore both.
#[tokio::test]
async fn an_applications_own_header_stands() {
    let server = redirecting("TokenBindingIncludeReferred On").await;
    for value in ["true", "false"] {
        let script = format!(
            "#!/bin/sh\nprintf 'Status: 302\\nLocation: https://op.test/\\n{HEADER}: {value}\\n\\n'\n"
        );
        server.script("own.cgi", &script);
        for answer in answers(&server, "/own.cgi").await {
            assert_eq!(answer.headers_named(HEADER).collect::<Vec<_>>(), [value.as_bytes()]);
        }
    }
}

/// SAML: mod_auth_mellon does not know of Token Binding, and its redirect to the identity provider asks all the same.
#[tokio::test]
async fn mod_auth_mellon_asks_with_the_modules_help() {
    let conf = documented(
        "mellon.conf",
        &[
            ("/etc/apache2/saml/sp.key", "@DIR@/server.pem"),
            ("/etc/apache2/saml/sp.crt", "@DIR@/sp.pem"),
            ("/etc/apache2/saml/idp-metadata.xml", "@DIR@/idp.xml"),
        ],
    );
    let mut setup = Setup::with(&conf);
    setup.modules.push("auth_mellon");
    let certificate = pki::server().certificate.to_pem().unwrap();
    let base64 = openssl::base64::encode_block(&pki::server().certificate.to_der().unwrap());
    let metadata = format!(
        "<EntityDescriptor entityID='https://op.test/saml' xmlns='urn:oasis:names:tc:SAML:2.0:metadata'>\
         <IDPSSODescriptor protocolSupportEnumeration='urn:oasis:names:tc:SAML:2.0:protocol'>\
         <KeyDescriptor use='signing'><ds:KeyInfo xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:X509Data>\
         <ds:X509Certificate>{base64}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>\
         <SingleSignOnService Binding='urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect' \
         Location='https://op.test/sso'/></IDPSSODescriptor></EntityDescriptor>"
    );
    setup.files = vec![("sp.pem", certificate), ("idp.xml", metadata.into_bytes())];
    let server = setup.start();
    let visitor = Visitor::new();
    // First to mellon's own login address, then to the identity provider: the latter is what counts.
    let mut path = "/app/".to_owned();
    for _ in 0..3 {
        let answer = visitor.visit(&server, &path).await;
        assert!((300..400).contains(&answer.status), "{} {}", answer.status, server.log());
        assert!(asks(&answer), "{:?}", answer.headers);
        let location = answer.headers_named("Location").next().unwrap().to_vec();
        let location = tokbind::client::Url::parse(&String::from_utf8(location).unwrap()).unwrap();
        if location.host_str() == Some("op.test") {
            assert!(location.query().unwrap().contains("SAMLRequest="), "{location}");
            return;
        }
        path = format!("{}?{}", location.path(), location.query().unwrap_or(""));
    }
    panic!("the identity provider was not reached");
}
