//! From a login to a bound session, step by step.

use dbsc::Algorithm;
use httpd_harness::cookies::{seen, set_cookies, setup};
use httpd_harness::device::{Device, REGISTER, SHORT_LIVED, instructed, offered};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, fetch, submit};
use httpd_harness::{Visitor, shown};
use tokbind::Request;

use super::server;

#[tokio::test]
async fn a_login_is_bound_to_a_registered_key_and_the_application_sees_its_value_all_along() {
    let server = server("");
    for protocol in PROTOCOLS {
        for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
            let mut device = Device::with(protocol, algorithm);
            let login = device.get(&server, "/set.cgi?sid=alice").await;
            assert!(device.jar["sid"].starts_with("tb2pe."), "{:?}", device.jar);
            assert!(offered(&login).is_some() && login.header("Cache-Control").unwrap().contains("private"));
            let offer = login.header("Secure-Session-Registration").unwrap();
            assert!(offer.starts_with(&format!("(ES256 RS256);path=\"{REGISTER}\";challenge=\"")), "{offer}");
            // It is registering meanwhile.
            assert_eq!(seen(&device.get(&server, "/env.cgi").await).unwrap(), "sid=alice");

            let registered = device.register(&server, &login).await;
            assert_eq!(registered.status, 200);
            assert_eq!(registered.header("Content-Type"), Some("application/json"));
            assert_eq!(registered.header("Cache-Control"), Some("no-store"));
            assert_eq!(registered.header("Cross-Origin-Resource-Policy"), Some("same-origin"));
            let session = instructed(&registered).unwrap();
            assert_eq!(session.refresh_url.as_deref(), Some("/.well-known/token-binding-dbsc/refresh"));
            let attributes = "Path=/; Secure; HttpOnly; SameSite=None";
            assert!(set_cookies(&registered)[0].ends_with(&format!("; Max-Age=30; {attributes}")));
            // Registered, and not proved: nothing is bound to the key yet, nobody sees the cookie, and none is offered again.
            let page = device.get(&server, "/set.cgi?sid=bob").await;
            assert_eq!((seen(&page).as_deref(), offered(&page)), (Some("sid=alice"), None));
            assert_eq!(shown(&page.text(), "Sec_Device_Bound_Session_Key"), None);
            assert!(device.jar["sid"].starts_with("tb2pe."));

            let refreshed = device.refresh(&server).await;
            assert_eq!(refreshed.status, 200);
            assert!(set_cookies(&refreshed)[0].ends_with(&format!("; Max-Age=600; {attributes}")));
            // The first ordinary request has its cookie sealed to the key.
            let page = device.get(&server, "/env.cgi").await;
            assert_eq!(seen(&page).unwrap(), "sid=bob");
            for variable in ["Sec_Device_Bound_Session_Key", "HTTP_SEC_DEVICE_BOUND_SESSION_KEY"] {
                assert_eq!(shown(&page.text(), variable), Some(&*device.thumbprint()), "{variable}");
            }
            let line = &set_cookies(&page)[0];
            assert!(
                line.starts_with("sid=tb2de.") && line.contains("; Path=/; HttpOnly; SameSite=Lax"),
                "{line}"
            );
            assert!(page.header("Cache-Control").unwrap().contains("private"));
            let page = device.get(&server, "/env.cgi").await;
            assert_eq!((seen(&page).as_deref(), set_cookies(&page)), (Some("sid=bob"), vec![]));
            // What the application sets from now on is bound right away.
            let page = device.get(&server, "/set.cgi?sid=carol").await;
            assert_eq!(offered(&page), None);
            assert!(device.jar["sid"].starts_with("tb2de."));
            assert_eq!(seen(&device.get(&server, "/env.cgi").await).unwrap(), "sid=carol");
        }
    }
}

#[tokio::test]
async fn a_response_in_which_the_application_sets_the_cookie_upgrades_nothing() {
    let server = server("");
    let mut device = Device::new(Protocol::Http1);
    device.log_in(&server, "/set.cgi?sid=alice").await;
    let page = device.get(&server, "/set.cgi?sid=bob").await;
    assert_eq!(set_cookies(&page).len(), 1);
    assert_eq!(seen(&device.get(&server, "/env.cgi").await).unwrap(), "sid=bob");
}

