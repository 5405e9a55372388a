//! What clients can do to the `Cookie` header, on the wire.

use tokbind::Request;

use httpd_harness::cookies::{SET_COOKIE, is_sealed, jar, seen, set_cookies, setup};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session, fetch};
use httpd_harness::{Httpd, Visitor, shown};

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
                "PHPSESSID=tb2ue.AAAAAAAAAAAA.forged",
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

/// Cookies as large as browsers keep them: encrypted if that fits, readable if only that does, and a word about the rest.
#[tokio::test]
async fn large_cookies_are_sealed_and_what_browsers_would_drop_is_said() {
    for encrypt in ["Off", "On"] {
        let server = server(&format!(
            "TokenBindingCookie sid tid\nTokenBindingCookieEncrypt {encrypt}\nLimitRequestFieldSize 16000"
        ))
        .await;
        server.script(
            "large.cgi",
            "#!/bin/sh\nname=${QUERY_STRING%=*} size=${QUERY_STRING#*=}\n\
             printf 'Set-Cookie: %s=%s\\n\\n' \"$name\" \"$(head -c \"$size\" /dev/zero | tr '\\0' x)\"\n",
        );
        for protocol in PROTOCOLS {
            let visitor = Visitor::new();
            let mut session = Session::open(&server, protocol, Some(&visitor)).await;
            for (name, size, form) in
                [("sid", 2900, 'e'), ("tid", 3500, 'm'), ("tid", 4093, 'e'), ("sid", 4093, 'e')]
            {
                let cookie = jar(&session.get(&format!("/large.cgi?{name}={size}"), "").await);
                let form = if encrypt == "On" { form } else { 'm' };
                assert!(cookie.starts_with(&format!("{name}=tb2b{form}.")), "{encrypt} {size}: {cookie}");
                let page = session.get("/env.cgi", &cookie).await;
                assert_eq!(seen(&page).unwrap().len(), "sid=".len() + size, "{encrypt} {size}");
            }
        }
        // Once for each name and cause, whatever the protocol and the process: what is harmless does not hide what is not.
        let lines = server.lines("TB303");
        let of = |name: &str, words: &str| {
            let said = |line: &&String| line.contains(&format!("Set-Cookie {name}: {words}"));
            lines.iter().filter(said).count()
        };
        let readable = usize::from(encrypt == "On");
        assert_eq!(
            ["sid", "tid"].map(|name| (of(name, "it is sent readable"), of(name, "browsers drop it"))),
            [(0, 1), (readable, 1)],
            "{lines:?}"
        );
        assert_eq!(lines.len(), 2 + readable, "{lines:?}");
        assert!(
            lines.iter().all(|line| line.contains("[token_binding:warn]") && line.contains("4096")),
            "{lines:?}"
        );
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

/// `ap_cookie_read` finds cookies in `Cookie2`, too. Nothing else reads it, and no browser sends it.
#[tokio::test]
async fn cookie2_goes_round_nothing() {
    let mut setup = setup(
        "TokenBindingCookie session\nTokenBindingPassVar none\n\
         Session On\nSessionCookieName session path=/\nSessionEnv On\n\
         <Location /inside>\n  AuthType form\n  AuthName inside\n  AuthFormProvider file\n\
           AuthUserFile @DIR@/users\n  Require valid-user\n</Location>\nScriptAlias /inside/ @DIR@/htdocs/\n\
         TokenBindingCookieEncrypt Off",
    );
    setup.modules.extend(["session", "session_cookie", "auth_form", "request", "authn_file"]);
    setup.files.push(("users", b"alice:{SHA}W8r/fyL/UzygmbNAjq2HbA67qac=\n".to_vec()));
    let server = setup.start();
    for protocol in PROTOCOLS {
        let owner = Visitor::new();
        let mut session = Session::open(&server, protocol, Some(&owner)).await;
        let mut login = Request::get(HOST, "/inside/env.cgi")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("httpd_username=alice&httpd_password=open+sesame");
        login.method = "POST".into();
        let page = session.send(login).await;
        let cookie = jar(&page);
        assert!(is_sealed(&cookie), "{cookie} {}: {}", page.status, server.log());
        let page = session.get("/inside/env.cgi", &cookie).await;
        assert_eq!(shown(&page.text(), "REMOTE_USER"), Some("alice"), "{}: {}", page.status, page.text());
        let (_, value) = cookie.rsplit_once('.').unwrap();
        for somebody in [Some(&Visitor::new()), None] {
            let mut session = Session::open(&server, protocol, somebody).await;
            for (name, line) in [
                ("Cookie2", format!("session={value}")),
                ("cookie2", format!("$Version=1; session={value}")),
                ("Cookie", format!("session={value}")),
            ] {
                let request = Request::get(HOST, "/inside/env.cgi").header(name, line);
                let page = session.send(request).await;
                assert_ne!(page.status, 200, "{protocol:?} {name}: {}", page.text());
            }
        }
    }
    assert!(server.line("TB301").contains("session") || server.line("TB301").contains("Cookie2"));
    assert!(server.lines("TB301").iter().any(|line| line.contains("Cookie2")));
}

/// TRACE shows what has arrived: no cookie's own value.
#[tokio::test]
async fn trace_shows_no_value() {
    let server = server("TokenBindingCookie sid\nTraceEnable On\nTokenBindingPassVar context").await;
    let visitor = Visitor::new();
    let sid = sealed(&server, &visitor, "sid=alice").await;
    let mut session = Session::open(&server, Protocol::Http1, Some(&visitor)).await;
    let mut trace = Request::get(HOST, "/env.cgi").header("Cookie", format!("a=1; {sid}"));
    trace.method = "TRACE".into();
    let page = session.send(trace).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Cookie: a=1") && !page.text().contains("alice"), "{}", page.text());
    assert!(!page.text().contains("Context"), "{}", page.text());
    assert!(server.line("TB301").contains("TRACE"), "{}", server.line("TB301"));
}

/// A cookie without a name is a value, and no value is logged.
#[tokio::test]
async fn a_value_without_a_name_is_not_logged() {
    let server = server("TokenBindingCookie all").await;
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, None).await;
        for cookie in [
            "hushhush",
            "=hushhush",
            "=hushhush=x",
            "hushhush==",
            "a=1, hushhush",
            "hushhush, a=1",
            "sid=x,hushhush=x",
        ] {
            assert_eq!(seen(&session.get("/env.cgi", cookie).await), None, "{cookie}");
        }
        for line in ["hushhush", "=hushhush"] {
            assert!(set_cookies(&session.get(&format!("/set.cgi?{line}"), "").await).is_empty());
        }
    }
    assert!(!server.log().contains("hushhush"), "{}", server.log());
    for tag in ["TB301", "TB302"] {
        assert!(server.line(tag).contains("(no name)"), "{}", server.line(tag));
    }
}

