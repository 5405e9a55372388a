//! OpenSSL runs out of memory inside of the module, at every allocation that it makes there: each time the answer is a
//! refusal and a log line, never a request that counts as unbound, and the process lives.

use tokbind::http1::Http1;
use tokbind::tls::Connector;
use tokbind::{Request, binding};

use httpd_harness::client::options;
use httpd_harness::cookies::{SET_COOKIE, is_sealed, jar, seen, setup};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session, fetch};
use httpd_harness::{Httpd, Setup, Visitor, shown};

/// One allocation fails, or that one and all later ones.
const KINDS: [&str; 2] = ["", "+"];

const PROVIDED: &str = "Sec_Provided_Token_Binding_ID";

/// More than any hook makes.
const ENOUGH: u32 = 500;

fn setup_at(site: &str, plan: &str) -> Setup {
    let mut setup = setup("TokenBindingCookie sid\nTokenBindingCookieEncrypt On");
    let module = httpd_harness::setup::faulty_module();
    setup.environment = vec![
        ("TOKEN_BINDING_FAIL_AT", site.to_owned()),
        ("TOKEN_BINDING_FAIL", plan.to_owned()),
        // There before OpenSSL allocates anything.
        ("LD_PRELOAD", module.to_str().unwrap().to_owned()),
    ];
    setup.module = Some(module);
    setup
}

fn try_failing_at(site: &str, plan: &str) -> Result<Httpd, String> {
    let mut server = setup_at(site, plan).try_start()?;
    server.script("set.cgi", SET_COOKIE);
    server.announce("token_binding:error");
    Ok(server)
}

fn failing_at(site: &str, plan: &str) -> Httpd {
    try_failing_at(site, plan).unwrap_or_else(|log| panic!("httpd did not start:\n{log}"))
}

/// How often an allocation has failed so far, and how often the module has said that it refuses.
fn told(server: &Httpd) -> (usize, usize) {
    let log = server.log();
    (log.matches("fault injection").count(), log.matches("[token_binding:error]").count())
}

/// Fails each allocation of a request in turn, and says how many there are.
async fn every_request_is_refused(site: &str, kind: &str, forged: bool) -> u32 {
    let server = failing_at(site, "");
    let visitor = Visitor::new();
    let children = server.children();
    let mut most = 0;
    for protocol in PROTOCOLS {
        let cookie = jar(&fetch(&server, protocol, Some(&visitor), "/set.cgi?sid=alice", "").await);
        let elsewhere = Session::open(&server, protocol, Some(&visitor)).await.proof().unwrap();
        let mut session = Session::open(&server, protocol, Some(&visitor)).await;
        for number in 0.. {
            assert!(number < ENOUGH, "{site}: the request never succeeds");
            let what = format!("{site} {number}{kind}, {protocol:?}");
            let before = told(&server);
            let request = Request::get(HOST, "/set.cgi?sid=bob")
                .header("Cookie", &*cookie)
                .header("X-Fail", format!("{number}{kind}"));
            let answer = if forged {
                session.try_send_as_it_is(&request.header(binding::SEC_TOKEN_BINDING, &*elsewhere)).await
            } else {
                session.try_send(request).await
            };
            let now = told(&server);
            if protocol == Protocol::Http1 || !matches!(&answer, Ok(page) if page.status == 500) {
                // Closed, or the proof was verified and won't be again.
                session = Session::open(&server, protocol, Some(&visitor)).await;
            }
            match answer {
                // OpenSSL can do without some of what it asks for.
                Ok(page) if page.status == 200 && !forged => {
                    assert_eq!(shown(&page.text(), PROVIDED), Some(&*visitor.id()), "{what}");
                    assert_eq!(seen(&page).as_deref(), Some("sid=alice"), "{what}");
                    assert!(is_sealed(&jar(&page)), "{what}");
                }
                Ok(page) if forged && page.status == 400 => {}
                Ok(page) => assert_eq!((page.status, now.1 > before.1), (500, true), "{what}"),
                Err(_) => assert!(now.1 > before.1, "{what}: no line"),
            }
            if now.0 == before.0 {
                most = most.max(number);
                break;
            }
        }
        drop(session);
        let page = fetch(&server, protocol, Some(&visitor), "/env.cgi", &cookie).await;
        assert_eq!(shown(&page.text(), PROVIDED), Some(&*visitor.id()), "{site}");
    }
    assert_eq!(server.children(), children, "{site}: the same processes");
    most
}