#[tokio::test]
async fn a_cookie_with_a_path_is_bound_when_it_comes() {
    let server = server("");
    server.script(
        "path.cgi",
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\nSet-Cookie: sid=alice; Path=/app; Max-Age=3600\\n\\n'\n",
    );
    let mut device = Device::new(Protocol::Http2);
    device.log_in(&server, "/path.cgi").await;
    let page = device.get(&server, "/env.cgi").await;
    let line = &set_cookies(&page)[0];
    assert!(line.contains("; Path=/app; Max-Age=3") && line.ends_with("; Secure"), "{line}");
}

#[tokio::test]
async fn nothing_is_offered_where_nothing_is_set_or_somebody_has_token_binding() {
    let server = server("");
    for protocol in PROTOCOLS {
        let stranger = fetch(&server, protocol, None, "/env.cgi", "").await;
        assert_eq!(offered(&stranger), None);
        // For a cookie that arrives, a thief would register his own key.
        let mut device = Device::new(protocol);
        device.get(&server, "/set.cgi?sid=alice").await;
        assert_eq!(offered(&device.get(&server, "/env.cgi").await), None);
        let logout = device.get(&server, "/set.cgi?sid=;Max-Age=0").await;
        assert_eq!(offered(&logout), None, "a cookie that is taken away needs no key");
        let other = fetch(&server, protocol, None, "/set.cgi?other=1", "").await;
        assert_eq!(offered(&other), None);
        let visitor = Visitor::new();
        let bound = fetch(&server, protocol, Some(&visitor), "/set.cgi?sid=alice", "").await;
        assert_eq!(offered(&bound), None);
        assert!(set_cookies(&bound)[0].starts_with("sid=tb2be."));
    }
}

#[tokio::test]
async fn a_redirect_and_an_error_page_offer_too() {
    let mut server = server("ErrorDocument 403 /error.cgi");
    server.announce("AH01630");
    server.script(
        "redirect.cgi",
        "#!/bin/sh\nprintf 'Status: 302\\nLocation: /env.cgi\\nSet-Cookie: sid=alice\\n\\n'\n",
    );
    server
        .script("error.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nSet-Cookie: sid=alice\\n\\n'\n");
    server.document(".htaccess", "<Files refused.html>\nRequire all denied\n</Files>\n");
    server.document("refused.html", "");
    for (path, status) in [("/redirect.cgi", 302), ("/refused.html", 403)] {
        for protocol in PROTOCOLS {
            let mut device = Device::new(protocol);
            let page = device.get(&server, path).await;
            assert_eq!(page.status, status);
            assert_eq!(page.headers_named("Secure-Session-Registration").count(), 1);
            assert_eq!(device.register(&server, &page).await.status, 200);
        }
    }
}

#[tokio::test]
async fn several_cookies_of_one_response_wait_for_one_registration() {
    let server = setup("TokenBindingCookie sid csrf\nTokenBindingDBSC On").start();
    server.script(
        "two.cgi",
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\nSet-Cookie: sid=a\\nSet-Cookie: csrf=b; HttpOnly\\n\\n'\n",
    );
    let mut device = Device::new(Protocol::Http1);
    let page = device.get(&server, "/two.cgi").await;
    assert_eq!(page.headers_named("Secure-Session-Registration").count(), 1);
    device.register(&server, &page).await;
    device.refresh(&server).await;
    assert_eq!(set_cookies(&device.get(&server, "/env.cgi").await).len(), 2);
    for name in ["sid", "csrf"] {
        assert!(device.jar[name].starts_with("tb2de."), "{:?}", device.jar);
    }
}

