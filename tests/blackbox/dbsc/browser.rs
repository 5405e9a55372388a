//! Today's Chromium, as it is: headless, and with keys in software.

use std::time::Duration;

use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{
    Request as HandshakeRequest, Response as HandshakeResponse,
};

use httpd_harness::browser::{Browser, Page};
use httpd_harness::cookies::{OTHER_SECRET, SET_COOKIE, seen, setup};
use httpd_harness::device::SHORT_LIVED;
use httpd_harness::httpd::{HOST, PATIENCE};
use httpd_harness::session::{Protocol, fetch};
use httpd_harness::setup as programs;
use httpd_harness::{Httpd, Setup, VirtualHost, shown};

use super::sealed;

const KEY: &str = "Sec_Device_Bound_Session_Key";
const DBSC: &str = "TokenBindingCookie sid\nTokenBindingDBSC On";

fn url(server: &Httpd, path: &str) -> String {
    format!("https://{HOST}:{}{path}", server.port())
}

/// A server whose login redirects to the page that shows what the application sees.
fn started(setup: Setup) -> Httpd {
    let server = setup.start();
    server.script("set.cgi", SET_COOKIE);
    server.script(
        "login.cgi",
        "#!/bin/sh\nprintf 'Status: 302\\nLocation: /env.cgi\\nSet-Cookie: sid=alice; Path=/; HttpOnly\\n\\n'\n",
    );
    server
}

fn server(http2: bool, directives: &str) -> Httpd {
    started(Setup { http2, ..setup(&format!("{DBSC}\n{directives}")) })
}

/// What the application sees: its cookies, and the key of the device.
async fn visit(page: &mut Page, server: &Httpd, path: &str) -> (Option<String>, Option<String>) {
    assert_eq!(page.go(&url(server, path)).await, 200, "{}", server.log());
    shown_on(&page.text().await)
}

fn shown_on(text: &str) -> (Option<String>, Option<String>) {
    (shown(text, "HTTP_COOKIE").map(str::to_owned), shown(text, KEY).map(str::to_owned))
}

/// Logs in, and visits pages until the browser has proved its key and the cookie is bound to it. Returns the key.
async fn log_in(page: &mut Page, server: &Httpd) -> String {
    let (cookies, _) = visit(page, server, "/login.cgi").await;
    assert_eq!(cookies.as_deref(), Some("sid=alice"), "while the browser registers");
    become_bound(page, server).await
}

