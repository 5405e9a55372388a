//! The second half: today's browser, without any agent, by Device Bound Session Credentials.

use std::process::Command;
use std::time::{Duration, Instant};

use httpd_harness::browser::{Browser, Page};
use httpd_harness::cookies::{SECRET, SET_COOKIE};
use httpd_harness::httpd::{HOST, PATIENCE};
use httpd_harness::{Httpd, Setup, shown};

/// How long a proof counts here, in seconds: short, so that nobody waits long for the end.
const LIFETIME: u64 = 10;

pub fn show() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = start();
        println!("\nNow with a browser of today, which speaks no Token Binding, and with Device Bound Session Credentials.");
        println!("The site's configuration, for an application that knows nothing of it:");
        println!("     TokenBindingCookie sid\n     TokenBindingDBSC On\n     TokenBindingDBSCLifetime {LIFETIME}\n");
        let browser = Browser::with_dbsc().await;
        let mut page = browser.page().await;

        println!("9. Alice's Chromium logs in. It is offered to register a key; until it has, the cookie is pending:");
        assert_eq!(page.go(&url(&server, "/login.cgi?sid=alice")).await, 200);
        println!("     {}", shortened(&cookie(&mut page, "sid=").await));

        println!("10. It registers a key and proves it. The next page brings the cookie again, bound to the key:");
        let key = tokio::time::timeout(PATIENCE, bound(&mut page, &server)).await.expect("the browser registers a key");
        println!("     {}", shortened(&cookie(&mut page, "sid=").await));
        println!("     The application sees: HTTP_COOKIE=sid=alice, Sec_Device_Bound_Session_Key={key}");

        println!("\nThe whole cookie jar gets stolen.\n");
        let stolen = page.cookies(HOST).await;
        println!("11. The thief's curl has the jar, and no key. It works while the proof in it is fresh, {LIFETIME} seconds:");
        assert!(curl(&server, &stolen).contains("HTTP_COOKIE=sid=alice"));
        let since = Instant::now();
        while curl(&server, &stolen).contains("HTTP_COOKIE=sid=alice") {
            assert!(since.elapsed() < PATIENCE, "this is not what the module promises: the proof runs out");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        println!("     and {} seconds later no more: the application sees no cookie.", since.elapsed().as_secs());
        let line = server.line("TB301");
        println!("     error log: {}", line.find("TB").map_or(&*line, |start| &line[start..]));

        println!("12. Alice is not disturbed: her browser proves its key again before it asks for the page:");
        assert_eq!(page.go(&url(&server, "/env.cgi")).await, 200);
        let text = page.text().await;
        assert_eq!(shown(&text, "HTTP_COOKIE"), Some("sid=alice"), "{text}");
        println!("     The application sees: HTTP_COOKIE=sid=alice");
    });
}

fn start() -> Httpd {
    let mut setup = Setup::with(&format!(
        "TokenBindingCookie sid\nTokenBindingCookieSecret file:secret\nTokenBindingDBSC On\nTokenBindingDBSCLifetime {LIFETIME}"
    ));
    setup.secrets = vec![("secret", SECRET.into())];
    let server = setup.start();
    server.script("login.cgi", SET_COOKIE);
    server
}

fn url(server: &Httpd, path: &str) -> String {
    format!("https://{HOST}:{}{path}", server.port())
}

/// Visits a page until the browser's key is proved and its cookie bound; the key.
async fn bound(page: &mut Page, server: &Httpd) -> String {
    loop {
        assert_eq!(page.go(&url(server, "/env.cgi")).await, 200);
        let text = page.text().await;
        match shown(&text, "Sec_Device_Bound_Session_Key") {
            Some(key) if page.cookies(HOST).await.contains("sid=tb2d") => return key.to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn cookie(page: &mut Page, name: &str) -> String {
    let cookies = page.cookies(HOST).await;
    cookies.split("; ").find(|cookie| cookie.starts_with(name)).expect("the cookie is in the jar").to_owned()
}

fn shortened(cookie: &str) -> String {
    format!("{}...", cookie.get(..40).unwrap_or(cookie))
}

fn curl(server: &Httpd, cookies: &str) -> String {
    let port = server.port();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(server.dir().join("server.pem"))
        .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1"), "--cookie", cookies])
        .arg(url(server, "/env.cgi"))
        .output()
        .expect("curl can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