#[tokio::test]
async fn only_a_proof_counts_as_a_device() {
    let mut server = server(
        "<Location /page.html>\nRequire token-binding device\n</Location>\n\
         Header set X-Device \"expr=%{TOKEN_BINDING:device}\"\nTokenBindingDeviceEnvVar DEVICE",
    );
    server.announce("AH01630");
    for protocol in PROTOCOLS {
        let mut device = Device::new(protocol);
        assert_eq!(device.get(&server, "/page.html").await.status, 403);
        let page = device.get(&server, "/set.cgi?sid=alice").await;
        device.register(&server, &page).await;
        assert_eq!(device.get(&server, "/page.html").await.status, 403, "registered is not proved");
        device.refresh(&server).await;
        let page = device.get(&server, "/page.html").await;
        assert_eq!((page.status, page.header("X-Device")), (200, Some(&*device.thumbprint())));
        assert!(page.header("Cache-Control").unwrap().contains("private"));
        let page = device.get(&server, "/env.cgi").await;
        assert_eq!(shown(&page.text(), "DEVICE"), Some(&*device.thumbprint()));
        assert_eq!(seen(&page).unwrap(), "sid=alice", "the short-lived cookie is not the application's");
        // A client's own words for it don't count.
        for name in ["Sec-Device-Bound-Session-Key", "sec_device.bound-session_key"] {
            let request = Request::get(HOST, "/env.cgi").header(name, "forged");
            let page = Device::new(protocol).send(&server, request).await;
            assert!(!page.text().contains("forged"), "{}", page.text());
        }
        let request = Request::get(HOST, "/env.cgi").header("Connection", "Sec-Device-Bound-Session-Key");
        if protocol == Protocol::Http1 {
            assert_eq!(device.send(&server, request).await.status, 400);
        }
    }
}

#[tokio::test]
async fn pass_var_none_passes_no_key_on() {
    let server = server("TokenBindingPassVar none");
    let mut device = Device::new(Protocol::Http1);
    device.log_in(&server, "/set.cgi?sid=alice").await;
    let page = device.get(&server, "/env.cgi").await;
    assert!(!page.text().contains(&device.thumbprint()), "{}", page.text());
    assert_eq!(seen(&page).unwrap(), "sid=alice");
}

#[tokio::test]
async fn nothing_of_it_happens_where_it_is_off() {
    let server = setup("TokenBindingCookie sid").start();
    server.script("set.cgi", httpd_harness::cookies::SET_COOKIE);
    let mut device = Device::new(Protocol::Http1);
    let page = device.get(&server, "/set.cgi?sid=alice").await;
    assert_eq!(offered(&page), None);
    assert!(device.jar["sid"].starts_with("tb2ue."));
    let request = Request::new("POST", HOST, REGISTER).header("Secure-Session-Response", "x");
    assert_eq!(device.send(&server, request).await.status, 404);
}

/// A proxy in front may send the cookies in several lines, which httpd joins with a comma.
#[tokio::test]
async fn a_proof_counts_in_whatever_line_it_comes() {
    let server = server("");
    let mut device = Device::new(Protocol::Http1);
    device.log_in(&server, "/set.cgi?sid=alice").await;
    device.get(&server, "/env.cgi").await;
    let all = device.cookies().replace("; ", "\n");
    let mut lines: Vec<&str> = ["first=1,2", "last=3"].into_iter().chain(all.lines()).collect();
    for _ in 0..lines.len() {
        lines.rotate_left(1);
        let request = Request::get(HOST, "/env.cgi");
        let request = lines.iter().fold(request, |request, line| request.header("Cookie", line));
        let page = submit(&server, Protocol::Http1, None, request).await;
        let seen = seen(&page).unwrap();
        let mut seen: Vec<&str> = seen.split([',', ';']).map(str::trim).collect();
        seen.sort_unstable();
        assert_eq!(seen, ["2", "first=1", "last=3", "sid=alice"], "{lines:?}");
    }
}

/// What a page says of the key is one client's own, whatever the application says of caches.
#[tokio::test]
async fn a_page_for_a_device_is_private_also_without_a_bound_cookie() {
    let server = server("");
    for protocol in PROTOCOLS {
        let mut device = Device::new(protocol);
        device.log_in(&server, "/set.cgi?sid=alice").await;
        assert_eq!(device.get(&server, "/env.cgi").await.status, 200);
        let proof = format!("{SHORT_LIVED}={}", device.jar[SHORT_LIVED]);
        let page = fetch(&server, protocol, None, "/env.cgi", &proof).await;
        assert!(shown(&page.text(), "Sec_Device_Bound_Session_Key").is_some());
        assert_eq!(page.header("Cache-Control"), Some("private"));
        assert_eq!(fetch(&server, protocol, None, "/env.cgi", "").await.header("Cache-Control"), None);
    }
}
