//! Modules that read a request's headers before others, or its body, and with it the trailers, before anybody asks for it.

use openssl::ssl::SslVersion;
use tokbind::http1::Http1;
use tokbind::{Request, Response, binding};

use httpd_harness::client::{connect, http2, options, unbound};
use httpd_harness::cookies::{SET_COOKIE, jar, setup};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{Protocol, fetch};
use httpd_harness::{Httpd, Setup, Visitor, pki, shown};

const TRAILERS: [(&str, &str); 7] = [
    ("Sec-Provided-Token-Binding-ID", "forged"),
    ("Sec_Referred.Token-Binding_ID", "forged"),
    ("TB_SSL_CLIENT_CERT_FINGERPRINT", "forged"),
    ("Sec-Token-Binding", "forged"),
    ("Cookie", "sid=forged"),
    ("Cookie2", "sid=forged"),
    ("X-Harmless", "trailer"),
];

fn with_trailers(mut request: Request) -> Request {
    request.method = "POST".into();
    TRAILERS
        .iter()
        .fold(request.body("body").chunked(), |request, (name, value)| request.trailer(name, value))
}

/// What a CGI program is given, and what was in the request's headers when the answer left.
fn assert_nothing_forged(page: &Response, id: Option<&str>, what: &str) {
    assert_eq!(page.status, 200, "{what}: {}", page.text());
    let text = page.text();
    assert!(!text.contains("forged"), "{what}: {text}");
    assert_eq!(shown(&text, "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID"), id, "{what}: {text}");
    let seen = page.header("Seen").unwrap_or_default();
    assert!(!seen.contains("forged"), "{what}: {seen}");
    assert!(seen.contains("harmless=trailer"), "{what}: the trailers were merged: {seen}");
}

const SEEN: &str = "MergeTrailers On\nHeader always set Seen \"expr=harmless=%{req:X-Harmless} \
                    id=%{req:Sec-Provided-Token-Binding-ID} cookie=%{req:Cookie} cookie2=%{req:Cookie2} \
                    certificate=%{req:TB_SSL_CLIENT_CERT_FINGERPRINT}\"\nTokenBindingCookie sid\n";

async fn bound(server: &Httpd, version: SslVersion, what: &str) {
    let visitor = Visitor::new();
    let user = pki::user();
    let options =
        options().tls_version(version).client_certificate(user.certificate.clone(), user.key.clone());
    let mut http = Http1::new(connect(server, &options).await);
    let ekm = http.get_ref().ekm().unwrap();
    let page = http.request(&with_trailers(visitor.get(&ekm, "/early/env.cgi"))).await.unwrap();
    assert_nothing_forged(&page, Some(&visitor.id()), what);
    let cookies = shown(&page.text(), "HTTP_COOKIE").map(str::to_owned);
    assert_eq!(cookies, None, "{what}");
}

async fn not_bound(server: &Httpd, version: SslVersion, what: &str) {
    let mut http = Http1::new(connect(server, &unbound().tls_version(version)).await);
    let page = http.request(&with_trailers(Request::get(HOST, "/early/env.cgi"))).await.unwrap();
    assert_nothing_forged(&page, None, what);
}

/// mod_ssl keeps a body aside while it renegotiates, and reads it from below all filters for bodies.
#[tokio::test]
async fn trailers_that_mod_ssl_reads_early() {
    for (directives, version) in [
        ("SSLVerifyClient optional", SslVersion::TLS1_2),
        ("SSLCipherSuite ECDHE-ECDSA-AES256-GCM-SHA384", SslVersion::TLS1_2),
    ] {
        let server = setup(&format!(
            "{SEEN}SSLCACertificateFile @DIR@/user.pem\nSSLCipherSuite ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384\n\
             <Location /early>\n  {directives}\n</Location>\nScriptAlias /early/ @DIR@/htdocs/"
        ))
        .start();
        bound(&server, version, directives).await;
        not_bound(&server, version, directives).await;
    }
}

