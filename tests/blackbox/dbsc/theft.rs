//! What a thief gets, at each point of the timeline.

use httpd_harness::cookies::{seen, set_cookies};
use httpd_harness::device::{Device, SHORT_LIVED, offered};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, fetch};
use tokbind::Request;
use token_binding_server::dbsc::tokens::ShortLived;

use super::{sealed, server};

async fn sees(server: &httpd_harness::Httpd, protocol: Protocol, cookies: &str) -> Option<String> {
    seen(&fetch(server, protocol, None, "/env.cgi", cookies).await)
}

#[tokio::test]
async fn a_bound_cookie_is_worth_nothing_without_a_proof_and_a_proof_runs_out() {
    let server = server("");
    for protocol in PROTOCOLS {
        let (mut device, mut thief) = (Device::new(protocol), Device::new(protocol));
        device.log_in(&server, "/set.cgi?sid=alice").await;
        device.get(&server, "/env.cgi").await;
        thief.log_in(&server, "/set.cgi?sid=mallory").await;
        let stolen = format!("sid={}", device.jar["sid"]);
        assert_eq!(sees(&server, protocol, &stolen).await, None);
        assert!(server.line("TB301").contains("no proof of it"), "{}", server.line("TB301"));
        // With a proof of his own key.
        let own = format!("{stolen}; {SHORT_LIVED}={}", thief.jar[SHORT_LIVED]);
        assert_eq!(sees(&server, protocol, &own).await, None);
        // The whole jar: until the short-lived cookie runs out.
        assert_eq!(sees(&server, protocol, &device.cookies()).await.as_deref(), Some("sid=alice"));
        for (change, is_good) in [
            ((|cookie| cookie) as fn(ShortLived) -> ShortLived, true),
            (|cookie| ShortLived { expires: token_binding_server::dbsc::now() - 6, ..cookie }, false),
            (|cookie| ShortLived { is_proved: false, ..cookie }, false),
        ] {
            let cookie = sealed::short_lived(&server, &device, change);
            let seen = sees(&server, protocol, &format!("{stolen}; {SHORT_LIVED}={cookie}")).await;
            assert_eq!(seen.is_some(), is_good);
        }
        // Anything that is sealed is no proof.
        for wrong in [&device.jar["sid"], &device.session, &thief.challenge(&server).await] {
            assert_eq!(sees(&server, protocol, &format!("{stolen}; {SHORT_LIVED}={wrong}")).await, None);
        }
    }
}

/// A thief with a session of his own does not get the victim's cookie bound to his key.
#[tokio::test]
async fn a_pending_cookie_is_upgraded_only_by_its_own_registration() {
    for (policy, is_seen) in [("optional", true), ("required", false)] {
        let server = server(&format!("TokenBindingCookiePolicy {policy}"));
        for protocol in PROTOCOLS {
            let (mut victim, mut thief) = (Device::new(protocol), Device::new(protocol));
            let login = victim.get(&server, "/set.cgi?sid=alice").await;
            thief.log_in(&server, "/set.cgi?sid=mallory").await;
            thief.jar.insert("sid".into(), victim.jar["sid"].clone());
            let page = thief.get(&server, "/env.cgi").await;
            assert_eq!(
                (seen(&page).is_some(), set_cookies(&page)),
                (is_seen, vec![]),
                "young, and another's"
            );
            let old = sealed::earlier(&server, &victim.jar["sid"], 70);
            thief.jar.insert("sid".into(), old.clone());
            let page = thief.get(&server, "/env.cgi").await;
            assert_eq!(seen(&page).is_some(), policy == "optional");
            assert_eq!(set_cookies(&page), Vec::<String>::new());
            // The victim comes late, and still gets his cookie bound.
            victim.register(&server, &login).await;
            victim.refresh(&server).await;
            victim.jar.insert("sid".into(), old);
            assert_eq!(seen(&victim.get(&server, "/env.cgi").await).unwrap(), "sid=alice");
            assert!(victim.jar["sid"].starts_with("tb2de."));
        }
    }
}