async fn become_bound(page: &mut Page, server: &Httpd) -> String {
    let bound = tokio::time::timeout(PATIENCE, async {
        loop {
            let (cookies, key) = visit(page, server, "/env.cgi").await;
            assert!(cookies.is_some_and(|cookies| cookies.contains("sid=alice")), "{}", server.log());
            match key {
                Some(key) if page.cookies(HOST).await.contains("sid=tb2de.") => return key,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    })
    .await;
    bound.unwrap_or_else(|_| panic!("the browser has not registered:\n{}", server.log()))
}

/// Until the browser has proved its key again, it has no proof to show.
async fn forget(page: &mut Page) {
    let forgotten = tokio::time::timeout(PATIENCE, async {
        loop {
            page.forget_cookie(HOST, SHORT_LIVED).await;
            // A refresh that is under way can bring it back.
            if !page.cookies(HOST).await.contains(&format!("{SHORT_LIVED}=")) {
                return;
            }
        }
    });
    forgotten.await.expect("it comes back and back");
}

#[tokio::test]
async fn a_login_by_redirect_is_bound_and_every_kind_of_request_waits_for_a_refresh() {
    for http2 in [false, true] {
        let server = server(http2, "");
        let browser = Browser::with_dbsc().await;
        let mut page = browser.page().await;
        let key = log_in(&mut page, &server).await;
        forget(&mut page).await;
        let expected = (Some("sid=alice".to_owned()), Some(key));
        assert_eq!(visit(&mut page, &server, "/env.cgi").await, expected, "a navigation");
        for (what, expression) in [
            ("a fetch", "fetch('/env.cgi').then((response) => response.text())"),
            (
                "a POST with a body",
                "fetch('/env.cgi', {method: 'POST', body: 'x'.repeat(100000)}).then((response) => response.text())",
            ),
            (
                "one of many at a time",
                "Promise.all([...Array(20)].map((_, n) => fetch('/env.cgi?' + n).then((r) => r.text()))) \
                 .then((all) => all.every((text) => text.includes('HTTP_COOKIE=sid=alice\\n')) ? all[7] : all.join())",
            ),
        ] {
            forget(&mut page).await;
            let text = page.evaluate(expression).await;
            let text = text.as_str().unwrap();
            assert_eq!(shown_on(text), expected, "{what}: {text}\n{}", server.log());
            assert!(!what.contains("body") || text.contains(&"x".repeat(100_000)));
        }
        forget(&mut page).await;
        page.evaluate(
            "document.body.innerHTML = '<form method=post action=/env.cgi><input name=a value=b></form>'",
        )
        .await;
        assert_eq!(page.submit("form").await, 200);
        let text = page.text().await;
        assert_eq!(shown_on(&text), expected, "a form");
        assert!(text.contains("a=b"));
    }
}

#[tokio::test]
async fn a_websocket_waits_for_a_refresh() {
    let backend = backend().await;
    let mut setup = setup(&format!("{DBSC}\nProxyPass /ws ws://127.0.0.1:{backend}/"));
    setup.modules.push("proxy_wstunnel");
    let server = started(setup);
    let browser = Browser::with_dbsc().await;
    let mut page = browser.page().await;
    let key = log_in(&mut page, &server).await;
    forget(&mut page).await;
    let received = page
        .evaluate(
            "new Promise((done, failed) => {
                 const socket = new WebSocket(`wss://${location.host}/ws`);
                 socket.onmessage = (message) => done(message.data);
                 socket.onerror = () => failed(new Error('the WebSocket failed'));
             })",
        )
        .await;
    assert_eq!(received, format!("sid=alice {key}"), "{}", server.log());
}

/// A WebSocket server that says what it was asked with: the cookies, and the key.
async fn backend() -> u16 {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut asked = String::new();
            #[allow(clippy::result_large_err, reason = "the library's own signature")]
            let callback = |request: &HandshakeRequest, response: HandshakeResponse| {
                let header = |name| {
                    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("none")
                };
                asked = format!("{} {}", header("Cookie"), header("Sec-Device-Bound-Session-Key"));
                Ok(response)
            };
            let mut socket = tokio_tungstenite::accept_hdr_async(stream, callback).await.unwrap();
            socket.send(Message::text(asked)).await.unwrap();
        }
    });
    port
}

