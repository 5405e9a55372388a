//! `tokbind get --dbsc`, the library's client, and `tokbind check --dbsc`.

use std::path::Path;
use std::process::{Command, Output};

use httpd_harness::cookies::OTHER_SECRET;
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, setup as programs, shown};

use super::server;

/// `tokbind get` by somebody with keys and a jar in this directory.
fn get(server: &Httpd, dir: &Path, arguments: &[&str], path: &str) -> Output {
    let port = server.port();
    let output = Command::new(programs::tokbind())
        .args(["get", "--proxy", "", "--no-token-binding", "--cacert"])
        .arg(server.dir().join("server.pem"))
        .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")])
        .arg("--keys")
        .arg(dir.join("keys"))
        .arg("-b")
        .arg(dir.join("jar"))
        .arg("-c")
        .arg(dir.join("jar"))
        .args(arguments)
        .arg(format!("https://{HOST}:{port}{path}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn page(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A cookie of the jar, taken away: as when its time is over.
fn forget(dir: &Path, name: &str) {
    let jar = dir.join("jar");
    let all = std::fs::read_to_string(&jar).unwrap();
    let is_other = |line: &&str| !line.contains(&format!("\t{name}\t"));
    let others: Vec<&str> = all.lines().filter(is_other).collect();
    assert_eq!(others.len(), all.lines().count() - 1, "{name}");
    std::fs::write(&jar, others.join("\n") + "\n").unwrap();
}

#[tokio::test]
async fn get_registers_and_refreshes_and_shows_no_secret() {
    let server = server("");
    let dir = tempfile::tempdir().unwrap();
    for http in ["1.1", "2"] {
        let options = ["--dbsc", "-v", "--http", http];
        let login = get(&server, dir.path(), &options, "/set.cgi?sid=alice");
        assert!(told(&login).contains("* device-bound session: key registered"), "{}", told(&login));
        // The first short-lived cookie is there, and proves nothing: a browser refreshes early, this client when it is gone.
        forget(dir.path(), "__Host-tb-dbsc");
        let output = get(&server, dir.path(), &options, "/env.cgi");
        assert!(told(&output).contains("* device-bound session: key proved again"), "{}", told(&output));
        let text = page(&output);
        assert_eq!(shown(&text, "HTTP_COOKIE"), Some("sid=alice"), "{text}");
        let key = shown(&text, "Sec_Device_Bound_Session_Key").unwrap().to_owned();
        for told in [told(&login), told(&output)] {
            let secrets = ["secure-session-registration: (", "challenge=", "eyJ", "tb2"];
            assert!(!secrets.iter().any(|secret| told.to_lowercase().contains(secret)), "{told}");
        }
        // And again; without --dbsc, or with other keys, nobody sees the cookie.
        forget(dir.path(), "__Host-tb-dbsc");
        let output = get(&server, dir.path(), &["--http", http], "/env.cgi");
        assert_eq!(shown(&page(&output), "HTTP_COOKIE"), None);
        let output = get(&server, dir.path(), &["--dbsc", "--json", "--http", http], "/env.cgi");
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["device_bound_sessions"], serde_json::json!(["key proved again"]));
        assert!(json["body"].as_str().unwrap().contains(&key), "{json}");
        std::fs::remove_file(dir.path().join("jar")).unwrap();
        std::fs::remove_dir_all(dir.path().join("keys")).unwrap();
    }
}

/// The server's secret is another one: it can't decide, and no session ends.
#[tokio::test]
async fn a_refresh_that_can_not_be_decided_keeps_the_session() {
    let server = server("");
    let dir = tempfile::tempdir().unwrap();
    get(&server, dir.path(), &["--dbsc"], "/set.cgi?sid=alice");
    let file = dir.path().join("keys/bound.test.dbsc.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    forget(dir.path(), "__Host-tb-dbsc");
    let secret = server.dir().join("secret");
    let old = std::fs::read(&secret).unwrap();
    std::fs::write(&secret, OTHER_SECRET).unwrap();
    server.restart();
    let output = get(&server, dir.path(), &["--dbsc"], "/page.html");
    assert!(told(&output).contains("refresh skipped: server_error"), "{}", told(&output));
    std::fs::write(&secret, old).unwrap();
    server.restart();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kept);
    let output = get(&server, dir.path(), &["--dbsc"], "/env.cgi");
    assert_eq!(shown(&page(&output), "HTTP_COOKIE"), Some("sid=alice"));
}

#[tokio::test]
async fn check_finds_nothing_wrong() {
    let server = server("");
    server.script("plain.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n");
    let check = |arguments: &[&str], path: &str| {
        let port = server.port();
        Command::new(programs::tokbind())
            .args(["check", "--dbsc", "--cacert"])
            .arg(server.dir().join("server.pem"))
            .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")])
            .args(arguments)
            .arg(format!("https://{HOST}:{port}{path}"))
            .output()
            .unwrap()
    };
    let output = check(&[], "/set.cgi?sid=alice");
    let text = page(&output);
    // Two rules are about challenges that have grown old, which takes a minute (--wait).
    assert!(output.status.success(), "{text}{}", told(&output));
    let count = tokbind::check::session_rules().count();
    assert!(text.contains(&format!("{count} rules: {} pass, 0 FAIL, 2 n/a", count - 2)), "{text}");
    // Where nothing is offered, that is what is wrong.
    let output = check(&["--json"], "/plain.cgi");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let wrong: Vec<_> =
        json["findings"].as_array().unwrap().iter().filter(|one| one["verdict"] == "fail").collect();
    assert_eq!(wrong.len(), 2, "{json}");
    assert_eq!((&wrong[0]["probe"], &wrong[1]["probe"]), (&"offer".into(), &"registration".into()));
}