#[tokio::test]
async fn required_takes_a_pending_cookie_for_a_minute() {
    let server = server("TokenBindingCookiePolicy required");
    for protocol in PROTOCOLS {
        let mut device = Device::new(protocol);
        device.get(&server, "/set.cgi?sid=alice").await;
        let at_age = |seconds| format!("sid={}", sealed::earlier(&server, &device.jar["sid"], seconds));
        assert_eq!(sees(&server, protocol, &at_age(60)).await.as_deref(), Some("sid=alice"));
        assert_eq!(sees(&server, protocol, &at_age(70)).await, None);
        assert!(server.line("TB301").contains("for a minute"), "{}", server.line("TB301"));
    }
}

/// An application that sets its cookie again, as many do with each page, gives a thief no other minute, and no key.
#[tokio::test]
async fn what_an_application_makes_of_a_pending_cookie_is_pending_with_it() {
    let server = server("TokenBindingCookiePolicy required");
    for protocol in PROTOCOLS {
        let (mut victim, mut thief) = (Device::new(protocol), Device::new(protocol));
        let login = victim.get(&server, "/set.cgi?sid=alice").await;
        let stolen = sealed::earlier(&server, &victim.jar["sid"], 50);
        let own_login = thief.get(&server, "/set.cgi?sid=mallory").await;
        for has_registered in [false, true] {
            if has_registered {
                thief.register(&server, &own_login).await;
            }
            thief.jar.insert("sid".into(), stolen.clone());
            assert_eq!(offered(&thief.get(&server, "/set.cgi?sid=alice").await), None);
            assert_ne!(thief.jar["sid"], stolen);
            let young = thief.get(&server, "/env.cgi").await;
            assert_eq!((seen(&young).as_deref(), set_cookies(&young)), (Some("sid=alice"), vec![]));
            let old = sealed::earlier(&server, &thief.jar["sid"], 20);
            thief.jar.insert("sid".into(), old);
            assert_eq!(seen(&thief.get(&server, "/env.cgi").await), None);
        }
        thief.refresh(&server).await;
        thief.jar.insert("sid".into(), stolen);
        assert_eq!(seen(&thief.get(&server, "/env.cgi").await), None, "with a proof of his own key");
        // The victim's, set again before it is bound, waits for the victim's key.
        victim.get(&server, "/set.cgi?sid=alice").await;
        victim.register(&server, &login).await;
        victim.refresh(&server).await;
        assert_eq!(seen(&victim.get(&server, "/env.cgi").await).as_deref(), Some("sid=alice"));
        assert!(victim.jar["sid"].starts_with("tb2de."));
    }
}

/// A browser without DBSC goes on as before where it may.
#[tokio::test]
async fn optional_takes_a_pending_cookie_for_good() {
    let server = server("");
    for protocol in PROTOCOLS {
        let mut device = Device::new(protocol);
        device.get(&server, "/set.cgi?sid=alice").await;
        let old = sealed::earlier(&server, &device.jar["sid"], 1_000_000);
        assert_eq!(sees(&server, protocol, &format!("sid={old}")).await.as_deref(), Some("sid=alice"));
    }
}

#[tokio::test]
async fn a_thief_is_offered_no_registration_for_what_he_has_stolen() {
    let server = server("");
    let mut device = Device::new(Protocol::Http1);
    device.get(&server, "/set.cgi?sid=alice").await;
    let mut thief = Device::new(Protocol::Http1);
    thief.jar = device.jar.clone();
    assert_eq!(offered(&thief.get(&server, "/env.cgi").await), None);
    // He makes the application set another one: that gets a registration of its own.
    thief.log_in(&server, "/set.cgi?sid=other").await;
    thief.jar.insert("sid".into(), device.jar["sid"].clone());
    assert_eq!(set_cookies(&thief.get(&server, "/env.cgi").await), Vec::<String>::new());
}

