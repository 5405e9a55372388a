//! The fingerprint of a client's TLS certificate (RFC 8705), for those who bind tokens to it.

use openssl::hash::MessageDigest;
use openssl::ssl::SslVersion;
use tokbind::http1::Http1;
use tokbind::http2::Http2;
use tokbind::tls::{ConnectOptions, Connector};
use tokbind::{Request, Response, binding};

use httpd_harness::client::{connect, options, unbound};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor, pki, shown};

const NAME: &str = "TB_SSL_CLIENT_CERT_FINGERPRINT";

fn with_certificate(options: ConnectOptions) -> ConnectOptions {
    let user = pki::user();
    options.client_certificate(user.certificate.clone(), user.key.clone())
}

fn fingerprint() -> String {
    token_binding::header::encode(&pki::user().certificate.digest(MessageDigest::sha256()).unwrap())
}

async fn fetch(server: &Httpd, options: &ConnectOptions, request: Request) -> Response {
    let mut http = Http1::new(connect(server, options).await);
    http.request(&request).await.unwrap()
}

fn get(path: &str) -> Request {
    Request::get(HOST, path)
}

/// What httpd's own expressions find in environment and headers, when the response is on its way.
const SEEN: &str = "Header always set Seen-Header \"expr=%{req:TB_SSL_CLIENT_CERT_FINGERPRINT}\"";

fn seen(page: &Response) -> [Option<String>; 2] {
    let header = page.header("Seen-Header").filter(|value| !value.is_empty()).map(str::to_owned);
    [shown(&page.text(), NAME).map(str::to_owned), header]
}

fn both() -> [Option<String>; 2] {
    [Some(fingerprint()), Some(fingerprint())]
}

#[tokio::test]
async fn a_verified_certificate_is_passed_on() {
    let directives = format!(
        "SSLCACertificateFile @DIR@/user.pem\nSSLVerifyClient optional\nErrorDocument 404 /env.cgi\n{SEEN}"
    );
    let server = Setup::with(&directives).start();
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let bare = unbound().tls_version(version);
        let with = with_certificate(bare.clone());
        assert_eq!(seen(&fetch(&server, &with, get("/env.cgi")).await), both());
        assert_eq!(
            seen(&fetch(&server, &with, get("/missing")).await),
            both(),
            "through an internal redirect"
        );
        assert_eq!(seen(&fetch(&server, &bare, get("/env.cgi")).await), [None, None]);
        // Beside a Token Binding, and a second time on the connection.
        let visitor = Visitor::new();
        let mut http = Http1::new(connect(&server, &with_certificate(options().tls_version(version))).await);
        let ekm = http.get_ref().ekm().unwrap();
        for _ in 0..2 {
            let page = http.request(&visitor.get(&ekm, "/env.cgi")).await.unwrap();
            assert_eq!(seen(&page), both());
            assert_eq!(shown(&page.text(), "Sec_Provided_Token_Binding_ID"), Some(&*visitor.id()));
        }
        // HTTP/2, two streams on one connection.
        let two = Http2::handshake(connect(&server, &with.alpn(["h2"])).await).await.unwrap();
        for path in ["/env.cgi", "/missing"] {
            assert_eq!(seen(&two.request(&get(path)).await.unwrap()), both());
        }
    }
}