#[tokio::test]
async fn without_memory_a_request_is_refused() {
    for kind in KINDS {
        let allocations = every_request_is_refused("PostReadRequest", kind, false).await;
        assert!(allocations > 5, "a verification allocates: {allocations}");
        // Cookies are sealed without OpenSSL.
        assert_eq!(every_request_is_refused("SealCookies", kind, false).await, 0);
    }
}

#[tokio::test]
async fn without_memory_a_forged_proof_is_refused() {
    for kind in KINDS {
        let allocations = every_request_is_refused("PostReadRequest", kind, true).await;
        assert!(allocations > 5, "{allocations}");
    }
}

/// In the handshake, and after it: the connection ends, or its requests are refused.
#[tokio::test]
async fn without_memory_a_connection_is_refused() {
    for (site, least) in
        [("PreHandshake", 0), ("ParseExtension", 0), ("AddExtension", 0), ("ProcessConnection", 1)]
    {
        for kind in KINDS {
            for number in 0.. {
                assert!(number < ENOUGH, "{site}");
                let what = format!("{site} {number}{kind}");
                let server = failing_at(site, &format!("{number}{kind}"));
                let children = server.children();
                let visitor = Visitor::new();
                let mut failed = false;
                for protocol in PROTOCOLS {
                    let before = told(&server);
                    let status =
                        match Connector::new(&options()).unwrap().connect(server.address(), HOST).await {
                            Ok(_) => Some(
                                Session::open(&server, protocol, Some(&visitor))
                                    .await
                                    .get("/page.html", "")
                                    .await
                                    .status,
                            ),
                            Err(_) => None,
                        };
                    let now = told(&server);
                    failed |= now.0 > before.0;
                    if status != Some(200) {
                        assert!(now.1 > before.1, "{what}, {protocol:?}: {status:?} and no line");
                        assert!(matches!(status, None | Some(500)), "{what}, {protocol:?}: {status:?}");
                    }
                }
                assert_eq!(server.children(), children, "{what}: the same processes");
                if !failed {
                    assert!(number >= least, "{what}: nothing is allocated there");
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn without_memory_the_server_does_not_start() {
    for site in ["CheckConfig", "PostConfig", "InitServer"] {
        for kind in KINDS {
            // Each is a start of a server, and there are hundreds: some of them.
            for number in (0..8).map(|step| step * step * step) {
                let what = format!("{site} {number}{kind}");
                match try_failing_at(site, &format!("{number}{kind}")) {
                    Ok(server) => {
                        if told(&server).0 == 0 {
                            break;
                        }
                        // Whether mod_ssl can do without it is its own business.
                        let connector = Connector::new(&options()).unwrap();
                        let Ok(connection) = connector.connect(server.address(), HOST).await else {
                            continue;
                        };
                        let visitor = Visitor::new();
                        let request = visitor.get(&connection.ekm().unwrap(), "/set.cgi?sid=alice");
                        let Ok(page) = Http1::new(connection).request(&request).await else { continue };
                        assert!(page.status == 500 || is_sealed(&jar(&page)), "{what}: {}", page.status);
                    }
                    Err(log) => {
                        assert!(log.contains("fault injection"), "{what}: {log}");
                        assert!(log.contains("[token_binding:error]"), "{what}: {log}");
                    }
                }
            }
        }
    }
}