/// A page as for nobody would have the application overwrite the session.
#[tokio::test]
async fn a_browser_that_could_not_refresh_is_put_off() {
    let server = server("ErrorDocument 503 /env.cgi");
    for protocol in PROTOCOLS {
        let mut device = Device::new(protocol);
        device.log_in(&server, "/set.cgi?sid=alice").await;
        device.get(&server, "/env.cgi").await;
        let skipped = |path: &str| {
            Request::get(HOST, path).header("Secure-Session-Skipped", "server_error;session_identifier=\"S\"")
        };
        assert_eq!(seen(&device.send(&server, skipped("/env.cgi")).await).unwrap(), "sid=alice");
        device.jar.remove(SHORT_LIVED);
        let response = device.send(&server, skipped("/set.cgi?sid=nobody")).await;
        assert_eq!((response.status, response.header("Retry-After")), (503, Some("5")));
        assert_eq!((seen(&response), set_cookies(&response)), (None, vec![]));
        assert!(server.line("TB405").contains("put off"), "{}", server.line("TB405"));
        // Without the header, or without a cookie of a device, it is as for anybody.
        assert_eq!(device.get(&server, "/page.html").await.status, 200);
        assert_eq!(Device::new(protocol).send(&server, skipped("/page.html")).await.status, 200);
        // The endpoints are not put off, or nobody would come back.
        assert_eq!(device.refresh(&server).await.status, 200);
        assert_eq!(seen(&device.send(&server, skipped("/env.cgi")).await).unwrap(), "sid=alice");
    }
}

/// A host of the same domain plants what the server has given it: that its own login is the newest.
#[tokio::test]
async fn a_neighbour_ends_no_session() {
    let server = server("");
    let mut victim = Device::new(Protocol::Http1);
    victim.log_in(&server, "/set.cgi?sid=alice").await;
    let registered = sealed::later(1).seal(&sealed::keyring(&server)).unwrap();
    // Browsers take no `__Host-` cookie that has a domain.
    for name in ["__Secure-tb-dbsc-newest", "__host-tb-dbsc-newest", "__Secure-tb-dbsc"] {
        victim.jar.insert(name.into(), registered.clone());
    }
    assert_eq!(victim.refresh(&server).await.status, 200);
    assert_eq!(seen(&victim.get(&server, "/env.cgi").await).as_deref(), Some("sid=alice"));
    assert_eq!(server.lines("TB404"), Vec::<String>::new());
    // The same browser has said so itself.
    assert!(victim.jar.contains_key("__Host-tb-dbsc-newest"), "{:?}", victim.jar.keys());
    victim.jar.insert("__Host-tb-dbsc-newest".into(), registered);
    victim.ask_for_refresh(&server, None).await;
    assert_eq!(server.lines("TB404").len(), 1);
}

/// Whoever can set headers of a response can't set the short-lived cookie.
#[tokio::test]
async fn the_short_lived_cookie_is_nobody_elses_to_set() {
    let server = server("");
    let mut thief = Device::new(Protocol::Http1);
    thief.log_in(&server, "/set.cgi?sid=mallory").await;
    let path = format!("/set.cgi?{SHORT_LIVED}={}", thief.jar[SHORT_LIVED]);
    let page = fetch(&server, Protocol::Http1, None, &path, "").await;
    assert_eq!(set_cookies(&page), Vec::<String>::new());
    assert!(server.line("TB302").contains("this module's own"), "{}", server.line("TB302"));
}

#[tokio::test]
async fn a_tokens_secret_key_never_leaves_the_device_and_no_log_has_a_seal() {
    let server = server("CustomLog @DIR@/access.log \"%{Cookie}i %{__Host-tb-dbsc}C %r\"");
    let mut device = Device::new(Protocol::Http1);
    device.log_in(&server, "/set.cgi?sid=alice").await;
    device.get(&server, "/env.cgi").await;
    let proof = device.proof(&server).await;
    device.ask_for_refresh(&server, Some(&proof)).await;
    let access = std::fs::read_to_string(server.dir().join("access.log")).unwrap();
    for secret in [&device.jar[SHORT_LIVED], &device.session, &proof] {
        assert!(!access.contains(secret) && !server.log().contains(secret.as_str()));
    }
}
