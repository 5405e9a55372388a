//! A stolen cookie is worth nothing, and the owner's works.

use httpd_harness::cookies::{SET_COOKIE, is_sealed, jar, seen, set_cookies, setup};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session, fetch};
use httpd_harness::{Httpd, Setup, Visitor, shown};

fn server(directives: &str) -> Httpd {
    let server = setup(&format!("TokenBindingCookie sid\n{directives}")).start();
    server.script("set.cgi", SET_COOKIE);
    server
}

#[tokio::test]
async fn a_bound_cookie_works_for_its_owner_on_any_connection_and_for_nobody_else() {
    for encrypt in ["Off", "On"] {
        let server = server(&format!("TokenBindingCookieEncrypt {encrypt}"));
        for protocol in PROTOCOLS {
            let (owner, thief) = (Visitor::new(), Visitor::new());
            let page = fetch(&server, protocol, Some(&owner), "/set.cgi?sid=alice", "").await;
            let cookie = jar(&page);
            assert!(is_sealed(&cookie), "{cookie}");
            assert_eq!(cookie.contains("alice"), encrypt == "Off", "{cookie}");
            let line = set_cookies(&page).remove(0);
            assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{line}");

            let both = format!("a=1; {cookie}; b=2");
            for other_protocol in PROTOCOLS {
                let page = fetch(&server, other_protocol, Some(&owner), "/env.cgi", &both).await;
                assert_eq!(seen(&page).as_deref(), Some("a=1; sid=alice; b=2"));
                for somebody in [Some(&thief), None] {
                    let page = fetch(&server, other_protocol, somebody, "/env.cgi", &both).await;
                    assert_eq!(page.status, 200, "the other cookies are served");
                    assert_eq!(seen(&page).as_deref(), Some("a=1; b=2"));
                    let page = fetch(&server, other_protocol, somebody, "/env.cgi", &cookie).await;
                    assert_eq!(seen(&page), None);
                }
            }
        }
        let line = server.line("TB301");
        assert!(line.contains("[token_binding:info]") && line.contains(": sid: bound to a"), "{line}");
        assert!(!server.log().contains("alice"), "no value in the log");
    }
}

/// The control: without the module the same theft succeeds.
#[tokio::test]
async fn without_the_module_the_theft_succeeds() {
    let server = Setup { module: None, ..Setup::default() }.start();
    server.script("set.cgi", SET_COOKIE);
    for protocol in PROTOCOLS {
        let cookie = jar(&fetch(&server, protocol, None, "/set.cgi?sid=alice", "").await);
        assert_eq!(cookie, "sid=alice");
        let page = fetch(&server, protocol, None, "/env.cgi", &cookie).await;
        assert_eq!(seen(&page).as_deref(), Some("sid=alice"));
    }
}

/// Without `TokenBindingCookie` nothing about cookies changes.
#[tokio::test]
async fn cookies_that_are_not_bound_are_left_alone() {
    for server in [server(""), Setup::default().start()] {
        server.script("set.cgi", SET_COOKIE);
        for protocol in PROTOCOLS {
            let visitor = Visitor::new();
            let mut session = Session::open(&server, protocol, Some(&visitor)).await;
            let page = session.get("/set.cgi?lang=en", "").await;
            assert_eq!(set_cookies(&page), ["lang=en; Path=/; HttpOnly; SameSite=Lax"]);
            assert_eq!(page.header("Cache-Control"), None);
            let page = session.get("/env.cgi", " lang=\"en;,\" ;  x").await;
            assert_eq!(seen(&page).as_deref(), Some("lang=\"en;,\" ;  x"));
        }
        assert!(server.lines("TB3").is_empty());
    }
}

/// What a thief can do to a seal.
#[tokio::test]
async fn a_seal_that_was_cut_spliced_or_renamed_does_not_hold() {
    for encrypt in ["On", "Off"] {
        no_changed_seal_holds(encrypt).await;
    }
}

async fn no_changed_seal_holds(encrypt: &str) {
    let server = setup(&format!("TokenBindingCookie sid tid\nTokenBindingCookieEncrypt {encrypt}")).start();
    server.script("set.cgi", SET_COOKIE);
    let (owner, thief) = (Visitor::new(), Visitor::new());
    let sealed = async |visitor: Option<&Visitor>, cookie: &str| {
        let page = fetch(&server, Protocol::Http1, visitor, &format!("/set.cgi?{cookie}"), "").await;
        jar(&page).split_once('=').unwrap().1.to_owned()
    };
    let (own, other) = (sealed(Some(&owner), "sid=alice").await, sealed(Some(&owner), "sid=guest").await);
    let (named, unbound) = (sealed(Some(&owner), "tid=alice").await, sealed(None, "sid=alice").await);
    let thiefs = sealed(Some(&thief), "sid=alice").await;
    let (head, value) = own.split_at(own.len() - "alice".len());
    let mut tries = vec![
        "alice".to_owned(),
        format!(".{value}"),
        format!("{}root", head),
        format!("{}alice", &other[..other.len() - 5]),
        format!("{own}x"),
        format!("\"{own}\""),
        format!(" {own}"),
        named,
        thiefs.clone(),
        own.replace("tb2b", "tb2u"),
        unbound.replace("tb2u", "tb2b"),
        if encrypt == "On" { own.replace("tb2be", "tb2bm") } else { own.replace("tb2bm", "tb2be") },
        own.replace("tb2", "tb1"),
        format!("{}{}", &unbound[..19], &own[19..]),
        format!("{}{}", &thiefs[..30], &own[30..]),
        own.to_uppercase(),
    ];
    tries.extend((0..own.len()).step_by(5).map(|length| own[..length].to_owned()));
    for protocol in PROTOCOLS {
        for visitor in [Some(&owner), None] {
            let mut session = Session::open(&server, protocol, visitor).await;
            for value in &tries {
                let page = session.get("/env.cgi", &format!("sid={value}; a=1")).await;
                let cookies = seen(&page).unwrap();
                assert!(!cookies.contains("sid"), "{value}: {cookies}");
            }
            let page = session.get("/env.cgi", &format!("tid={own}; SID={own}; sid={own}")).await;
            assert_eq!(seen(&page).as_deref(), visitor.map(|_| "sid=alice"), "renamed");
        }
    }
}

/// Chromium 69, natively, on a site whose application has never heard of Token Binding.
#[tokio::test]
async fn a_cookie_stolen_from_chromium_is_worth_nothing() {
    let server = server("");
    let browser = httpd_harness::browser::Browser::start().await;
    let mut page = browser.page().await;
    let url = |path: &str| format!("https://{HOST}:{}{path}", server.port());
    assert_eq!(page.go(&url("/set.cgi?sid=alice")).await, 200);
    assert_eq!(page.go(&url("/env.cgi")).await, 200);
    assert_eq!(shown(&page.text().await, "HTTP_COOKIE"), Some("sid=alice"));
    let stolen = page.cookies(HOST).await;
    assert!(is_sealed(&stolen), "{stolen}");
    let thief = Visitor::new();
    for protocol in PROTOCOLS {
        for somebody in [Some(&thief), None] {
            assert_eq!(seen(&fetch(&server, protocol, somebody, "/env.cgi", &stolen).await), None);
        }
    }
}
