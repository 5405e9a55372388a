//! The two endpoints: what they answer, and that nothing of httpd's answers in their place.

use dbsc::sign::Signer as _;
use httpd_harness::cookies::{SECRET, SET_COOKIE, seen, set_cookies, setup};
use httpd_harness::device::{Device, REFRESH, REGISTER, SHORT_LIVED, challenge, instructed, offered};
use httpd_harness::figures::{assert_figures, with_figures};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session, fetch, submit};
use httpd_harness::{Setup, VirtualHost};
use tokbind::http1::Http1;
use tokbind::{Request, Response};
use tokio::net::TcpStream;

use super::{sealed, server};

fn post(path: &str) -> Request {
    Request::new("POST", HOST, path)
}

#[tokio::test]
async fn nothing_that_covers_the_site_answers_in_their_place() {
    for directives in [
        "<Location />\nRequire all denied\n</Location>",
        "<Location />\nAuthType Basic\nAuthName x\nRequire valid-user\n</Location>",
        "RewriteEngine On\nRewriteRule . /page.html [L]",
        "RewriteEngine On\nRewriteRule . https://elsewhere.test/ [R,L]",
        "Redirect / https://elsewhere.test/",
        "ProxyPass / http://127.0.0.1:9/\nErrorDocument 403 /page.html",
        "ErrorDocument 403 /page.html\nErrorDocument 400 /page.html\nErrorDocument 405 /page.html",
        "<Location />\nSetHandler server-status\n</Location>",
        "CacheEnable disk /\nCacheRoot @DIR@\nCacheIgnoreCacheControl On\nCacheStorePrivate On\nCacheStoreNoStore On",
    ] {
        let mut setup = setup(&format!("TokenBindingCookie sid\nTokenBindingDBSC On\n{directives}"));
        setup.modules = vec!["auth_basic", "authn_file", "status", "cache", "cache_disk"];
        let server = setup.start();
        for protocol in PROTOCOLS {
            let mut device = Device::new(protocol);
            let proof = device.key.registration_proof(&sealed::offered(&server, 0), None).unwrap();
            let request = post(REGISTER).header("Secure-Session-Response", proof);
            let registered = device.send(&server, request).await;
            assert_eq!(registered.status, 200, "{directives}: {}", registered.text());
            device.session = instructed(&registered).unwrap().session_identifier;
            assert_eq!(device.refresh(&server).await.status, 200, "{directives}");
            for (request, status) in [
                (post(REGISTER), 400),
                (post(REFRESH), 400),
                (post(REFRESH).header("Sec-Secure-Session-Id", &device.session), 403),
                (Request::get(HOST, REGISTER), 405),
                (Request::new("HEAD", HOST, REFRESH), 405),
                (Request::new("OPTIONS", HOST, REFRESH), 405),
            ] {
                let response = submit(&server, protocol, None, request).await;
                assert_eq!(response.status, status, "{directives}");
                assert_eq!(response.text(), "", "it says nothing to anybody");
                assert_eq!(response.header("Cache-Control"), Some("no-store"));
            }
        }
    }
}

/// 500 for a page without a handler would be no test.
#[tokio::test]
async fn paths_that_are_not_theirs_are_the_sites() {
    let server = server("TokenBindingDBSCPath /keys/");
    let mut device = Device::new(Protocol::Http1);
    for path in [
        REGISTER,
        REFRESH,
        "/keys/",
        "/keys/register/",
        "/keys/registerx",
        "/keys/%72egister",
        "/KEYS/register",
    ] {
        assert_eq!(device.send(&server, post(path)).await.status, 404, "{path}");
    }
    let login = device.get(&server, "/set.cgi?sid=alice").await;
    assert!(login.header("Secure-Session-Registration").unwrap().contains("path=\"/keys/register\""));
    let proof = device.key.registration_proof(&offered(&login).unwrap(), None).unwrap();
    for path in ["/keys/register", "/keys/register?x=y"] {
        let request = post(path).header("Secure-Session-Response", format!("\"{proof}\""));
        let response = device.send(&server, request).await;
        assert_eq!(instructed(&response).unwrap().refresh_url.as_deref(), Some("/keys/refresh"), "{path}");
    }
}

