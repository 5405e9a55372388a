//! The guard for applications while the module is not loaded: nobody can send what they trust.

use httpd_harness::client::{connect, unbound};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{Protocol, fetch};
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor, setup};
use tokbind::http1::Http1;
use tokbind::{Request, Response};

/// The headers that pass on what the module has verified.
const NAMES: [&str; 6] = [
    "Sec-Provided-Token-Binding-ID",
    "Sec-Referred-Token-Binding-ID",
    "Sec-Other-Token-Binding-ID",
    "Sec-Token-Binding-Context",
    "Sec-Device-Bound-Session-Key",
    "TB_SSL_CLIENT_CERT_FINGERPRINT",
];

/// Each spelling that CGI takes for the name.
fn spellings(name: &str) -> Vec<String> {
    let separators = name.matches(['-', '_']).count();
    let spelling = |choice: u32| {
        let mut number = 0;
        let one = |letter: char| match letter {
            '-' | '_' => {
                number += 1;
                if choice >> (number - 1) & 1 == 0 { '-' } else { '_' }
            }
            letter if choice.is_multiple_of(3) => letter.to_ascii_uppercase(),
            letter => letter.to_ascii_lowercase(),
        };
        name.chars().map(one).collect()
    };
    (0..1 << separators).map(spelling).collect()
}

fn server(without: &[&'static str], module: bool) -> (Httpd, Httpd) {
    let backend =
        Setup { module: None, virtual_hosts: vec![VirtualHost::plain(HOST, "")], ..Setup::default() };
    let backend = backend.start();
    let guard = setup::root().join("apache/token-binding-guard.conf");
    let mut setup = Setup::with(&format!("ProxyPass /app/ http://127.0.0.1:{}/", backend.port()));
    setup.global = format!("Include {}", guard.display());
    setup.without = without.to_vec();
    if !module {
        setup.module = None;
    }
    (setup.start(), backend)
}

async fn send(server: &Httpd, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(HOST, path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    Http1::new(connect(server, &unbound()).await).request(&request).await.unwrap()
}

#[tokio::test]
async fn without_the_module_no_spelling_reaches_an_application_or_a_backend() {
    let (server, _backend) = server(&[], false);
    for path in ["/env.cgi", "/app/env.cgi"] {
        for name in NAMES {
            let spellings = spellings(name);
            let headers: Vec<_> = spellings.iter().map(|name| (name.as_str(), "FORGED")).collect();
            for one in &headers {
                let page = send(&server, path, &[*one]).await;
                assert_eq!(page.status, 200);
                assert!(!page.text().contains("FORGED"), "{path} {}", one.0);
            }
            assert!(!send(&server, path, &headers).await.text().contains("FORGED"), "{path} {name}");
        }
        let page = send(&server, path, &[("X-Other-Token", "FORGED")]).await;
        assert!(page.text().contains("FORGED"), "others are left alone");
    }
}

/// What can't be removed is refused, whatever comes after it.
#[tokio::test]
async fn without_mod_headers_such_requests_are_refused() {
    let (mut server, _backend) = server(&["headers"], false);
    server.announce("AH01630");
    server.document(".htaccess", "ErrorDocument 403 /env.cgi\n");
    for name in NAMES {
        for spelling in spellings(name) {
            let page = send(&server, "/env.cgi", &[(&spelling, "FORGED"), ("X-Last", "")]).await;
            assert_eq!(page.status, 403, "{spelling}");
            assert!(!page.text().contains("FORGED"), "{spelling}: the error document runs with it");
        }
    }
    let hidden = [("Sec_Provided-Token-Binding-ID", "FORGED"), ("Sec-Provided_Token-Binding-ID", "")];
    assert_eq!(send(&server, "/env.cgi", &hidden).await.status, 403);
    assert_eq!(send(&server, "/env.cgi", &[("X-Other", "1")]).await.status, 200);
}

#[test]
fn without_anything_that_finds_them_httpd_does_not_start() {
    let guard = setup::root().join("apache/token-binding-guard.conf");
    let setup = Setup {
        module: None,
        without: vec!["headers", "setenvif"],
        global: format!("Include {}", guard.display()),
        ..Setup::default()
    };
    let output = setup.check();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("a2enmod headers"));
}

/// With the module, the guard does nothing.
#[tokio::test]
async fn with_the_module_what_is_verified_arrives() {
    let (server, _backend) = server(&[], true);
    let visitor = Visitor::new();
    for path in ["/env.cgi", "/app/env.cgi"] {
        let page = fetch(&server, Protocol::Http1, Some(&visitor), path, "").await;
        assert!(
            page.text().contains(&format!("HTTP_SEC_PROVIDED_TOKEN_BINDING_ID={}", visitor.id())),
            "{path}"
        );
    }
}
