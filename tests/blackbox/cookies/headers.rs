//! What clients can do to the `Cookie` header, on the wire.

use tokbind::Request;

use crate::support::cookies::{SET_COOKIE, is_sealed, jar, seen, set_cookies, setup};
use crate::support::httpd::HOST;
use crate::support::session::{PROTOCOLS, Protocol, Session, fetch};
use crate::support::{Httpd, Visitor, shown};

async fn server(directives: &str) -> Httpd {
    let server = setup(directives).start();
    server.script("set.cgi", SET_COOKIE);
    server
}

async fn sealed(server: &Httpd, visitor: &Visitor, cookie: &str) -> String {
    jar(&fetch(server, Protocol::Http1, Some(visitor), &format!("/set.cgi?{cookie}"), "").await)
}

/// Several lines: httpd joins those of HTTP/1.1 with a comma, mod_http2 its own with a semicolon.
#[tokio::test]
async fn several_cookie_lines() {
    let server = server("TokenBindingCookie sid tid").await;
    let visitor = Visitor::new();
    let (sid, tid) = (sealed(&server, &visitor, "sid=alice").await, sealed(&server, &visitor, "tid=x").await);
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, Some(&visitor)).await;
        for (lines, joined) in [
            (vec!["a=1", &sid, "b=2"], "a=1; sid=alice; b=2"),
            (vec![&sid, &tid], "sid=alice; tid=x"),
            (vec![&sid, "sid=forged", "b=2"], "sid=alice; b=2"),
            (vec!["sid=forged", &sid], "sid=alice"),
            (vec!["tid=forged", "b=2"], "b=2"),
        ] {
            let request = lines
                .iter()
                .fold(Request::get(HOST, "/env.cgi"), |request, line| request.header("Cookie", line));
            let page = session.send(request).await;
            assert_eq!(seen(&page).as_deref(), Some(joined), "{protocol:?} {lines:?}");
        }
        // Lines of other cookies alone stay as httpd joins them.
        let request = Request::get(HOST, "/env.cgi").header("Cookie", "a=1").header("Cookie", "b=2");
        let joined = if protocol == Protocol::Http1 { "a=1, b=2" } else { "a=1; b=2" };
        assert_eq!(seen(&session.send(request).await).as_deref(), Some(joined));
    }
}

/// Under names that PHP, Python and others would take for a bound one, and in places where they would find it.
#[tokio::test]
async fn an_unsealed_cookie_does_not_get_in_under_another_spelling() {
    let server = server("TokenBindingCookie PHPSESSID app_sid __Host-id").await;
    for protocol in PROTOCOLS {
        for somebody in [Some(&Visitor::new()), None] {
            let mut session = Session::open(&server, protocol, somebody).await;
            for cookie in [
                "PHPSESSID=forged",
                "PHPSESSID",
                "phpsessid=forged",
                "PHPSESSID =forged",
                " \t PHPSESSID=forged",
                "app.sid=forged",
                "app sid=forged",
                "app[sid=forged",
                "app_sid[]=forged",
                "app_sid[x=forged",
                "%50HPSESSID=forged",
                "+PHPSESSID=forged",
                "..Host-id=forged",
                "=PHPSESSID=forged",
                "\"PHPSESSID\"=forged",
                "x=1,PHPSESSID=forged",
                "x=1 PHPSESSID=forged",
                "x=\"1\" PHPSESSID=forged",
                "x=\"; PHPSESSID=forged; y=\"",
                "$Version=1; PHPSESSID=forged; $Path=/",
                "PHPSESSID=tb1um.AAAAAAAA.forged",
                "PHPSESSID\u{a0}=forged",
            ] {
                let page = session.get("/env.cgi", &format!("first=1; {cookie}; last=2")).await;
                assert_eq!(page.status, 200, "{cookie}");
                let left = seen(&page).unwrap();
                assert!(
                    !left.to_lowercase().contains("forged") && !left.contains("PHPSESSID"),
                    "{cookie}: {left}"
                );
                assert!(left.starts_with("first=1") && left.ends_with("last=2"), "{cookie}: {left}");
            }
        }
    }
}

