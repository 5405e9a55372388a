//! Bound cookies on virtual hosts without TLS, which mostly have `TokenBindingCookie` from the main server.

use tokbind::http1::Http1;
use tokbind::{Request, Response};
use tokio::net::TcpStream;

use httpd_harness::cookies::{SET_COOKIE, jar, seen, set_cookies, setup};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, VirtualHost};

/// A virtual host without TLS, and what the main server says of cookies.
fn server(directives: &str, global: &str) -> Httpd {
    let mut setup = setup("");
    setup.virtual_hosts = vec![VirtualHost::plain(HOST, directives)];
    setup.global = format!("TokenBindingCookieSecret file:secret\nTokenBindingCookie sid\n{global}");
    let server = setup.start();
    server.script("set.cgi", SET_COOKIE);
    server
}

async fn ask(server: &Httpd, request: Request) -> Response {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    Http1::over(stream).request(&request).await.unwrap()
}

/// Browsers refuse `Secure` over plain HTTP, and the session would end.
#[tokio::test]
async fn a_session_over_plain_http_goes_on_and_a_warning_says_what_it_is_worth() {
    let server = server("", "");
    let line = server.line("TB008");
    assert!(
        line.contains("[token_binding:warn]") && line.contains(HOST) && line.contains("httpd.conf:"),
        "{line}"
    );
    let page = ask(&server, Request::get(HOST, "/set.cgi?sid=alice")).await;
    let [line] = &set_cookies(&page)[..] else { panic!() };
    assert!(line.starts_with("sid=tb2u") && !line.contains("Secure"), "{line}");
    let page = ask(&server, Request::get(HOST, "/env.cgi").header("Cookie", jar(&page))).await;
    assert_eq!(seen(&page).as_deref(), Some("sid=alice"));
    let page = ask(&server, Request::get(HOST, "/env.cgi").header("Cookie", "sid=forged")).await;
    assert_eq!(seen(&page), None, "what no seal holds is kept back there, too");
}

/// Where somebody else ends TLS, browsers are on https.
#[tokio::test]
async fn behind_a_proxy_cookies_are_secure_and_nobody_is_warned() {
    for (directives, global) in [
        ("TokenBindingCookie tid sid\nServerName https://www.bound.test", ""),
        ("TokenBindingEnabled Off\nTokenBindingDBSC On", ""),
        ("TokenBindingTrustedProxy 10.1.2.3", ""),
        ("ServerName https://www.bound.test", ""),
        ("", "TokenBindingTrustedProxy 10.1.2.3"),
    ] {
        let server = server(directives, global);
        let page = ask(&server, Request::get(HOST, "/set.cgi?sid=alice")).await;
        assert!(set_cookies(&page)[0].ends_with("; Secure"), "{directives} {global}");
        assert!(server.lines("TB008").is_empty(), "{directives} {global}: {}", server.log());
    }
}

#[tokio::test]
async fn dbsc_without_tls_or_a_word_of_a_balancer_is_warned_of() {
    let server = server("TokenBindingDBSC On", "");
    let line = server.line("TB008");
    assert!(line.contains("TokenBindingEnabled Off"), "{line}");
}