fn assert_refused(response: &Response, status: u16, gets_challenge: bool) {
    assert_eq!((response.status, challenge(response).is_some()), (status, gets_challenge));
    assert_eq!(set_cookies(response), Vec::<String>::new());
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
}

#[tokio::test]
async fn a_refresh_is_refused_without_the_key() {
    let server = server("");
    for protocol in PROTOCOLS {
        let (mut device, mut thief) = (Device::new(protocol), Device::new(protocol));
        device.log_in(&server, "/set.cgi?sid=alice").await;
        thief.log_in(&server, "/set.cgi?sid=mallory").await;
        // The thief has everything but the key.
        let mut stolen = Device::new(protocol);
        (stolen.jar, stolen.session) = (device.jar.clone(), device.session.clone());
        assert_refused(&stolen.ask_for_refresh(&server, None).await, 403, true);
        let fresh = stolen.challenge(&server).await;
        let forged = thief.key.refresh_proof(&fresh).unwrap();
        assert_refused(&stolen.ask_for_refresh(&server, Some(&forged)).await, 400, false);
        let none = "eyJ0eXAiOiJkYnNjK2p3dCIsImFsZyI6Im5vbmUifQ.eyJqdGkiOiJ4In0.";
        let registration = thief.key.registration_proof(&fresh, None).unwrap();
        let own = thief.proof(&server).await;
        for proof in [none, &registration, &own, "x", "a.b.c", "\"", "\"x\";y, z"] {
            assert_refused(&stolen.ask_for_refresh(&server, Some(proof)).await, 403, true);
        }
        // A captured proof: good while its challenge lives, and then no more.
        let captured = device.key.refresh_proof(&sealed::challenge(&server, &device, 60)).unwrap();
        assert_eq!(stolen.ask_for_refresh(&server, Some(&captured)).await.status, 200);
        let captured = device.key.refresh_proof(&sealed::challenge(&server, &device, 70)).unwrap();
        assert_refused(&stolen.ask_for_refresh(&server, Some(&captured)).await, 403, true);
        // A changed identifier gets no challenge.
        for change in ["x", "A"] {
            stolen.session = format!("{}{change}", device.session);
            assert_refused(&stolen.ask_for_refresh(&server, None).await, 400, false);
        }
        stolen.session.clear();
        assert_refused(&stolen.ask_for_refresh(&server, None).await, 400, false);
    }
    assert!(server.line("TB402").contains("refresh refused"), "{}", server.line("TB402"));
}

#[tokio::test]
async fn a_registration_is_refused_without_a_fresh_offer() {
    let server = server("");
    for protocol in PROTOCOLS {
        let device = Device::new(protocol);
        for (challenge, status) in [
            (sealed::offered(&server, 60), 200),
            (sealed::offered(&server, 70), 403),
            (sealed::challenge(&server, &device, 0), 403),
            ("guessed".to_owned(), 403),
        ] {
            let proof = device.key.registration_proof(&challenge, None).unwrap();
            let request = post(REGISTER).header("Secure-Session-Response", proof);
            assert_eq!(submit(&server, protocol, None, request).await.status, status);
        }
    }
    assert!(server.line("TB401").contains("registration refused"), "{}", server.line("TB401"));
}

