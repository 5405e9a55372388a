//! Whatever sets a cookie, and on whatever response: it is sealed once, and its owner gets it back.

use tokbind::{Request, Response};

use httpd_harness::cookies::{SET_COOKIE, is_sealed, jar, seen, set_cookies, setup};
use httpd_harness::httpd::{HOST, Setup as HttpdSetup};
use httpd_harness::session::{PROTOCOLS, Session};
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor, setup as prepared};

/// Every bound cookie in it is sealed for this visitor, who gets `expected` back into the application.
async fn assert_bound(session: &mut Session<'_>, response: &Response, expected: &str, what: &str) {
    let lines = set_cookies(response);
    assert!(!lines.is_empty(), "{what}: {:?}", response.headers);
    for line in &lines {
        assert!(is_sealed(line) && line.ends_with("; Secure"), "{what}: {line}");
        assert_eq!(line.matches("tb2").count(), 1, "{what}: sealed once: {line}");
    }
    let page = session.get("/env.cgi", &jar(response)).await;
    assert_eq!(seen(&page).as_deref(), Some(expected), "{what}");
    let cache = response.header("Cache-Control").unwrap_or_default();
    assert!(cache.contains("private"), "{what}: Cache-Control: {cache}");
}

#[tokio::test]
async fn cookies_of_headers_directives_modules_and_error_documents() {
    let mut setup = setup(
        "TokenBindingCookie sid uid\n\
         <Location /set>\n  Header add Set-Cookie sid=set\n</Location>\n\
         <Location /always>\n  Header always add Set-Cookie sid=always\n</Location>\n\
         <Location /both>\n  Header always add Set-Cookie sid=1\n  Header add Set-Cookie uid=2\n</Location>\n\
         <Location /document>\n  ErrorDocument 404 /set.cgi?sid=document\n</Location>\n\
         <Location /text>\n  ErrorDocument 404 \"nothing\"\n  Header always add Set-Cookie sid=text\n</Location>\n\
         <Location /nested>\n  ErrorDocument 404 /missing-too\n  Header always add Set-Cookie sid=n\n</Location>\n\
         <Location /denied>\n  Require all denied\n  Header always add Set-Cookie sid=denied\n</Location>\n\
         <Location /gone>\n  Redirect gone\n  Header always add Set-Cookie sid=gone\n</Location>\n\
         <Location /redirect>\n  Redirect /env.cgi\n  Header always add Set-Cookie sid=redirect\n</Location>\n\
         <Location /tracked>\n  CookieTracking On\n  CookieName uid\n</Location>\n\
         <Location /session>\n  Session On\n  SessionCookieName sid path=/\n  SessionMaxAge 60\n  \
           SessionEnv On\n  SessionHeader X-Session\n</Location>\n\
         <Location /trace>\n  Header always add Set-Cookie sid=trace\n</Location>\n\
         AliasMatch ^/(set|always|both|tracked|trace)$ @DIR@/htdocs/page.html\n\
         RewriteEngine On\nRewriteRule ^/rewritten$ /set.cgi?sid=rewritten [PT]",
    );
    setup.modules.extend(["usertrack", "session", "session_cookie"]);
    let mut server = setup.start();
    server.announce("AH01630: client denied");
    server.script("set.cgi", SET_COOKIE);
    server.script(
        "status.cgi",
        "#!/bin/sh\nprintf 'Status: %s\\nContent-Type: text/plain\\nSet-Cookie: sid=%s\\n\\n' $QUERY_STRING $QUERY_STRING\n",
    );
    server.script(
        "location.cgi",
        "#!/bin/sh\nprintf 'Location: /set.cgi?sid=location\\nSet-Cookie: uid=lost\\n\\n'\n",
    );
    server.script(
        "many.cgi",
        "#!/bin/sh\nprintf 'Set-Cookie: sid=1\\nSet-Cookie: uid=2\\nSet-Cookie: sid[a]=3\\n\\n'\n",
    );
    server.script("session.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nX-Session: a=1\\n\\n'\n");
    server
        .script("empty.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nSet-Cookie: sid=empty\\n\\n'\n");
    for protocol in PROTOCOLS {
        let visitor = Visitor::new();
        for (path, status, expected) in [
            ("/set", 200, "sid=set"),
            ("/always", 200, "sid=always"),
            ("/both", 200, "sid=1; uid=2"),
            ("/document", 404, "sid=document"),
            ("/text", 404, "sid=text"),
            ("/nested", 404, "sid=n"),
            ("/denied", 403, "sid=denied"),
            ("/gone", 410, "sid=gone"),
            ("/redirect", 302, "sid=redirect"),
            ("/rewritten", 200, "sid=rewritten"),
            ("/status.cgi?401", 401, "sid=401"),
            ("/status.cgi?204", 204, "sid=204"),
            ("/status.cgi?304", 304, "sid=304"),
            ("/status.cgi?500", 500, "sid=500"),
            ("/many.cgi", 200, "sid=1; uid=2; sid[a]=3"),
            ("/empty.cgi", 200, "sid=empty"),
        ] {
            // Some of these answers end their connection.
            let open = async || Session::open(&server, protocol, Some(&visitor)).await;
            let mut session = open().await;
            let response = open().await.get(path, "").await;
            let what = format!("{protocol:?} {path}");
            assert_eq!(response.status, status, "{what}: {}", response.text());
            assert_bound(&mut session, &response, expected, &what).await;
        }
        // The same by HEAD: no body, the same headers.
        for (path, expected) in [("/set", "sid=set"), ("/always", "sid=always"), ("/both", "sid=1; uid=2")] {
            let mut session = Session::open(&server, protocol, Some(&visitor)).await;
            let head = session.send(Request::new("HEAD", HOST, path)).await;
            assert_eq!(head.status, 200, "HEAD {path}");
            assert_bound(&mut session, &head, expected, &format!("{protocol:?} HEAD {path}")).await;
        }
        let mut session = Session::open(&server, protocol, Some(&visitor)).await;
        for path in ["/tracked", "/location.cgi"] {
            let response = session.get(path, "").await;
            assert_eq!(response.status, 200, "{path}");
            assert!(set_cookies(&response).iter().all(|line| is_sealed(line)), "{:?}", response.headers);
            assert!(!set_cookies(&response).is_empty(), "{path}");
        }
        // A conditional request that is answered with 304 by httpd itself.
        let page = session.get("/always", "").await;
        let request = Request::get(HOST, "/always").header("If-None-Match", page.header("ETag").unwrap());
        let response = session.send(request).await;
        assert_eq!(response.status, 304);
        for line in set_cookies(&response) {
            assert!(is_sealed(&line), "{line}");
        }
    }
}