/// A bound cookie inside the value of another: an application that can be made to set any value would have it sealed.
#[tokio::test]
async fn a_bound_cookie_in_the_value_of_another_is_not_sealed() {
    for (names, hidden) in [("sid lang", "sid=stolen"), ("all", "anything=stolen")] {
        let server = server(&format!("TokenBindingCookie {names}")).await;
        server.script(
            "value.cgi",
            &format!(
                "#!/bin/sh\nprintf 'Set-Cookie: lang=x,{hidden}\\nSet-Cookie: lang=\"x {hidden}\"\\n'\n\
                 printf 'Set-Cookie: lang=x;y\\nSet-Cookie: lang=\"c2VjcmV0==\"\\n\\n'\n"
            ),
        );
        for protocol in PROTOCOLS {
            for thief in [Some(&Visitor::new()), None] {
                let mut session = Session::open(&server, protocol, thief).await;
                let lines = set_cookies(&session.get("/value.cgi", "").await);
                assert_eq!(lines.len(), 2, "{names}: {lines:?}");
                let cookies =
                    lines.iter().map(|line| line.split(';').next().unwrap()).collect::<Vec<_>>().join("; ");
                let page = session.get("/env.cgi", &cookies).await;
                assert_eq!(seen(&page).as_deref(), Some("lang=x; lang=\"c2VjcmV0==\""), "{names}");
            }
        }
        assert!(
            server.line("TB302").contains("lang withheld: another bound cookie is hidden"),
            "{}",
            server.line("TB302")
        );
    }
}

/// What was sealed while other names were bound is looked at again.
#[tokio::test]
async fn a_bound_cookie_in_a_sealed_value_does_not_get_in() {
    let before = server("TokenBindingCookie lang").await;
    let after = server("TokenBindingCookie lang sid").await;
    let visitor = Visitor::new();
    let cookie = sealed(&before, &visitor, "lang=x,sid=stolen").await;
    for protocol in PROTOCOLS {
        let mut session = Session::open(&after, protocol, Some(&visitor)).await;
        let page = session.get("/env.cgi", &format!("a=1; {cookie}")).await;
        assert_eq!(seen(&page).as_deref(), Some("a=1"));
    }
    assert!(after.line("TB301").contains("lang: hidden inside another cookie"), "{}", after.line("TB301"));
}