/// Nodes that share the secret share the sessions; one with another secret can't decide, and says so with a 5xx, which ends none.
#[tokio::test]
async fn nodes_share_sessions_by_the_secret_and_rotation_keeps_them() {
    let config = "TokenBindingCookie sid\nTokenBindingDBSC On";
    let one = server("");
    let two = setup(config).start();
    let rotated = Setup {
        secrets: vec![("secret", httpd_harness::cookies::OTHER_SECRET.into()), ("old", SECRET.into())],
        ..Setup::with(&format!(
            "TokenBindingCookieSecret file:secret\nTokenBindingCookieSecret file:old\n{config}"
        ))
    }
    .start();
    let strange = Setup {
        secrets: vec![("secret", httpd_harness::cookies::OTHER_SECRET.into())],
        ..Setup::with(&format!("TokenBindingCookieSecret file:secret\n{config}"))
    }
    .start();
    let mut device = Device::new(Protocol::Http1);
    let login = device.get(&one, "/set.cgi?sid=alice").await;
    assert_eq!(device.register(&two, &login).await.status, 200);
    let challenge = device.challenge(&rotated).await;
    let proof = device.key.refresh_proof(&challenge).unwrap();
    // Its challenge was sealed with a secret that the first node does not have: it gives one of its own.
    assert_refused(&device.ask_for_refresh(&one, Some(&proof)).await, 403, true);
    assert_eq!(device.ask_for_refresh(&rotated, Some(&proof)).await.status, 200);
    assert_eq!(seen(&device.get(&rotated, "/env.cgi").await).unwrap(), "sid=alice");
    assert_eq!(device.refresh(&one).await.status, 200);
    assert_refused(&device.ask_for_refresh(&strange, None).await, 503, false);
    assert!(
        strange.line("TB403").contains("a secret that is not in force here"),
        "{}",
        strange.line("TB403")
    );
}

#[tokio::test]
async fn a_graceful_restart_is_not_noticed() {
    let server = server("");
    let mut device = Device::new(Protocol::Http2);
    device.log_in(&server, "/set.cgi?sid=alice").await;
    device.get(&server, "/env.cgi").await;
    server.restart();
    assert_eq!(seen(&device.get(&server, "/env.cgi").await).unwrap(), "sid=alice");
    assert_eq!(device.refresh(&server).await.status, 200);
}

#[tokio::test]
async fn what_comes_in_the_requests_body_is_not_the_next_request() {
    let server = server("");
    let mut device = Device::new(Protocol::Http1);
    device.log_in(&server, "/set.cgi?sid=alice").await;
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, None).await;
        for chunked in [false, true] {
            let body = "GET /stolen HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
            let request = post(REFRESH).header("Sec-Secure-Session-Id", &device.session).body(body);
            let request = if chunked { request.chunked() } else { request };
            assert_eq!(session.send(request).await.status, 403);
            assert_eq!(session.get("/page.html", "").await.text(), "<p>a page</p>\n");
        }
    }
}

