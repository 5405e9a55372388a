//! The command `tokbind` against the module, as an administrator uses it.

use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Setup, VirtualHost, setup, shown};

const PROVIDED: &str = "Sec_Provided_Token_Binding_ID";

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a subcommand for pages of the server.
async fn tokbind(server: &Httpd, keys: Option<&Path>, arguments: &[&str], paths: &[&str]) -> Ran {
    let port = server.port();
    let mut command = Command::new(setup::tokbind());
    command.args(arguments).arg("--cacert").arg(server.dir().join("server.pem"));
    if let Some(keys) = keys {
        command.arg("--keys").arg(keys);
    }
    for host in [HOST, "other.bound.test"] {
        command.args(["--resolve", &format!("{host}:{port}:127.0.0.1")]);
    }
    for path in paths {
        command.arg(format!("https://{HOST}:{port}{path}"));
    }
    let output = command.output().await.expect("tokbind can be run");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test]
async fn get_shows_one_id_whatever_is_spoken() {
    let server = Setup::default().start();
    let keys = TempDir::new().unwrap();
    let keys = keys.path().join("keys");
    let mut ids = std::collections::HashSet::new();
    for (tls, http) in [("1.2", "1.1"), ("1.2", "2"), ("1.3", "1.1"), ("1.3", "2")] {
        let ran =
            tokbind(&server, Some(&keys), &["get", "-v", "--tls", tls, "--http", http], &["/env.cgi"]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.err.contains(&format!("TLS {tls}")), "{}", ran.err);
        let protocol = if http == "2" { "HTTP/2.0" } else { "HTTP/1.1" };
        assert_eq!(shown(&ran.out, "SERVER_PROTOCOL"), Some(protocol));
        ids.insert(shown(&ran.out, PROVIDED).expect("bound").to_owned());
    }
    assert_eq!(ids.len(), 1, "one key, four connections");
    let other = tokbind(&server, Some(&keys), &["get", "--ephemeral"], &["/env.cgi"]).await;
    assert_ne!(other.code, Some(0), "--ephemeral and --keys exclude each other");
    let other = tokbind(&server, None, &["get", "--ephemeral"], &["/env.cgi"]).await;
    assert!(!ids.contains(shown(&other.out, PROVIDED).expect("bound")), "a key of its own");
    let unbound = tokbind(&server, None, &["get", "--no-token-binding"], &["/env.cgi"]).await;
    assert_eq!((unbound.code, shown(&unbound.out, PROVIDED)), (Some(0), None));
}

/// The EKM changes in the middle of the connection, and with it the header.
#[tokio::test]
async fn get_signs_again_after_a_renegotiation() {
    let server = Setup::with(
        "SSLProtocol TLSv1.2\nSSLCACertificateFile @DIR@/user.pem\n\
         <Location /secure>\n  SSLVerifyClient optional\n</Location>\nScriptAlias /secure/ @DIR@/htdocs/",
    )
    .start();
    let paths = ["/env.cgi", "/secure/env.cgi", "/env.cgi"];
    let ran = tokbind(&server, None, &["get", "--ephemeral", "--fail", "--http", "1.1", "-v"], &paths).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let pages: Vec<&str> = ran.out.lines().filter(|line| line.starts_with(PROVIDED)).collect();
    assert_eq!(pages.len(), 3, "{}", ran.out);
    assert_eq!((pages[0], pages[0]), (pages[1], pages[2]), "one key");
    let ports: std::collections::HashSet<&str> =
        ran.out.lines().filter(|line| line.starts_with("REMOTE_PORT")).collect();
    assert_eq!(ports.len(), 1, "one connection");
    let sent = |line: &&str| line.starts_with("> Sec-Token-Binding:");
    let messages: std::collections::HashSet<&str> = ran.err.lines().filter(sent).collect();
    assert_eq!(messages.len(), 2, "two messages: {}", ran.err);
}

#[tokio::test]
async fn check_says_what_is_wrong_by_its_exit_code() {
    let right = Setup::default().start();
    let ran = tokbind(&right, None, &["check"], &["/env.cgi"]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("33 rules: 33 pass, 0 FAIL, 0 n/a"), "{}", ran.out);

    let hosts = vec![VirtualHost::tls(HOST, "TokenBindingEnabled Off")];
    let wrong = Setup { virtual_hosts: hosts, ..Setup::default() }.start();
    let ran = tokbind(&wrong, None, &["check", "--json"], &["/env.cgi"]).await;
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(found["summary"]["failed"].as_u64().unwrap() >= 2, "{found}");
    assert_eq!(found["findings"][0]["verdict"], "fail");
}

#[tokio::test]
async fn bench_counts_what_was_served() {
    let server = Setup::default().start();
    let ran = tokbind(&server, None, &["bench", "-n", "100", "-c", "2", "--json"], &["/page.html"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["statuses"]["200"], 100);
    assert_eq!(report["key_parameters"], "ecdsap256");
}
