//! Faults of the module's own, injected by a build feature: each ends in a refusal and a log line, never in an accepted
//! request, and the process lives.

use tokbind::Request;
use tokbind::http1::Http1;
use tokbind::tls::Connector;

use httpd_harness::client::{connect, http1, http2, options, unbound};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session};
use httpd_harness::{Httpd, Setup, Visitor, setup};

fn setup_panicking_at(site: &str, setup: Setup) -> Setup {
    Setup {
        module: Some(setup::faulty_module()),
        environment: vec![("TOKEN_BINDING_PANIC_AT", site.to_owned())],
        ..setup
    }
}

fn start_panicking_at(site: &str, setup: Setup) -> Httpd {
    let mut server = setup_panicking_at(site, setup).start();
    server.announce("TB901");
    server.announce("panicked at");
    server
}

fn panicking_at(site: &str) -> Httpd {
    start_panicking_at(site, Setup::default())
}

#[tokio::test]
async fn a_panic_in_a_request_is_500_and_a_line_and_the_process_lives() {
    for site in ["PostReadRequest", "PostPerdirConfig", "CheckAccess"] {
        // CheckAccess has something to do only where there can be client certificates.
        let server = start_panicking_at(site, Setup::with("SSLCACertificateFile @DIR@/user.pem"));
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

/// What should have been added to a response, or asked of a request, is not known then: nothing is sent.
#[tokio::test]
async fn a_panic_where_nothing_else_refuses_ends_the_connection_or_stream() {
    for (site, paths) in [
        ("InsertFilter", &["/page.html"][..]),
        ("InsertErrorFilter", &["/moved", "/missing"]),
        ("ResponseFilter", &["/moved", "/page.html", "/missing"]),
        ("Expression", &["/nobody/page.html"]),
    ] {
        let server = start_panicking_at(
            site,
            Setup::with(
                "TokenBindingIncludeReferred On\nRedirect /moved /page.html\nAlias /nobody @DIR@/htdocs\n\
                 <Location /nobody>\n  Require expr \"TOKEN_BINDING('provided') == ''\"\n</Location>",
            ),
        );
        let visitor = Visitor::new();
        let children = server.children();
        for path in paths {
            for protocol in PROTOCOLS {
                let mut session = Session::open(&server, protocol, Some(&visitor)).await;
                let asking = Request::get(HOST, path).header("X-Panic", "please");
                session.try_send(asking).await.expect_err(site);
                assert_eq!(visitor.visit(&server, "/page.html").await.status, 200, "{site}");
            }
        }
        assert!(server.line("TB901").contains(site));
        assert_eq!(server.children(), children, "{site}: the same processes");
    }
}

#[tokio::test]
async fn a_panic_in_access_control_refuses() {
    let server = start_panicking_at(
        "Authorization",
        Setup::with("<Location />\n  Require token-binding\n</Location>"),
    );
    let visitor = Visitor::new();
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, Some(&visitor)).await;
        let asking = Request::get(HOST, "/page.html").header("X-Panic", "please");
        assert_eq!(session.send(asking).await.status, 500, "{protocol:?}");
        assert_eq!(visitor.visit(&server, "/page.html").await.status, 200);
    }
    assert!(server.line("TB901").contains("Authorization"));
}

/// The body behind which the trailers come can't be read to its end.
#[tokio::test]
async fn a_panic_over_trailers_refuses_the_body() {
    let directives = "MergeTrailers On\nHeader always set Seen \"expr=%{req:Sec-Provided-Token-Binding-ID}\"";
    let mut server = start_panicking_at("TrailerFilter", Setup::with(directives));
    server.announce("AH01270: Error reading request entity data");
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, None).await;
        let mut asking = Request::get(HOST, "/env.cgi")
            .header("X-Panic", "please")
            .body("body")
            .chunked()
            .trailer("Sec-Provided-Token-Binding-ID", "forged");
        asking.method = "POST".into();
        if let Ok(page) = session.try_send(asking).await {
            assert!(page.status >= 400, "{protocol:?}: {}", page.status);
            assert_eq!(page.header("Seen").unwrap_or_default(), "", "{protocol:?}");
        }
        assert_eq!(Visitor::new().visit(&server, "/page.html").await.status, 200);
    }
    assert!(server.line("TB901").contains("TrailerFilter"));
}

/// Neither decides on a request: mod_status's page goes without our part, and what was kept is lost to the process.
#[tokio::test]
async fn a_panic_that_decides_nothing_leaves_a_line() {
    let status = "<Location /server-status>\n  SetHandler server-status\n</Location>";
    let mut setup = Setup::with(status);
    setup.modules.push("status");
    let server = start_panicking_at("StatusPage", setup);
    let visitor = Visitor::new();
    let mut session = Session::open(&server, Protocol::Http1, Some(&visitor)).await;
    let asking = Request::get(HOST, "/server-status").header("X-Panic", "please");
    let page = session.send(asking).await;
    assert_eq!((page.status, page.text().contains("<h2>Token Binding")), (200, false));
    assert!(session.get("/server-status", "").await.text().contains("<h2>Token Binding"));
    assert!(server.line("TB901").contains("StatusPage"));

    let server = panicking_at("PoolCleanup");
    let children = server.children();
    for _ in 0..3 {
        assert_eq!(visitor.visit(&server, "/page.html").await.status, 200);
    }
    assert_eq!(server.children(), children, "the same processes");
    server.restart();
    assert_eq!(visitor.visit(&server, "/page.html").await.status, 200);
    assert!(server.line("TB901").contains("PoolCleanup"));
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

/// mod_ssl gives up a connection whose hook has failed.
#[tokio::test]
async fn a_panic_before_a_handshake_ends_the_connection() {
    let server = panicking_at("PreHandshake");
    let children = server.children();
    let connector = Connector::new(&options()).unwrap();
    for _ in 0..3 {
        connector.connect(server.address(), HOST).await.unwrap_err();
    }
    assert!(server.line("TB901").contains("PreHandshake"));
    assert_eq!(server.children(), children, "the same processes");
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
    for site in [
        "RegisterHooks",
        "CreateConfig",
        "Directive",
        "MergeConfig",
        "ExpressionLookup",
        "CheckConfig",
        "PostConfig",
        "InitServer",
    ] {
        // An expression that is not known stops the start too.
        let setup = match site {
            "RegisterHooks" => Setup::default(),
            _ => Setup::with(
                "TokenBindingStrict On\n\
                 <Location /a>\n  Require expr \"TOKEN_BINDING('provided') == ''\"\n</Location>",
            ),
        };
        let Err(log) = setup_panicking_at(site, setup).try_start() else { panic!("{site}: started") };
        assert!(log.contains("TB901") && log.contains(site), "{site}: {log}");
    }
}

/// Whoever lets C in at another place says here what a panic there comes to.
#[test]
fn every_site_is_tried() {
    let sources = ["src/httpd", "src/module", "src/module/cookies"].map(|folder| {
        let files = std::fs::read_dir(setup::root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.is_file());
        files.map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>()
    });
    let sources = sources.concat();
    let sites: Vec<&str> =
        sources.split("Site(\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    let tests = ["faults.rs", "cookies/responses.rs", "dbsc/faults.rs"]
        .map(|file| std::fs::read_to_string(setup::root().join("tests/blackbox").join(file)).unwrap())
        .concat();
    assert!(sites.len() > 20, "{sites:?}");
    for site in sites {
        assert!(tests.contains(&format!("\"{site}\"")), "{site}");
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
