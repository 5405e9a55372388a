//! Requests as large, and as slow, as an administrator lets them be: each gets its answer, and the server lives.

use tokbind::{Request, binding};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use httpd_harness::client::{connect, options};
use httpd_harness::cookies;
use httpd_harness::httpd::HOST;
use httpd_harness::session::{Protocol, Session};
use httpd_harness::{Setup, Visitor, shown};

const PROVIDED: &str = "Sec-Provided-Token-Binding-ID";

/// httpd's own limits, taken off.
const UNLIMITED: &str = "LimitRequestFields 0\nLimitRequestFieldSize 4000000";

/// Spellings that a CGI program takes for one name, all different.
fn spellings(name: &str, number: usize) -> impl Iterator<Item = String> {
    const INSTEAD: &[u8] = b"-_.~!#$%&'*+^`|";
    (0..number).map(move |mut number| {
        let spell = |letter| {
            if letter != '-' {
                return letter;
            }
            let instead = INSTEAD[number % INSTEAD.len()];
            number /= INSTEAD.len();
            instead.into()
        };
        name.chars().map(spell).collect()
    })
}

#[tokio::test]
async fn a_huge_message_is_refused() {
    let server = Setup::with(UNLIMITED).start();
    let children = server.children();
    let visitor = Visitor::new();
    for (protocol, lengths) in [
        (Protocol::Http1, &[20_000, 1_000_000, 3_900_000][..]),
        // nghttp2 takes no header line above 64 KiB.
        (Protocol::Http2, &[20_000, 60_000]),
    ] {
        for length in lengths {
            for letter in ["A", ","] {
                let mut session = Session::open(&server, protocol, Some(&visitor)).await;
                let request = Request::get(HOST, "/page.html")
                    .header(binding::SEC_TOKEN_BINDING, letter.repeat(*length));
                let answer = session.try_send_as_it_is(&request).await.unwrap();
                assert_eq!(answer.status, 400, "{protocol:?} {length}");
            }
        }
    }
    assert_eq!(visitor.visit(&server, "/page.html").await.status, 200);
    assert_eq!(server.children(), children, "the same processes");
}

/// Thousands of forged names: all are removed, what is between them stays, and it does not take the square of the time.
#[tokio::test]
async fn thousands_of_forged_headers_are_removed() {
    let server = Setup::with(UNLIMITED).start();
    let visitor = Visitor::new();
    let mut session = Session::open(&server, Protocol::Http1, Some(&visitor)).await;
    let mut request = Request::get(HOST, "/env.cgi").header("X-First", "first");
    for name in spellings(PROVIDED, 20_000) {
        request = request.header(&name, "forged");
    }
    let page = session.send(request.header("X-Last", "last")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(!page.text().contains("forged"));
    for (name, value) in [
        ("HTTP_X_FIRST", "first"),
        ("HTTP_X_LAST", "last"),
        ("HTTP_SEC_PROVIDED_TOKEN_BINDING_ID", &visitor.id()),
    ] {
        assert_eq!(shown(&page.text(), name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn thousands_of_cookies_under_a_bound_name_are_removed() {
    let server = cookies::setup(&format!("{UNLIMITED}\nTokenBindingCookie sid")).start();
    let visitor = Visitor::new();
    for forged in ["sid=forged", "sid=tb2be.AAAAAAAAAAAA.AAAA", "a,sid=forged", "a=\"sid=forged"] {
        let mut session = Session::open(&server, Protocol::Http1, Some(&visitor)).await;
        let header = format!("first=1; {}last=2", format!("{forged}; ").repeat(10_000));
        let page = session.send(Request::get(HOST, "/env.cgi").header("Cookie", header)).await;
        assert_eq!(page.status, 200, "{forged}");
        let seen = shown(&page.text(), "HTTP_COOKIE").unwrap_or_default().to_owned();
        assert!(
            !seen.contains("sid") && seen.starts_with("first=1;") && seen.ends_with("last=2"),
            "{forged}"
        );
    }
}

/// The message arrives byte by byte, over many reads of the server's.
#[tokio::test]
async fn a_slow_message_is_taken_as_a_fast_one_is() {
    let server = Setup::with("").start();
    let visitor = Visitor::new();
    let mut tls = connect(&server, &options()).await;
    let message = visitor.header(&tls.ekm().unwrap());
    let request = format!(
        "GET /env.cgi HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nSec-Token-Binding: {message}\r\n\r\n"
    );
    for byte in request.as_bytes() {
        tls.write_all(&[*byte]).await.unwrap();
        tls.flush().await.unwrap();
    }
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(&format!("HTTP_SEC_PROVIDED_TOKEN_BINDING_ID={}", visitor.id())), "{answer}");
}