/// mod_ssl renegotiates (TLS 1.2), or asks after the handshake (TLS 1.3), in the middle of a request.
#[tokio::test]
async fn a_certificate_that_a_directory_asks_for_is_passed_on() {
    let directives = format!(
        "SSLCACertificateFile @DIR@/user.pem\n<Location /secure>\n  SSLVerifyClient optional\n</Location>\n\
         ScriptAlias /secure/ @DIR@/htdocs/\n{SEEN}"
    );
    let server = Setup { files: vec![("client.pem", pki::user().pem())], ..Setup::with(&directives) }.start();
    let with = with_certificate(unbound().tls_version(SslVersion::TLS1_2));
    let mut http = Http1::new(connect(&server, &with).await);
    assert_eq!(seen(&http.request(&get("/env.cgi")).await.unwrap()), [None, None]);
    let page = http.request(&get("/secure/env.cgi")).await.unwrap();
    assert_eq!((page.status, seen(&page)), (200, both()));
    let bare = unbound().tls_version(SslVersion::TLS1_2);
    assert_eq!(seen(&fetch(&server, &bare, get("/secure/env.cgi")).await), [None, None]);
    // rust-openssl has no client that takes part in post-handshake authentication; curl is one.
    for (version, path, expected) in [
        ("1.3", "/secure/env.cgi", both()),
        ("1.2", "/secure/env.cgi", both()),
        ("1.3", "/env.cgi", [None, None]),
    ] {
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--insecure", "--http1.1", "--tls-max", version]);
        curl.args(["--tlsv1.2", "--connect-to", &format!("::127.0.0.1:{}", server.port())]);
        curl.arg("--cert").arg(server.dir().join("client.pem"));
        let output = curl.arg(format!("https://{HOST}{path}")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let header = text.lines().find_map(|line| line.strip_prefix("Seen-Header: ")).map(str::trim);
        let found = [shown(&text, NAME), header.filter(|value| !value.is_empty())];
        assert_eq!(found.map(|value| value.map(str::to_owned)), expected, "{version} {path}: {text}");
    }
}

/// One that mod_ssl takes without verifying it proves a key of nobody in particular.
#[tokio::test]
async fn a_certificate_that_does_not_verify_is_not_passed_on() {
    let server = Setup::with(&format!("SSLVerifyClient optional_no_ca\n{SEEN}")).start();
    let page = fetch(&server, &with_certificate(unbound()), get("/env.cgi")).await;
    assert_eq!((page.status, seen(&page)), (200, [None, None]));
    let disabled = "TokenBindingEnabled Off\nSSLCACertificateFile @DIR@/user.pem\nSSLVerifyClient require";
    let server = Setup::with(&format!("{disabled}\n{SEEN}")).start();
    let page = fetch(&server, &with_certificate(unbound()), get("/env.cgi")).await;
    assert_eq!((page.status, seen(&page)), (200, [None, None]));
}

/// Most backends drop names with underscores: httpd's own CGI does.
#[tokio::test]
async fn a_backend_gets_it_under_a_name_that_it_takes() {
    let plain = VirtualHost::plain(HOST, "");
    let backend = Setup { module: None, virtual_hosts: vec![plain], ..Setup::default() }.start();
    let server = Setup::with(&format!(
        "SSLCACertificateFile @DIR@/user.pem\nSSLVerifyClient optional\nProxyPass / http://127.0.0.1:{}/",
        backend.port()
    ))
    .start();
    let page = fetch(&server, &with_certificate(unbound()), get("/env.cgi")).await.text();
    assert_eq!(shown(&page, "HTTP_TB_SSL_CLIENT_CERT_FINGERPRINT"), Some(&*fingerprint()), "{page}");
    let forged = get("/env.cgi").header("TB-SSL-Client-Cert-Fingerprint", "forged");
    let page = fetch(&server, &unbound(), forged).await.text();
    assert_eq!(shown(&page, "HTTP_TB_SSL_CLIENT_CERT_FINGERPRINT"), None, "{page}");
}

/// mod_ssl forgets in a resumed session that it took a certificate without verifying it, once its access check has run.
#[tokio::test]
async fn a_certificate_that_did_not_verify_does_not_in_a_resumed_session() {
    let files = vec![("other.pem", pki::other_user().certificate.to_pem().unwrap())];
    let directives = format!("SSLCACertificateFile @DIR@/other.pem\nSSLVerifyClient optional_no_ca\n{SEEN}");
    let server = Setup { files, ..Setup::with(&directives) }.start();
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let options = with_certificate(unbound().tls_version(version));
        let connector = Connector::new(&options).unwrap();
        let mut http = Http1::new(connector.connect(server.address(), HOST).await.unwrap());
        assert_eq!(seen(&http.request(&get("/env.cgi")).await.unwrap()), [None, None]);
        let session = http.get_ref().session();
        let again = connector.resume(server.address(), HOST, &session).await.unwrap();
        let was_resumed = again.session_reused();
        let mut http = Http1::new(again);
        for _ in 0..2 {
            let page = http.request(&get("/env.cgi")).await.unwrap();
            assert_eq!((page.status, seen(&page)), (200, [None, None]), "{version:?}");
        }
        assert!(was_resumed || version == SslVersion::TLS1_3, "the case is tried");
    }
}