/// The older of two sessions that overwrite each other's cookie ends.
#[tokio::test]
async fn the_newer_registration_wins() {
    let server = server("");
    let mut device = Device::new(Protocol::Http1);
    device.log_in(&server, "/set.cgi?sid=alice").await;
    let newer = sealed::later(1);
    let cookie = sealed::short_lived(&server, &device, |cookie| {
        token_binding_server::dbsc::tokens::ShortLived { registered: newer, ..cookie }
    });
    device.jar.insert(SHORT_LIVED.into(), cookie);
    let ended = device.ask_for_refresh(&server, None).await;
    assert_eq!((ended.status, ended.text().as_str()), (200, r#"{"continue":false}"#));
    assert_eq!(server.lines("TB404").len(), 1);
}

/// As it is behind a balancer that ends TLS.
#[tokio::test]
async fn a_virtual_host_without_tls_has_them_too() {
    let plain = VirtualHost::plain(
        HOST,
        "TokenBindingCookieSecret file:secret\nTokenBindingCookie sid\nTokenBindingDBSC On",
    );
    let setup = Setup {
        secrets: vec![("secret", SECRET.into())],
        virtual_hosts: vec![plain],
        global: "TokenBindingEnabled Off".into(),
        ..Setup::default()
    };
    let server = setup.start();
    server.script("set.cgi", SET_COOKIE);
    let device = Device::new(Protocol::Http1);
    let mut http = Http1::over(TcpStream::connect(server.address()).await.unwrap());
    let login = http.request(&Request::get(HOST, "/set.cgi?sid=alice")).await.unwrap();
    assert!(set_cookies(&login)[0].ends_with("; Secure"));
    let proof = device.key.registration_proof(&offered(&login).unwrap(), None).unwrap();
    let request = post(REGISTER).header("Secure-Session-Response", proof);
    assert_eq!(http.request(&request).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_site_has_one_session_for_all_its_hosts() {
    let directives = "TokenBindingDBSCSite bound.test\nTokenBindingDBSCInitiators none\n\
        TokenBindingCookieSecret file:secret\nTokenBindingCookie sid\nTokenBindingDBSC On";
    let hosts = [HOST, "other.bound.test"].map(|name| VirtualHost::tls(name, directives));
    let outside =
        VirtualHost::tls("www.plain.test", "TokenBindingCookieSecret file:secret\nTokenBindingCookie sid");
    let setup = Setup {
        secrets: vec![("secret", SECRET.into())],
        virtual_hosts: hosts.into_iter().chain([outside]).collect(),
        ..Setup::default()
    };
    let server = setup.start();
    server.script(
        "set.cgi",
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\nSet-Cookie: sid=alice; Domain=bound.test\\n\\n'\n",
    );
    let known = fetch(&server, Protocol::Http1, None, "/.well-known/device-bound-sessions", "").await;
    let port = server.port();
    let origins = format!("[\"https://other.bound.test:{port}\",\"https://{HOST}:{port}\"]");
    assert_eq!((known.status, known.text()), (200, format!("{{\"registering_origins\":{origins}}}")));
    let mut device = Device::new(Protocol::Http1);
    let login = device.get(&server, "/set.cgi").await;
    let registered = device.register(&server, &login).await;
    let session = instructed(&registered).unwrap();
    assert!(session.scope.include_site && session.allowed_refresh_initiators.is_none());
    assert_eq!(session.scope.origin.as_deref(), Some("https://bound.test"));
    let attributes = "Path=/; Domain=bound.test; Secure; HttpOnly; SameSite=None";
    assert!(
        set_cookies(&registered)[0].starts_with("__Secure-tb-dbsc=")
            && set_cookies(&registered)[0].ends_with(attributes)
    );
    device.refresh(&server).await;
    let page = device.send(&server, Request::get("other.bound.test", "/env.cgi")).await;
    assert_eq!(seen(&page).unwrap(), "sid=alice", "another host of the site, with one realm by default");
    let page = device.send(&server, Request::get("www.plain.test", "/env.cgi")).await;
    assert!(!seen(&page).unwrap_or_default().contains("sid="), "a host of another realm");
}

#[tokio::test]
async fn counters_tell_what_happened() {
    let setup = setup("TokenBindingCookie sid\nTokenBindingDBSC On");
    let server = with_figures(setup).start();
    server.script("set.cgi", SET_COOKIE);
    let mut device = Device::new(Protocol::Http1);
    device.log_in(&server, "/set.cgi?sid=alice").await;
    device.get(&server, "/env.cgi").await;
    let mut thief = Device::new(Protocol::Http1);
    thief.session = device.session.clone();
    let forged = thief.proof(&server).await;
    thief.ask_for_refresh(&server, Some(&forged)).await;
    thief.ask_for_refresh(&server, Some("x")).await;
    let old = device.key.refresh_proof(&sealed::challenge(&server, &device, 100)).unwrap();
    thief.ask_for_refresh(&server, Some(&old)).await;
    thief.session.push('A');
    thief.ask_for_refresh(&server, None).await;
    thief.jar.insert("sid".into(), device.jar["sid"].clone());
    thief.get(&server, "/env.cgi").await;
    assert_figures(
        &server,
        &[
            ("DBSCOffered", 1),
            ("DBSCRegistered", 1),
            ("DBSCChallenged", 2),
            ("DBSCRefreshed", 1),
            ("DBSCCookiesUpgraded", 1),
            ("DBSCCookiesKeptBack", 1),
            ("DBSCRefusedSignature", 1),
            ("DBSCRefusedMalformed", 1),
            ("DBSCRefusedChallenge", 1),
            ("DBSCRefusedIdentifier", 1),
            ("DBSCRefusedFault", 0),
        ],
    )
    .await;
}
