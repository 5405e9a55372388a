//! `tokbind bench` does what it counts. What it measures is no assertion.

use tokbind::bench::{self, BenchOptions, Report, Reuse};
use tokbind::client::HttpVersion;
use tokbind::tls::ConnectOptions;
use tokbind::{KeyParameters, Target};

use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Setup};

async fn run(server: &Httpd, options: BenchOptions) -> Report {
    let url = format!("https://{HOST}:{}/page.html", server.port());
    let connect = ConnectOptions::new().accept_any_certificate(true);
    let target = Target::new(&url, connect).unwrap().resolve([127, 0, 0, 1].into());
    let report = bench::run(&target, &options, |_| {}).await.unwrap();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(report.responses(), options.requests);
    assert_eq!(report.latency.len(), options.requests);
    report
}

#[tokio::test]
async fn every_way_of_using_connections_is_served() {
    let server = Setup::default().start();
    for http in [HttpVersion::Http1, HttpVersion::Http2] {
        for token_binding in [None, Some(KeyParameters::ECDSAP256)] {
            let mut options = BenchOptions::default();
            (options.connections, options.requests) = (4, 200);
            (options.http, options.token_binding) = (http, token_binding);
            let report = run(&server, options.clone()).await;
            assert_eq!(report.statuses.get(&200), Some(&200), "{:?}", report.statuses);
            assert_eq!(report.negotiated.is_some(), token_binding.is_some());
            assert!(report.handshakes <= 8, "{} handshakes", report.handshakes);

            options.reuse = Reuse::FullHandshakes;
            let report = run(&server, options.clone()).await;
            assert_eq!((report.handshakes, report.resumed), (200, 0));
            options.reuse = Reuse::ResumedHandshakes;
            let report = run(&server, options).await;
            assert!(report.resumed > 150, "{} of {} resumed", report.resumed, report.handshakes);
            assert_eq!(report.statuses.get(&200), Some(&200), "{:?}", report.statuses);
        }
    }
    assert!(server.lines("TB10").is_empty());
}