/// mod_session reads the Cookie header itself, and sets its cookie in a filter of its own.
#[tokio::test]
async fn mod_session_keeps_its_session_in_a_bound_cookie() {
    let mut setup = setup(
        "TokenBindingCookie sid\n\
         <Location />\n  Session On\n  SessionCookieName sid path=/\n  SessionEnv On\n  SessionHeader X-Session\n</Location>",
    );
    setup.modules.extend(["session", "session_cookie"]);
    let server = setup.start();
    server
        .script("login.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nX-Session: user=alice\\n\\n'\n");
    for protocol in PROTOCOLS {
        let (owner, thief) = (Visitor::new(), Visitor::new());
        let mut session = Session::open(&server, protocol, Some(&owner)).await;
        let cookie = jar(&session.get("/login.cgi", "").await);
        assert!(is_sealed(&cookie), "{cookie}");
        let page = session.get("/env.cgi", &cookie).await.text();
        assert!(page.contains("HTTP_SESSION=user=alice"), "{page}");
        for somebody in [Some(&thief), None] {
            let mut session = Session::open(&server, protocol, somebody).await;
            let page = session.get("/env.cgi", &cookie).await.text();
            assert!(!page.contains("alice"), "{page}");
        }
    }
}

#[tokio::test]
async fn attributes_and_other_cookies_stay_as_they_are() {
    let server = setup("TokenBindingCookie sid\nTokenBindingCookieEncrypt Off").start();
    server.script(
        "set.cgi",
        "#!/bin/sh\nprintf 'Set-Cookie: a=1, sid=2; Path=/x\\nSet-Cookie: sid=v; SECURE; Domain=.bound.test; X=\"y\"\\n'\n\
         printf 'Set-Cookie: sid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT\\nSet-Cookie: b\\n\\n'\n",
    );
    for protocol in PROTOCOLS {
        let visitor = Visitor::new();
        let response = Session::open(&server, protocol, Some(&visitor)).await.get("/set.cgi", "").await;
        let lines = set_cookies(&response);
        let [other, kept, deleted, nameless] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((other.as_str(), nameless.as_str()), ("a=1, sid=2; Path=/x", "b"));
        assert!(kept.ends_with(".v; SECURE; Domain=.bound.test; X=\"y\""), "{kept}");
        assert!(
            deleted.ends_with(".0.; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure"),
            "{deleted}"
        );
    }
}

