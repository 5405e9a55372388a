//! `tokbind check` against the module, and against servers that are wrong.

use std::collections::BTreeMap;

use tokbind::Target;
use tokbind::check::{self, Verdict};
use tokbind::tls::ConnectOptions;

use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Mpm, Setup};

/// What each probe found.
async fn findings(server: &Httpd, path: &str) -> BTreeMap<&'static str, Verdict> {
    let url = format!("https://{HOST}:{}{path}", server.port());
    let options = ConnectOptions::new().accept_any_certificate(true);
    let target = Target::new(&url, options).unwrap().resolve([127, 0, 0, 1].into());
    let mut told = 0;
    let findings = check::run(&target, &[], |_| told += 1).await.unwrap();
    assert_eq!((told, findings.len()), (check::rules().count(), check::rules().count()));
    findings.into_iter().map(|finding| (finding.probe, finding.verdict)).collect()
}

fn failures(findings: &BTreeMap<&'static str, Verdict>) -> Vec<String> {
    let failed = findings.iter().filter(|(_, verdict)| verdict.is_failure());
    failed.map(|(probe, verdict)| format!("{probe}: {verdict:?}")).collect()
}

fn failed(findings: &BTreeMap<&'static str, Verdict>, probe: &str) -> bool {
    findings[probe].is_failure()
}

#[tokio::test]
async fn the_module_passes_every_probe_on_a_page_that_shows_the_id() {
    let server = Setup::default().start();
    let findings = findings(&server, "/env.cgi").await;
    assert_eq!(failures(&findings), Vec::<String>::new());
    let not_applicable = findings.values().filter(|verdict| **verdict != Verdict::Pass).count();
    assert_eq!(not_applicable, 0, "{findings:?}");
}

#[tokio::test]
async fn the_module_passes_on_a_page_that_shows_nothing_and_when_lenient_on_one_that_shows_the_id() {
    let strict = Setup::default().start();
    assert_eq!(failures(&findings(&strict, "/page.html").await), Vec::<String>::new());
    let lenient = Setup::with("TokenBindingStrict Off").start();
    assert_eq!(failures(&findings(&lenient, "/env.cgi").await), Vec::<String>::new());
}

#[tokio::test]
async fn the_module_passes_in_prefork_which_has_no_http_2() {
    let server = Setup { mpm: Mpm::Prefork, ..Setup::default() }.start();
    let findings = findings(&server, "/env.cgi").await;
    assert_eq!(failures(&findings), Vec::<String>::new());
    assert!(matches!(findings["http2"], Verdict::NotApplicable(_)));
}

/// Without the module: nothing is negotiated, and whatever a client claims about itself is believed.
#[tokio::test]
async fn a_server_without_token_binding_fails() {
    let server = Setup { module: None, ..Setup::default() }.start();
    let findings = findings(&server, "/env.cgi").await;
    for probe in ["tls12-answer", "tls13-answer", "spoofed-headers"] {
        assert!(failed(&findings, probe), "{probe}: {:?}", findings[probe]);
    }
    assert!(matches!(findings["replay-sequential"], Verdict::NotApplicable(_)));
}

/// A server that serves a wrong message is right if it serves it as unbound. Where the page does not show which it was,
/// the probes can't know, and say what was seen.
#[tokio::test]
async fn a_lenient_server_whose_page_shows_no_id_fails() {
    let server = Setup::with("TokenBindingStrict Off").start();
    let findings = findings(&server, "/page.html").await;
    for probe in
        ["replay-sequential", "replay-concurrent", "invented-signature", "two-provided", "referred-only"]
    {
        assert!(failed(&findings, probe), "{probe}: {:?}", findings[probe]);
    }
    assert!(!failed(&findings, "duplicate-header"));
}
