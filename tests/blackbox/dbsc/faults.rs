//! Faults of the module's own: no session ends by them, and nothing is taken for proved.

use dbsc::sign::Signer as _;
use httpd_harness::cookies::{SET_COOKIE, seen, setup};
use httpd_harness::device::{Device, REFRESH, REGISTER};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, submit};
use httpd_harness::{Httpd, Setup, setup as programs};
use tokbind::{Request, Response};

use super::sealed;

const SITE: &str = "DbscEndpoints";
/// Has OpenSSL's allocations fail.
const ALLOCATIONS: &str = "TOKEN_BINDING_FAIL_AT";
/// More than a hook makes.
const ENOUGH: u32 = 500;

fn faulty(variable: &'static str, site: &str) -> Httpd {
    let module = programs::faulty_module();
    let mut setup =
        Setup { module: Some(module.clone()), ..setup("TokenBindingCookie sid\nTokenBindingDBSC On") };
    setup.environment = vec![(variable, site.to_owned())];
    if variable == ALLOCATIONS {
        // The library is there before OpenSSL allocates anything.
        setup.environment.push(("LD_PRELOAD", module.to_str().unwrap().to_owned()));
    }
    let mut server = setup.start();
    server.script("set.cgi", SET_COOKIE);
    for announced in ["TB901", "panicked at", "RUST_BACKTRACE", "token_binding:error"] {
        server.announce(announced);
    }
    server
}

#[tokio::test]
async fn a_panic_is_500_and_the_session_goes_on() {
    let server = faulty("TOKEN_BINDING_PANIC_AT", SITE);
    for protocol in PROTOCOLS {
        let mut device = Device::new(protocol);
        device.log_in(&server, "/set.cgi?sid=alice").await;
        let children = server.children();
        for path in [REGISTER, REFRESH] {
            let request = Request::new("POST", HOST, path).header("X-Panic", "please");
            assert_eq!(submit(&server, protocol, None, request).await.status, 500);
        }
        assert!(server.line("TB901").contains(SITE));
        assert_eq!(server.children(), children, "the same processes");
        assert_eq!(device.refresh(&server).await.status, 200);
        assert_eq!(seen(&device.get(&server, "/env.cgi").await).unwrap(), "sid=alice");
    }
}

/// The response has been sent, and what is not clean is not logged.
#[tokio::test]
async fn a_panic_before_the_log_costs_a_line() {
    let server = faulty("TOKEN_BINDING_PANIC_AT", "CleanUnread");
    for protocol in PROTOCOLS {
        let children = server.children();
        let request = Request::get(HOST, "/env.cgi").header("X-Panic", "please");
        assert_eq!(submit(&server, protocol, None, request).await.status, 200);
        assert!(server.line("TB901").contains("CleanUnread"));
        assert_eq!(server.children(), children, "the same processes");
    }
}

/// Each of OpenSSL's allocations fails in turn, or it and all later ones.
#[tokio::test]
async fn without_memory_nothing_is_decided() {
    let server = faulty(ALLOCATIONS, SITE);
    for protocol in PROTOCOLS {
        let mut device = Device::new(protocol);
        device.log_in(&server, "/set.cgi?sid=alice").await;
        let children = server.children();
        let mut thief = Device::new(protocol);
        thief.session = device.session.clone();
        let registration = device.key.registration_proof(&sealed::offered(&server, 0), None).unwrap();
        let refresh = device.proof(&server).await;
        let forged = thief.proof(&server).await;
        for (path, proof, is_good) in
            [(REGISTER, &registration, true), (REFRESH, &refresh, true), (REFRESH, &forged, false)]
        {
            for kind in ["", "+"] {
                let mut failed = 0;
                for number in 0.. {
                    assert!(number < ENOUGH, "{path}: it never succeeds");
                    let request = Request::new("POST", HOST, path)
                        .header("Sec-Secure-Session-Id", &device.session)
                        .header("Secure-Session-Response", proof)
                        .header("X-Fail", format!("{number}{kind}"));
                    let before = server.log().matches("fault injection").count();
                    let response: Response = submit(&server, protocol, None, request).await;
                    if server.log().matches("fault injection").count() == before {
                        assert_eq!(response.status, if is_good { 200 } else { 400 });
                        break;
                    }
                    failed += 1;
                    // OpenSSL can do without some of what it asks for.
                    let fits = match response.status {
                        503 => true,
                        200 => is_good,
                        400 => !is_good,
                        _ => false,
                    };
                    assert!(fits, "{path} {number}{kind}: {}", response.status);
                }
                assert!(failed > 5, "a verification allocates: {failed}");
            }
        }
        assert_eq!(server.children(), children, "the same processes");
        assert_eq!(device.refresh(&server).await.status, 200);
    }
}