/// On TLS 1.3 it asks for the certificate after the handshake; curl is a client that takes part in that, but sends no
/// trailers by itself: the request is written out.
#[tokio::test]
async fn trailers_that_mod_ssl_reads_early_on_tls_1_3() {
    let server = Setup {
        files: vec![("client.pem", pki::user().pem())],
        ..setup(&format!(
            "{SEEN}SSLCACertificateFile @DIR@/user.pem\n\
             <Location /early>\n  SSLVerifyClient optional\n</Location>\nScriptAlias /early/ @DIR@/htdocs/"
        ))
    }
    .start();
    let mut request = format!("POST /early/env.cgi HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n");
    request += "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n";
    for (name, value) in TRAILERS {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    let mut openssl = tokio::process::Command::new("openssl");
    openssl.args(["s_client", "-quiet", "-tls1_3", "-enable_pha", "-connect"]);
    openssl.arg(format!("127.0.0.1:{}", server.port())).args(["-servername", HOST, "-cert"]);
    openssl.arg(server.dir().join("client.pem")).arg("-key").arg(server.dir().join("client.pem"));
    openssl.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut client = openssl.stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut stdin = client.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, request.as_bytes()).await.unwrap();
    let output = client.wait_with_output().await.unwrap();
    drop(stdin);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(text.contains("harmless=trailer") && !text.contains("forged"), "{text}");
    let fingerprint = pki::user().certificate.digest(openssl::hash::MessageDigest::sha256()).unwrap();
    let fingerprint = token_binding::header::encode(&fingerprint);
    assert_eq!(shown(&text, "TB_SSL_CLIENT_CERT_FINGERPRINT"), Some(&*fingerprint), "{text}");
}

/// mod_lua and mod_security2 read bodies while a request is still being judged.
#[tokio::test]
async fn trailers_that_other_modules_read_early() {
    let lua = "function read(r)\n  r:requestbody()\n  return apache2.DECLINED\nend\n";
    for (modules, directives) in [
        (&["lua"][..], "LuaHookTranslateName @DIR@/early.lua read early"),
        (&["lua"], "LuaHookAccessChecker @DIR@/early.lua read early"),
        (&["lua"], "LuaHookFixups @DIR@/early.lua read"),
        (&["unique_id", "security2"], "SecRuleEngine On\nSecRequestBodyAccess On"),
    ] {
        let mut setup = setup(&format!("{SEEN}ScriptAlias /early/ @DIR@/htdocs/\n{directives}"));
        setup.modules.extend(modules);
        setup.files.push(("early.lua", lua.into()));
        let server = setup.start();
        bound(&server, SslVersion::TLS1_3, directives).await;
        not_bound(&server, SslVersion::TLS1_3, directives).await;
        let visitor = Visitor::new();
        let http = http2(&server).await;
        let request = with_trailers(visitor.get(http.ekm(), "/early/env.cgi"));
        let page = http.request(&request).await.unwrap();
        assert_nothing_forged(&page, Some(&visitor.id()), directives);
    }
}

/// mod_security2 hooks the same phase as early as it can, and its name is loaded before ours: its first rules see what
/// everybody else sees.
#[tokio::test]
async fn nobody_reads_the_headers_before_the_module() {
    let mut setup = setup(
        "TokenBindingCookie sid\nSecRuleEngine On\nSecAuditEngine Off\n\
         SecRule REQUEST_HEADERS:Sec-Provided-Token-Binding-ID \"@streq forged\" \"id:1,phase:1,deny,status:418\"\n\
         SecRule REQUEST_HEADERS:Cookie \"@contains tb2b\" \"id:2,phase:1,deny,status:419\"\n\
         SecRule &REQUEST_HEADERS:Sec-Token-Binding \"!@eq 0\" \"id:3,phase:1,deny,status:420\"\n\
         SecRule REQUEST_COOKIES:sid \"@streq alice\" \"id:4,phase:1,deny,status:403\"",
    );
    setup.modules.extend(["unique_id", "security2"]);
    let mut server = setup.start();
    server.announce("ModSecurity: Access denied with code 403");
    server.script("set.cgi", SET_COOKIE);
    let visitor = Visitor::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let page = fetch(&server, protocol, Some(&visitor), "/set.cgi?sid=bob", "").await;
        let cookie = jar(&page);
        let page = fetch(&server, protocol, Some(&visitor), "/env.cgi", &cookie).await;
        assert_eq!((page.status, shown(&page.text(), "HTTP_COOKIE")), (200, Some("sid=bob")), "{protocol:?}");
        let cookie = jar(&fetch(&server, protocol, Some(&visitor), "/set.cgi?sid=alice", "").await);
        let page = fetch(&server, protocol, Some(&visitor), "/env.cgi", &cookie).await;
        assert_eq!(page.status, 403, "the rule sees the application's value");
    }
    let mut http = Http1::new(connect(&server, &unbound()).await);
    let forged = Request::get(HOST, "/env.cgi").header("Sec-Provided-Token-Binding-ID", "forged");
    assert_eq!(http.request(&forged).await.unwrap().status, 200);
    let mut http = Http1::new(connect(&server, &options()).await);
    let wrong = Request::get(HOST, "/env.cgi").header(binding::SEC_TOKEN_BINDING, "AAAA");
    assert_eq!(http.request(&wrong).await.unwrap().status, 400);
}
