//! What configuration can ask of a request's Token Bindings, and what mod_status shows.

use tokbind::{Ekm, Request, binding};

use httpd_harness::client::{http1, http2};
use httpd_harness::cookies::{SET_COOKIE, jar, setup as with_cookies};
use httpd_harness::figures::{figure, figures, with_figures};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session, fetch};
use httpd_harness::{Mpm, Setup, Visitor};

#[tokio::test]
async fn require_token_binding() {
    let mut server = Setup::with(
        "Alias /any @DIR@/htdocs/page.html\nAlias /not @DIR@/htdocs/page.html\n\
         Alias /referred @DIR@/htdocs/page.html\nAlias /both @DIR@/htdocs/page.html\n\
         <Location /page.html>\n  Require token-binding\n</Location>\n\
         <Location /any>\n  <RequireAny>\n    Require token-binding\n    Require ip 127.0.0.1\n  </RequireAny>\n</Location>\n\
         <Location /not>\n  Require token-binding not\n</Location>\n\
         <Location /referred>\n  Require token-binding referred\n</Location>\n\
         <Location /both>\n  <RequireAll>\n    Require token-binding provided\n    Require all granted\n  </RequireAll>\n\
         </Location>",
    )
    .start();
    server.announce("AH01630: client denied");
    let visitor = Visitor::new();
    for protocol in PROTOCOLS {
        for (path, bound, unbound) in [
            ("/page.html", 200, 403),
            ("/any", 200, 200),
            ("/not", 403, 200),
            ("/referred", 403, 403),
            ("/both", 200, 403),
        ] {
            assert_eq!(fetch(&server, protocol, Some(&visitor), path, "").await.status, bound, "{path}");
            assert_eq!(fetch(&server, protocol, None, path, "").await.status, unbound, "{path}");
        }
    }
}

#[tokio::test]
async fn require_referred_is_met_by_a_referred_binding() {
    let server = Setup::with("<Location />\n  Require token-binding referred\n</Location>").start();
    let (visitor, other) = (Visitor::new(), Visitor::new());
    let asking = |ekm: &Ekm| {
        let header = binding::header(ekm, &visitor.key, Some(&other.key)).unwrap();
        Request::get(HOST, "/page.html").header(binding::SEC_TOKEN_BINDING, header)
    };
    let mut one = http1(&server).await;
    let ekm = one.get_ref().ekm().unwrap();
    assert_eq!(one.request(&asking(&ekm)).await.unwrap().status, 200);
    let two = http2(&server).await;
    assert_eq!(two.request(&asking(two.ekm())).await.unwrap().status, 200);
}

/// The same hash as `cnf.tbh`.
#[tokio::test]
async fn expressions_know_ids_hashes_and_key_parameters() {
    let server = Setup::with(
        "Header always set Id \"expr=%{TOKEN_BINDING:provided}\"\n\
         Header always set Hash \"expr=%{TOKEN_BINDING:provided_hash}\"\n\
         Header always set Key \"expr=%{TOKEN_BINDING:Key_Parameters}\"\n\
         Header always set Referred \"expr=[%{TOKEN_BINDING:referred}%{TOKEN_BINDING:referred_hash}]\"\n\
         Header always set Is-Bound yes \"expr=-n TOKEN_BINDING('provided')\"\n\
         <Location /env.cgi>\n  Require expr \"TOKEN_BINDING('provided_hash') == req('X-Expected')\"\n</Location>",
    )
    .start();
    let visitor = Visitor::new();
    let id = token_binding::header::decode(visitor.id().as_bytes()).unwrap();
    let hash = token_binding::header::encode(&openssl::sha::sha256(&id));
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, Some(&visitor)).await;
        let page = session.get("/page.html", "").await;
        assert_eq!(page.header("Id"), Some(&*visitor.id()));
        assert_eq!(page.header("Hash"), Some(&*hash));
        assert_eq!(page.header("Key"), Some("ecdsap256"));
        assert_eq!((page.header("Referred"), page.header("Is-Bound")), (Some("[]"), Some("yes")));
        let expected = Request::get(HOST, "/env.cgi").header("X-Expected", &hash);
        assert_eq!(session.send(expected).await.status, 200);
        let page = fetch(&server, protocol, None, "/page.html", "").await;
        assert_eq!(page.header("Is-Bound"), None);
        assert_eq!(page.header("Id").unwrap_or_default(), "");
    }
}

#[test]
fn wrong_words_fail_the_syntax_check() {
    for (directives, quoted, allowed) in [
        ("<Location />\nRequire token-binding bound\n</Location>", "\"bound\"", "referred, not"),
        (
            "<Location />\nRequire token-binding provided referred\n</Location>",
            "\"referred\"",
            "referred, not",
        ),
        ("Header set X \"expr=%{TOKEN_BINDING:ekm}\"", "\"ekm\"", "provided_hash"),
        ("<If \"TOKEN_BINDING('ekm') == 'x'\">\n</If>", "\"ekm\"", "provided_hash"),
    ] {
        let output = Setup::with(directives).check();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{directives}");
        assert!(message.contains(quoted) && message.contains(allowed), "{directives}: {message}");
    }
}

/// Over all processes, and through a graceful restart.
#[tokio::test]
async fn mod_status_counts_over_all_processes() {
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let mut setup = with_figures(with_cookies("TokenBindingCookie sid"));
        setup.mpm = mpm;
        let server = setup.start();
        server.script("set.cgi", SET_COOKIE);
        let before = figures(&server).await;
        for name in [
            "Negotiated",
            "Verified",
            "FromCache",
            "RefusedMissingHeader",
            "CookiesSealed",
            "CookiesAccepted",
        ] {
            assert_eq!(figure(&before, name), 0, "{name}");
        }
        let (visitor, thief) = (Visitor::new(), Visitor::new());
        let mut http = http1(&server).await;
        let ekm = http.get_ref().ekm().unwrap();
        let cookie = jar(&http.request(&visitor.get(&ekm, "/set.cgi?sid=alice")).await.unwrap());
        let asking = visitor.get(&ekm, "/page.html").header("Cookie", &cookie);
        for _ in 0..2 {
            assert_eq!(http.request(&asking).await.unwrap().status, 200);
        }
        assert_eq!(http.request(&Request::get(HOST, "/page.html")).await.unwrap().status, 400);
        fetch(&server, Protocol::Http1, Some(&thief), "/page.html", &cookie).await;
        server.restart();
        let after = figures(&server).await;
        for (name, expected) in [
            ("Negotiated", 2),
            ("NotOffered", figure(&before, "NotOffered") + 1),
            ("Verified", 3),
            ("FromCache", 1),
            ("RefusedMissingHeader", 1),
            ("RefusedWrongMessage", 0),
            ("CookiesSealed", 1),
            ("CookiesAccepted", 2),
            ("CookiesRefused", 1),
        ] {
            assert_eq!(figure(&after, name), expected, "{name}: {after}");
        }
        let html = fetch(&server, Protocol::Http1, None, "/status", "").await.text();
        assert!(html.contains("<h2>Token Binding</h2>") && html.contains("bound cookies set"), "{html}");
    }
}
