//! What the start-up says of it.

use httpd_harness::Setup;
use httpd_harness::cookies::setup;
use httpd_harness::device::{Device, REGISTER};
use httpd_harness::httpd::HOST;
use httpd_harness::session::Protocol;
use tokbind::Request;

#[tokio::test]
async fn a_virtual_host_where_it_can_do_nothing_is_warned_of() {
    let server = Setup::with("TokenBindingDBSC On").start();
    assert!(server.line("TB406").contains("TokenBindingCookie names no cookie"), "{}", server.line("TB406"));
    // And nothing of it happens.
    let request = Request::new("POST", HOST, REGISTER);
    assert_eq!(Device::new(Protocol::Http1).send(&server, request).await.status, 404);
    let server =
        setup("TokenBindingCookie sid\nTokenBindingDBSC On\nTokenBindingDBSCSite elsewhere.test").start();
    assert!(server.line("TB406").contains("is not in TokenBindingDBSCSite"), "{}", server.line("TB406"));
    let server =
        setup("TokenBindingCookie sid\nTokenBindingDBSC On\nTokenBindingDBSCSite bound.test").start();
    assert!(server.lines("TB406").is_empty(), "{}", server.log());
}

#[test]
fn wrong_words_fail_the_syntax_check() {
    for (line, allowed) in [
        ("TokenBindingDBSC maybe", "On or Off"),
        ("TokenBindingDBSCPath keys", "begins and ends with /"),
        ("TokenBindingDBSCLifetime 5", "from 10 to 86400"),
        ("TokenBindingDBSCInitiators https://a.test", "hosts such as"),
        ("TokenBindingDBSCSite test", "a domain such as"),
        ("TokenBindingPassVar devices", "device"),
    ] {
        let output = Setup::with(line).check();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(allowed), "{line}: {said}");
    }
}
