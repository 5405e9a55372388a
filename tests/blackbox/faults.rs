//! Faults of the module's own, injected by a build feature: each ends in a refusal and a log line, never in an accepted
//! request, and the process lives.

use tokbind::Request;
use tokbind::http1::Http1;
use tokbind::tls::Connector;

use crate::support::client::{connect, http1, http2, options, unbound};
use crate::support::httpd::HOST;
use crate::support::{Httpd, Setup, Visitor, setup};

fn panicking_at(site: &str) -> Httpd {
    let mut server = Setup {
        module: Some(setup::faulty_module()),
        environment: vec![("TOKEN_BINDING_PANIC_AT", site.to_owned())],
        ..Setup::default()
    }
    .start();
    server.announce("TB901");
    server.announce("panicked at");
    server
}

#[tokio::test]
async fn a_panic_in_a_request_is_500_and_a_line_and_the_process_lives() {
    for site in ["PostReadRequest", "HeaderParser"] {
        let server = panicking_at(site);
        let visitor = Visitor::new();
        assert_eq!(visitor.visit(&server, "/page.html").await.status, 200, "{site}");
        let children = server.children();
        let mut one = http1(&server).await;
        let ekm = one.get_ref().ekm().unwrap();
        let asking = visitor.get(&ekm, "/page.html").header("X-Panic", "please");
        assert_eq!(one.request(&asking).await.unwrap().status, 500, "{site}");
        assert!(server.line("TB901").contains(site));
        let two = http2(&server).await;
        let asking = visitor.get(two.ekm(), "/page.html").header("X-Panic", "please");
        assert_eq!(two.request(&asking).await.unwrap().status, 500, "{site}");
        assert_eq!(two.request(&visitor.get(two.ekm(), "/page.html")).await.unwrap().status, 200, "{site}");
        assert_eq!(visitor.visit(&server, "/page.html").await.status, 200, "{site}");
        assert_eq!(server.children(), children, "{site}: the same processes");
    }
}

/// What should have been added to a response is not known then: nothing of it is sent.
#[tokio::test]
async fn a_panic_in_the_response_filter_ends_the_connection_or_stream() {
    let site = "ResponseFilter";
    let mut server = Setup {
        module: Some(setup::faulty_module()),
        environment: vec![("TOKEN_BINDING_PANIC_AT", site.to_owned())],
        ..Setup::with("TokenBindingIncludeReferred On\nRedirect /moved /page.html")
    }
    .start();
    server.announce("TB901");
    server.announce("panicked at");
    let visitor = Visitor::new();
    let children = server.children();
    for path in ["/moved", "/page.html"] {
        let mut one = http1(&server).await;
        let ekm = one.get_ref().ekm().unwrap();
        let asking = visitor.get(&ekm, path).header("X-Panic", "please");
        one.request(&asking).await.unwrap_err();
        let two = http2(&server).await;
        let asking = visitor.get(two.ekm(), path).header("X-Panic", "please");
        two.request(&asking).await.unwrap_err();
        assert_eq!(two.request(&visitor.get(two.ekm(), "/page.html")).await.unwrap().status, 200);
    }
    assert!(server.line("TB901").contains(site));
    assert_eq!(visitor.visit(&server, "/page.html").await.status, 200);
    assert_eq!(server.children(), children, "the same processes");
}

#[tokio::test]
async fn a_panic_in_a_handshake_ends_that_handshake_only() {
    for site in ["ParseExtension", "AddExtension"] {
        let server = panicking_at(site);
        let mut http = Http1::new(connect(&server, &unbound()).await);
        assert_eq!(http.request(&Request::get(HOST, "/page.html")).await.unwrap().status, 200, "{site}");
        let children = server.children();
        let connector = Connector::new(&options()).unwrap();
        for _ in 0..3 {
            let refused = connector.connect(server.address(), HOST).await.unwrap_err();
            assert_eq!(refused.alert_received(), Some(80), "{site}: {refused}");
        }
        assert!(server.line("TB901").contains(site));
        let mut http = Http1::new(connect(&server, &unbound()).await);
        assert_eq!(http.request(&Request::get(HOST, "/page.html")).await.unwrap().status, 200, "{site}");
        assert_eq!(server.children(), children, "{site}: the same processes");
    }
}

#[tokio::test]
async fn a_panic_before_the_export_serves_nothing_unverified() {
    let server = panicking_at("ProcessConnection");
    let visitor = Visitor::new();
    // HTTP/2's workers find no keying material, and must not take that for "not negotiated".
    let two = http2(&server).await;
    for request in [Request::get(HOST, "/page.html"), visitor.get(two.ekm(), "/page.html")] {
        assert_eq!(two.request(&request).await.unwrap().status, 500);
    }
    // On HTTP/1.1 the request's own thread exports it.
    assert_eq!(visitor.visit(&server, "/page.html").await.status, 200);
    let mut server = server;
    server.announce("TB106");
}

#[test]
fn a_panic_at_start_up_stops_the_start() {
    for site in ["PostConfig", "InitServer", "CheckConfig"] {
        let output = Setup {
            module: Some(setup::faulty_module()),
            environment: vec![("TOKEN_BINDING_PANIC_AT", site.to_owned())],
            ..Setup::default()
        }
        .run_to_end();
        assert!(!output.0.success(), "{site}: started");
        assert!(output.1.contains("TB901") && output.1.contains(site), "{site}: {}", output.1);
    }
}

#[test]
fn the_module_for_use_has_no_panics_on_demand() {
    let module = std::fs::read(setup::module()).unwrap();
    let marker = b"TOKEN_BINDING_PANIC_AT";
    assert!(!module.windows(marker.len()).any(|window| window == marker));
    let faulty = std::fs::read(setup::faulty_module()).unwrap();
    assert!(
        faulty.windows(marker.len()).any(|window| window == marker),
        "the test looks for the right thing"
    );
}