/// Cookies as large as browsers keep them.
#[tokio::test]
async fn large_cookies_are_sealed_and_what_browsers_would_drop_is_said() {
    for encrypt in ["Off", "On"] {
        let server = server(&format!(
            "TokenBindingCookie sid\nTokenBindingCookieEncrypt {encrypt}\nLimitRequestFieldSize 16000"
        ))
        .await;
        server.script(
            "large.cgi",
            "#!/bin/sh\nprintf 'Set-Cookie: sid=%s\\n\\n' \"$(head -c \"$QUERY_STRING\" /dev/zero | tr '\\0' x)\"\n",
        );
        for protocol in PROTOCOLS {
            let visitor = Visitor::new();
            let mut session = Session::open(&server, protocol, Some(&visitor)).await;
            for size in [2900, 4093] {
                let cookie = jar(&session.get(&format!("/large.cgi?{size}"), "").await);
                assert!(is_sealed(&cookie));
                let page = session.get("/env.cgi", &cookie).await;
                assert_eq!(seen(&page).unwrap().len(), "sid=".len() + size, "{encrypt} {size}");
            }
        }
        let lines = server.lines("TB303");
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("[token_binding:warn]") && lines[0].contains("4096"), "{lines:?}");
    }
}

/// A cookie in a trailer is none.
#[tokio::test]
async fn trailers_bring_no_cookies_in() {
    let server = server(
        "TokenBindingCookie sid\nMergeTrailers On\n\
         Header always set Seen \"expr=%{req:Cookie}|%{req:X-Harmless}\"",
    )
    .await;
    let visitor = Visitor::new();
    let sid = sealed(&server, &visitor, "sid=alice").await;
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, Some(&visitor)).await;
        let mut request = Request::get(HOST, "/env.cgi").header("Cookie", &sid).body("body").chunked();
        request.method = "POST".into();
        let request = request.trailer("Cookie", "sid=forged").trailer("X-Harmless", "trailer");
        let page = session.send(request).await;
        assert_eq!(page.header("Seen"), Some("sid=alice|trailer"), "{protocol:?}");
    }
}

#[tokio::test]
async fn all_binds_every_cookie() {
    let server = server("TokenBindingCookie all").await;
    let visitor = Visitor::new();
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, Some(&visitor)).await;
        let cookie = jar(&session.get("/set.cgi?anything=1", "").await);
        let page = session.get("/env.cgi", &format!("{cookie}; lang=en; x; =y")).await;
        assert_eq!(seen(&page).as_deref(), Some("anything=1"));
        let nameless = session.get("/set.cgi?nameless", "").await;
        assert!(set_cookies(&nameless).is_empty(), "{:?}", nameless.headers);
    }
    assert!(server.line("TB302").contains("name=value"), "{}", server.line("TB302"));
}

/// `SetEnvIf`, rewrite conditions, the access log: they see what the application sees.
#[tokio::test]
async fn nothing_in_httpd_sees_a_refused_cookie() {
    let server = server(
        "TokenBindingCookie sid\nSetEnvIf Cookie sid=(\\w+) SAW=$1\n\
         RewriteEngine On\nRewriteCond %{HTTP_COOKIE} forged\nRewriteRule . - [F]\n\
         LogFormat \"cookie %{Cookie}i %{sid}C\" seen\nCustomLog @DIR@/access.log seen",
    )
    .await;
    let visitor = Visitor::new();
    let sid = sealed(&server, &visitor, "sid=alice").await;
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, Some(&visitor)).await;
        let page = session.get("/env.cgi", "sid=forged; a=1").await;
        assert_eq!((page.status, shown(&page.text(), "SAW")), (200, None));
        let page = session.get("/env.cgi", &sid).await;
        assert_eq!(shown(&page.text(), "SAW"), Some("alice"));
    }
    let log = server.dir().join("access.log");
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    assert!(server.wait_for(|_| lines().lines().count() == 5), "{}", lines());
    assert!(!lines().contains("forged") && lines().contains("cookie sid=alice alice"), "{}", lines());
}
