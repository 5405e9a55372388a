//! `TokenBindingCookiePolicy report`: what would be kept back is told and counted, and nobody loses a session.

use httpd_harness::cookies::{SET_COOKIE, jar, seen, set_cookies, setup};
use httpd_harness::device::Device;
use httpd_harness::figures::{assert_figures, figure, figures, with_figures};
use httpd_harness::session::{PROTOCOLS, Protocol, fetch};
use httpd_harness::{Httpd, Visitor};

const REPORT: &str = "TokenBindingCookie sid\nTokenBindingCookiePolicy report";

fn server(directives: &str) -> Httpd {
    let server = with_figures(setup(&format!("{REPORT}\n{directives}"))).start();
    server.script("set.cgi", SET_COOKIE);
    server
}

#[tokio::test]
async fn every_cookie_reaches_the_application_and_the_log_says_which_would_not() {
    let server = server("");
    let (owner, thief) = (Visitor::new(), Visitor::new());
    for protocol in PROTOCOLS {
        let bound = jar(&fetch(&server, protocol, Some(&owner), "/set.cgi?sid=alice", "").await);
        assert!(bound.starts_with("sid=tb2bm."), "sealed, and readable: {bound}");
        let unbound = jar(&fetch(&server, protocol, None, "/set.cgi?sid=guest", "").await);
        for (client, cookie, expected) in [
            (Some(&owner), &*bound, "sid=alice"),
            (Some(&thief), &*bound, "sid=alice"),
            (None, &*bound, "sid=alice"),
            (Some(&owner), &*unbound, "sid=guest"),
            (Some(&owner), "sid=from-before; a=1", "sid=from-before; a=1"),
            (None, "a=x sid=1", "a=x sid=1"),
        ] {
            let page = fetch(&server, protocol, client, "/env.cgi", cookie).await;
            assert_eq!(seen(&page).as_deref(), Some(expected));
        }
    }
    let line = server.line("TB305");
    assert!(line.contains("report: cookies passed that would be kept from the application: sid:"), "{line}");
    assert!(server.lines("TB301").is_empty() && server.lines("TB302").is_empty());
    assert_figures(
        &server,
        &[
            ("CookiesWouldRefuseOtherKey", 2 * 3),
            ("CookiesWouldRefuseUnsealed", 2 * 2),
            ("CookiesWouldRefuseSecret", 0),
            ("CookiesAccepted", 2),
            ("CookiesAcceptedUnbound", 0),
            ("CookiesRefused", 0),
            ("CookiesSealed", 4),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_cookie_is_sent_and_the_log_says_which_would_not() {
    let server = server("Header add Set-Cookie \"sid=late\" \"expr=-n req('X-Late')\"");
    let long = "v".repeat(4080);
    let page = fetch(&server, Protocol::Http1, None, &format!("/set.cgi?sid={long}"), "").await;
    assert!(set_cookies(&page)[0].starts_with(&format!("sid={long};")), "browsers would drop it sealed");
    assert!(server.line("TB305").contains("sent as it is"), "{}", server.line("TB305"));
    assert_eq!(figure(&figures(&server).await, "CookiesWouldWithhold"), 1);
}

/// Sessions that began while it was only reported go on when it is enforced.
#[tokio::test]
async fn what_was_sealed_is_good_when_the_policy_is_enforced() {
    let (report, required) = (server(""), {
        let server = setup("TokenBindingCookie sid\nTokenBindingCookiePolicy required").start();
        server.script("set.cgi", SET_COOKIE);
        server
    });
    let owner = Visitor::new();
    let bound = jar(&fetch(&report, Protocol::Http1, Some(&owner), "/set.cgi?sid=alice", "").await);
    let page = fetch(&required, Protocol::Http1, Some(&owner), "/env.cgi", &bound).await;
    assert_eq!(seen(&page).as_deref(), Some("sid=alice"));
    let page = fetch(&required, Protocol::Http1, Some(&Visitor::new()), "/env.cgi", &bound).await;
    assert_eq!(seen(&page), None);
}

/// A browser registers its key, and a request without the proof of it is served, and told.
#[tokio::test]
async fn with_dbsc_a_missing_proof_is_told() {
    let server = server("TokenBindingDBSC On");
    let mut device = Device::new(Protocol::Http1);
    device.log_in(&server, "/set.cgi?sid=alice").await;
    // The first has the pending cookie bound.
    for _ in 0..2 {
        assert_eq!(seen(&device.get(&server, "/env.cgi").await).as_deref(), Some("sid=alice"));
    }
    let stolen = format!("sid={}", device.jar["sid"]);
    assert!(stolen.starts_with("sid=tb2dm."), "{stolen}");
    let page = fetch(&server, Protocol::Http1, None, "/env.cgi", &stolen).await;
    assert_eq!(seen(&page).as_deref(), Some("sid=alice"), "only told");
    assert!(server.line("TB305").contains("no proof of it"), "{}", server.line("TB305"));
    assert_figures(
        &server,
        &[
            ("CookiesWouldRefuseNoProof", 1),
            ("CookiesAcceptedPending", 1),
            ("CookiesAcceptedDevice", 1),
            ("RequestsDevice", 2),
            ("RequestsUnbound", 3),
        ],
    )
    .await;
}