/// What a thief has of it is good as long as its short-lived cookie.
#[tokio::test]
async fn a_session_outlives_its_proofs_and_a_stolen_jar_does_not() {
    for http2 in [false, true] {
        let server = server(http2, "TokenBindingDBSCLifetime 10");
        let browser = Browser::with_dbsc().await;
        let mut page = browser.page().await;
        let key = log_in(&mut page, &server).await;
        let stolen = page.cookies(HOST).await;
        let sees = async || seen(&fetch(&server, Protocol::Http1, None, "/env.cgi", &stolen).await);
        assert_eq!(sees().await.as_deref(), Some("sid=alice"));
        let patience = tokio::time::timeout(PATIENCE, async {
            while sees().await.is_some() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        patience.await.expect("a proof runs out");
        assert_eq!(visit(&mut page, &server, "/env.cgi").await, (Some("sid=alice".into()), Some(key)));
        assert_eq!(sees().await, None);
    }
}

#[tokio::test]
async fn a_session_outlives_the_browser_and_restarts_of_the_server() {
    let mut setup = setup(DBSC);
    setup.global = "IncludeOptional @DIR@/more.conf".into();
    let server = started(setup);
    let browser = Browser::with_dbsc().await;
    let mut page = browser.page().await;
    page.go(&url(&server, "/set.cgi?sid=alice;Max-Age=100000")).await;
    let key = become_bound(&mut page, &server).await;
    drop(page);
    let browser = browser.restart_with_dbsc().await;
    let mut page = browser.page().await;
    let expected = (Some("sid=alice".to_owned()), Some(key));
    forget(&mut page).await;
    assert_eq!(visit(&mut page, &server, "/env.cgi").await, expected, "the browser was restarted");
    server.restart();
    forget(&mut page).await;
    assert_eq!(visit(&mut page, &server, "/env.cgi").await, expected, "a graceful restart");
    // The secret is rotated: another one seals.
    std::fs::write(server.dir().join("more.conf"), "").unwrap();
    let secrets = server.dir().join("secret");
    let old = std::fs::read(&secrets).unwrap();
    std::fs::write(server.dir().join("other-secret"), &old).unwrap();
    std::fs::write(&secrets, OTHER_SECRET).unwrap();
    let configuration = server.dir().join("httpd.conf");
    let text = std::fs::read_to_string(&configuration).unwrap();
    let line = "TokenBindingCookieSecret file:secret";
    std::fs::write(
        &configuration,
        text.replace(line, &format!("{line}\nTokenBindingCookieSecret file:other-secret")),
    )
    .unwrap();
    server.restart();
    forget(&mut page).await;
    assert_eq!(visit(&mut page, &server, "/env.cgi").await, expected, "another secret seals");
}

/// The endpoint fails, and comes back: the application never sees the visitor as nobody.
#[tokio::test]
async fn a_refresh_that_fails_loses_nothing() {
    let mut setup = Setup { module: Some(programs::faulty_module()), ..setup(DBSC) };
    setup.environment.push(("TOKEN_BINDING_PANIC_AT", "DbscEndpoints".into()));
    setup.global = "IncludeOptional @DIR@/broken.conf".into();
    let mut server = started(setup);
    server.announce("TB901");
    server.announce("panicked at");
    server.announce("RUST_BACKTRACE");
    let browser = Browser::with_dbsc().await;
    let mut page = browser.page().await;
    let key = log_in(&mut page, &server).await;
    std::fs::write(server.dir().join("broken.conf"), "RequestHeader set X-Panic 1 early\n").unwrap();
    server.restart();
    forget(&mut page).await;
    assert_eq!(page.go(&url(&server, "/env.cgi")).await, 503, "{}", server.log());
    assert!(server.line("TB405").contains("put off"));
    assert!(page.cookies(HOST).await.contains("sid=tb2de."), "the session's cookie is still there");
    std::fs::remove_file(server.dir().join("broken.conf")).unwrap();
    server.restart();
    let back = tokio::time::timeout(PATIENCE, async {
        // The browser waits a while after an error before it tries again.
        while page.go(&url(&server, "/env.cgi")).await != 200 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    back.await.unwrap_or_else(|_| panic!("it does not come back:\n{}", server.log()));
    assert_eq!(shown_on(&page.text().await), (Some("sid=alice".into()), Some(key)));
}

/// A link from another site, when the proof has run out.
#[tokio::test]
async fn a_link_from_another_site_refreshes_first_where_it_may() {
    for (initiators, is_known) in [("*", true), ("none", false), ("www.other.test", true), ("x.test", false)]
    {
        let mut setup = setup("");
        setup.virtual_hosts = vec![
            VirtualHost::tls(
                HOST,
                format!(
                    "TokenBindingCookieSecret file:secret\n{DBSC}\nTokenBindingDBSCInitiators {initiators}"
                ),
            ),
            VirtualHost::tls("www.other.test", ""),
        ];
        let server = started(setup);
        let browser = Browser::with_dbsc().await;
        let mut page = browser.page().await;
        log_in(&mut page, &server).await;
        page.go(&format!("https://www.other.test:{}/page.html", server.port())).await;
        forget(&mut page).await;
        let target = url(&server, "/env.cgi");
        page.evaluate(&format!("void (location.href = '{target}')")).await;
        page.arrive(&target).await;
        let (cookies, _) = shown_on(&page.text().await);
        assert_eq!(cookies.as_deref() == Some("sid=alice"), is_known, "{initiators}: {cookies:?}");
    }
}

#[tokio::test]
async fn after_a_logout_the_next_login_is_bound_at_once() {
    let server = server(true, "");
    let browser = Browser::with_dbsc().await;
    let mut page = browser.page().await;
    log_in(&mut page, &server).await;
    page.go(&url(&server, "/set.cgi?sid=x;Max-Age=0")).await;
    assert_eq!(visit(&mut page, &server, "/env.cgi").await.0, None);
    page.go(&url(&server, "/set.cgi?sid=bob")).await;
    assert!(page.cookies(HOST).await.contains("sid=tb2de."));
    assert_eq!(visit(&mut page, &server, "/env.cgi").await.0.as_deref(), Some("sid=bob"));
}

#[tokio::test]
async fn a_browser_without_dbsc_goes_on_as_before() {
    for policy in ["optional", "required"] {
        let server = server(true, &format!("TokenBindingCookiePolicy {policy}"));
        let browser = Browser::without_dbsc().await;
        let mut page = browser.page().await;
        for path in ["/login.cgi", "/env.cgi", "/env.cgi"] {
            assert_eq!(visit(&mut page, &server, path).await, (Some("sid=alice".into()), None), "{policy}");
        }
        let cookies = page.cookies(HOST).await;
        let old = sealed::earlier(&server, cookies.strip_prefix("sid=").unwrap(), 70);
        page.evaluate("1").await;
        let page = fetch(&server, Protocol::Http2, None, "/env.cgi", &format!("sid={old}")).await;
        assert_eq!(seen(&page).is_some(), policy == "optional");
    }
}

/// Several first answers that each set a bound cookie make the browser register two keys. One of the sessions stays, and
/// the visitor does not flap between himself and nobody.
#[tokio::test]
async fn two_sessions_of_one_browser_become_one() {
    let server = started(setup("TokenBindingCookie sid other\nTokenBindingDBSC On"));
    // So slow that both requests are on their way before the browser hears of any session.
    let slow = SET_COOKIE.replacen('\n', "\nsleep 1\n", 1);
    server.script("slow.cgi", &slow);
    let mut settled = None;
    // On a busy machine the browser may hear of the first session in time: then there is one only, and another browser tries.
    for _ in 0..10 {
        let browser = Browser::with_dbsc().await;
        let mut page = browser.page().await;
        page.go(&url(&server, "/page.html")).await;
        page.evaluate("Promise.all(['/slow.cgi?other=1', '/slow.cgi?sid=0'].map((url) => fetch(url)))").await;
        for _ in 0..6 {
            // A browser that has lost its proof refreshes whatever sessions it has.
            forget(&mut page).await;
            visit(&mut page, &server, "/env.cgi").await;
        }
        if !server.lines("TB404").is_empty() {
            settled = Some((browser, page));
            break;
        }
    }
    let (_browser, mut page) = settled.unwrap_or_else(|| panic!("both sessions stay:\n{}", server.log()));
    // What was bound to the key of the session that has ended is lost, once: the next login is bound to the other one.
    visit(&mut page, &server, "/login.cgi").await;
    let key = become_bound(&mut page, &server).await;
    for _ in 0..5 {
        forget(&mut page).await;
        let (cookies, again) = visit(&mut page, &server, "/env.cgi").await;
        assert!(cookies.unwrap().contains("sid=alice"), "{}", server.log());
        assert_eq!(again, Some(key.clone()));
    }
    assert_eq!(server.lines("TB404").len(), 1);
}
