//! TLS 1.2 renegotiation inside a keep-alive connection: a `<Location>` asks for a client certificate, and the EKM
//! changes under way.

use openssl::ssl::SslVersion;
use tokbind::http1::Http1;
use tokbind::tls::{ConnectOptions, Offer, TlsConnection};
use tokbind::{KeyParameters, Request};

use httpd_harness::client::{connect, options};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Mpm, Setup, VirtualHost, Visitor, pki, shown};

const PROVIDED: &str = "Sec_Provided_Token_Binding_ID";

fn server(mpm: Mpm) -> Httpd {
    let directives = "SSLCACertificateFile @DIR@/user.pem\n\
                      <Location /secure>\n  SSLVerifyClient require\n</Location>\n\
                      ScriptAlias /secure/ @DIR@/htdocs/";
    Setup { mpm, virtual_hosts: vec![VirtualHost::tls(HOST, directives)], ..Setup::default() }.start()
}

fn with_certificate() -> ConnectOptions {
    let user = pki::user();
    options().tls_version(SslVersion::TLS1_2).client_certificate(user.certificate.clone(), user.key.clone())
}

async fn http(server: &Httpd, options: &ConnectOptions) -> Http1<TlsConnection> {
    Http1::new(connect(server, options).await)
}

#[tokio::test]
async fn the_request_that_triggers_it_stays_valid_and_the_next_needs_the_new_ekm() {
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let server = server(mpm);
        let visitor = Visitor::new();
        let mut http = http(&server, &with_certificate()).await;
        let before = http.get_ref().ekm().unwrap();
        assert_eq!(http.request(&visitor.get(&before, "/page.html")).await.unwrap().status, 200);

        let page = http.request(&visitor.get(&before, "/secure/env.cgi")).await.unwrap();
        assert_eq!(page.status, 200, "{}", page.text());
        assert_eq!(http.get_ref().renegotiations(), 1);
        assert_eq!(shown(&page.text(), PROVIDED), Some(visitor.id().as_str()));

        let after = http.get_ref().ekm().unwrap();
        assert_ne!(before.as_bytes(), after.as_bytes());
        let page = http.request(&visitor.get(&after, "/env.cgi")).await.unwrap().text();
        assert_eq!(shown(&page, PROVIDED), Some(visitor.id().as_str()), "the new message");
        assert_eq!(
            http.request(&visitor.get(&before, "/env.cgi")).await.unwrap().status,
            400,
            "the old message"
        );
    }
}

#[tokio::test]
async fn a_renegotiation_without_the_extension_ends_token_binding() {
    let server = server(Mpm::Event);
    let visitor = Visitor::new();
    // A 400 ends the connection, so each message has one of its own.
    for which in ["the old message", "a new message"] {
        let mut http = http(&server, &with_certificate().renegotiation_offer(Offer::None)).await;
        let before = http.get_ref().ekm().unwrap();
        assert_eq!(http.request(&visitor.get(&before, "/secure/env.cgi")).await.unwrap().status, 200);
        assert_eq!(http.get_ref().renegotiations(), 1);
        let page = http.request(&Request::get(HOST, "/env.cgi")).await.unwrap();
        assert_eq!(page.status, 200);
        assert_eq!(shown(&page.text(), PROVIDED), None);
        let ekm = if which == "the old message" { before } else { http.get_ref().ekm().unwrap() };
        assert_eq!(http.request(&visitor.get(&ekm, "/page.html")).await.unwrap().status, 400, "{which}");
    }
}

#[tokio::test]
async fn a_renegotiation_can_begin_token_binding() {
    let server = server(Mpm::Event);
    let visitor = Visitor::new();
    let options =
        with_certificate().offer(Offer::None).renegotiation_offer(Offer::v1([KeyParameters::ECDSAP256]));
    let mut http = http(&server, &options).await;
    let page = http.request(&Request::get(HOST, "/secure/env.cgi")).await.unwrap();
    assert_eq!((page.status, http.get_ref().renegotiations()), (200, 1));
    let ekm = http.get_ref().ekm().unwrap();
    let page = http.request(&visitor.get(&ekm, "/env.cgi")).await.unwrap();
    assert_eq!(shown(&page.text(), PROVIDED), Some(visitor.id().as_str()));
    assert_eq!(http.request(&Request::get(HOST, "/page.html")).await.unwrap().status, 400, "negotiated now");
}

#[tokio::test]
async fn a_renegotiation_can_change_the_key_parameters() {
    let server = server(Mpm::Event);
    let (ecdsa, rsa) = (Visitor::new(), Visitor::with(KeyParameters::RSA2048_PSS));
    let options = with_certificate()
        .offer(Offer::v1([KeyParameters::ECDSAP256]))
        .renegotiation_offer(Offer::v1([KeyParameters::RSA2048_PSS]));
    let mut http = http(&server, &options).await;
    let before = http.get_ref().ekm().unwrap();
    assert_eq!(http.request(&ecdsa.get(&before, "/secure/env.cgi")).await.unwrap().status, 200);
    let after = http.get_ref().ekm().unwrap();
    assert_eq!(http.request(&rsa.get(&after, "/page.html")).await.unwrap().status, 200);
    assert_eq!(http.request(&ecdsa.get(&after, "/page.html")).await.unwrap().status, 400);
}

/// The redirect of the request that triggered the renegotiation is still that request.
#[tokio::test]
async fn an_internal_redirect_after_it_keeps_the_verdict() {
    let server = server(Mpm::Event);
    server.document("app/.htaccess", "RewriteEngine On\nRewriteRule ^page$ /env.cgi [L]\n");
    server.document(
        "secure-app/.htaccess",
        "SSLVerifyClient require\nRewriteEngine On\nRewriteRule ^page$ /env.cgi [L]\n",
    );
    let visitor = Visitor::new();
    let mut http = http(&server, &with_certificate()).await;
    let before = http.get_ref().ekm().unwrap();
    let page = http.request(&visitor.get(&before, "/secure-app/page")).await.unwrap();
    assert_eq!((page.status, http.get_ref().renegotiations()), (200, 1), "{}", page.text());
    assert_eq!(shown(&page.text(), PROVIDED), Some(visitor.id().as_str()));
}