/// A backend behind mod_proxy, over HTTP/1.1, sets and reads its cookies as ever.
#[tokio::test]
async fn a_proxied_backend_is_none_the_wiser() {
    let plain =
        VirtualHost { name: HOST, tls: false, directives: "ErrorDocument 404 /set.cgi?sid=404".into() };
    let backend = HttpdSetup { module: None, virtual_hosts: vec![plain], ..Setup::default() }.start();
    backend.script("set.cgi", SET_COOKIE);
    let server = setup(&format!(
        "TokenBindingCookie sid\nProxyPass /app/ http://127.0.0.1:{}/\nProxyPassReverseCookiePath / /app/",
        backend.port()
    ))
    .start();
    for protocol in PROTOCOLS {
        let (owner, thief) = (Visitor::new(), Visitor::new());
        let mut session = Session::open(&server, protocol, Some(&owner)).await;
        for (path, status, value) in [("/app/set.cgi?sid=alice", 200, "alice"), ("/app/nowhere", 404, "404")]
        {
            let response = session.get(path, "").await;
            assert_eq!(response.status, status);
            let cookie = jar(&response);
            assert!(is_sealed(&cookie), "{cookie}");
            assert!(set_cookies(&response)[0].contains("; Path=/app/; HttpOnly"), "{:?}", response.headers);
            let page = session.get("/app/env.cgi", &format!("{cookie}; a=1")).await;
            assert_eq!(seen(&page), Some(format!("sid={value}; a=1")));
            let mut other = Session::open(&server, protocol, Some(&thief)).await;
            let page = other.get("/app/env.cgi", &format!("{cookie}; a=1")).await;
            assert_eq!(seen(&page).as_deref(), Some("a=1"));
        }
    }
}

/// The filter itself fails: the response is not sent, and no cookie leaves unsealed.
#[tokio::test]
async fn a_fault_while_sealing_sends_nothing() {
    for site in ["SealCookies", "ResponseFilter", "TellCaches"] {
        let mut setup = setup("TokenBindingCookie sid");
        // Only with it caches are told anything early.
        setup.modules.push("cache");
        setup.module = Some(prepared::faulty_module());
        setup.environment = vec![("TOKEN_BINDING_PANIC_AT", site.into())];
        let mut server: Httpd = setup.start();
        server.announce("TB901");
        server.announce("panicked at");
        server.script("set.cgi", SET_COOKIE);
        for protocol in PROTOCOLS {
            let visitor = Visitor::new();
            let mut session = Session::open(&server, protocol, Some(&visitor)).await;
            let request = Request::get(HOST, "/set.cgi?sid=alice").header("X-Panic", "please");
            match session.try_send(request).await {
                Err(_) => {}
                Ok(response) => assert!(set_cookies(&response).iter().all(|line| is_sealed(line)), "{site}"),
            }
            let mut session = Session::open(&server, protocol, Some(&visitor)).await;
            let page = session.get("/set.cgi?sid=alice", "").await;
            assert!(is_sealed(&jar(&page)), "the process lives");
        }
        assert!(server.line("TB901").contains(site));
    }
}