#[tokio::test]
async fn pass_var_says_who_gets_it() {
    let server = Setup::with(&format!(
        "SSLCACertificateFile @DIR@/user.pem\nSSLVerifyClient require\n{SEEN}\nTokenBindingPassVar provided\n\
         Alias /with @DIR@/htdocs\n<Location /with>\n  TokenBindingPassVar certificate\n</Location>"
    ))
    .start();
    let visitor = Visitor::new();
    let mut http = Http1::new(connect(&server, &with_certificate(options())).await);
    let ekm = http.get_ref().ekm().unwrap();
    let page = http.request(&visitor.get(&ekm, "/env.cgi")).await.unwrap();
    assert_eq!(seen(&page), [None, None]);
    let page = http.request(&visitor.get(&ekm, "/with/env.cgi")).await.unwrap();
    assert_eq!(seen(&page), both());
    assert_eq!(shown(&page.text(), "Sec_Provided_Token_Binding_ID"), None);
}

/// A client can't claim a certificate: not in any spelling, and from nobody is the header believed.
#[tokio::test]
async fn a_forged_fingerprint_is_removed() {
    let plain = VirtualHost::plain("www.plain.test", SEEN);
    let server = Setup {
        global: "HttpProtocolOptions Unsafe\nTokenBindingTrustedProxy 127.0.0.1".into(),
        virtual_hosts: vec![VirtualHost::tls(HOST, SEEN)],
        ..Setup::default()
    }
    .start();
    let spellings = [
        NAME.to_owned(),
        NAME.to_lowercase(),
        NAME.replace('_', "-"),
        NAME.replace('_', "."),
        NAME.replacen('_', "-", 2),
    ];
    let forged = spellings.iter().fold(get("/env.cgi"), |request, name| request.header(name, "forged"));
    let page = fetch(&server, &unbound(), forged.clone()).await;
    assert_eq!((page.status, seen(&page)), (200, [None, None]));
    assert!(!page.text().contains("forged"), "{}", page.text());
    let two = Http2::handshake(connect(&server, &unbound().alpn(["h2"])).await).await.unwrap();
    assert!(!two.request(&forged).await.unwrap().text().contains("forged"));
    let server = Setup { virtual_hosts: vec![plain], ..Setup::default() }.start();
    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let page = Http1::over(stream).request(&forged).await.unwrap();
    assert!(!page.text().contains("forged"), "{}", page.text());
}

/// Nor can it have its own taken out on the way to a backend.
#[tokio::test]
async fn a_connection_header_that_names_it_is_refused() {
    let server =
        Setup::with("SSLCACertificateFile @DIR@/user.pem\nSSLVerifyClient optional\nTokenBindingStrict Off")
            .start();
    let request = get("/env.cgi").header("Connection", format!("keep-alive; {NAME}"));
    assert_eq!(fetch(&server, &with_certificate(unbound()), request.clone()).await.status, 400);
    assert!(server.line("TB110").contains("Connection"));
    assert_eq!(fetch(&server, &unbound(), request).await.status, 200, "who has none takes none out");
}

/// mod_auth_openidc's own use of it is in `resource_server`.
#[tokio::test]
async fn a_bound_message_on_such_a_connection_is_still_checked() {
    let server = Setup::with("SSLCACertificateFile @DIR@/user.pem\nSSLVerifyClient require").start();
    let request = get("/env.cgi").header(binding::SEC_TOKEN_BINDING, "AAAA");
    assert_eq!(fetch(&server, &with_certificate(options()), request).await.status, 400);
}
