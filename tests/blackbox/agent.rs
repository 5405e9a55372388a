//! `tokbind agent` between today's Chromium (or curl) and the module.

use std::collections::HashSet;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use httpd_harness::agent::Agent;
use httpd_harness::httpd::HOST;
use httpd_harness::{Setup, VirtualHost, shown};

const PROVIDED: &str = "Sec_Provided_Token_Binding_ID";

#[tokio::test]
async fn todays_chromium_shows_a_stable_id() {
    let hosts = [HOST, "other.bound.test", "www.other.test"].map(|name| VirtualHost::tls(name, ""));
    let server = Setup { virtual_hosts: hosts.into(), ..Setup::default() }.start();
    let agent = Agent::start(&server).await;
    let browser = agent.browser().await;
    let mut page = browser.page().await;
    let mut ids = HashSet::new();
    for host in [HOST, HOST, "other.bound.test"] {
        assert_eq!(
            page.go(&format!("https://{host}:{}/env.cgi", server.port())).await,
            200,
            "{}",
            server.log()
        );
        let text = page.text().await;
        ids.insert(shown(&text, PROVIDED).unwrap_or_else(|| panic!("unbound:\n{text}")).to_owned());
    }
    assert_eq!(ids.len(), 1, "one key per registered domain");
    page.go(&format!("https://www.other.test:{}/env.cgi", server.port())).await;
    assert!(!ids.contains(shown(&page.text().await, PROVIDED).unwrap()), "another domain, another key");
    // Another agent has other keys; the first one's outlive the browser.
    drop(browser);
    let browser = agent.browser().await;
    let mut page = browser.page().await;
    page.go(&format!("https://{HOST}:{}/env.cgi", server.port())).await;
    assert!(
        ids.contains(shown(&page.text().await, PROVIDED).unwrap()),
        "the same key after the browser's restart"
    );
}

#[tokio::test]
async fn todays_chromium_finds_the_agent_by_its_file() {
    let hosts = [HOST, "www.other.test"].map(|name| VirtualHost::tls(name, ""));
    let server = Setup { virtual_hosts: hosts.into(), ..Setup::default() }.start();
    let agent = Agent::with(&server, &["--only", "bound.test"]).await;
    let browser = agent.browser_by_pac().await;
    let mut page = browser.page().await;
    for (host, bound) in [(HOST, true), ("www.other.test", false)] {
        let status = page.go(&format!("https://{host}:{}/env.cgi", server.port())).await;
        assert_eq!(status, 200, "{}", server.log());
        assert_eq!(shown(&page.text().await, PROVIDED).is_some(), bound, "{host}");
    }
    page.go(&format!("http://127.0.0.1:{}/", agent.port)).await;
    let text = page.text().await;
    assert!(text.contains(HOST) && !text.contains("www.other.test"), "{text}");
}

fn curl(agent: &Agent) -> Command {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--max-time", "120", "--proxy"])
        .arg(format!("http://127.0.0.1:{}", agent.port))
        .arg("--cacert")
        .arg(agent.authority());
    command
}

#[tokio::test]
async fn a_gigabyte_goes_through() {
    let server = Setup::default().start();
    // Sparse: it takes no room on the disk.
    let file = std::fs::File::create(server.dir().join("htdocs/big.bin")).unwrap();
    file.set_len(1 << 30).unwrap();
    let agent = Agent::start(&server).await;
    let output = curl(&agent)
        .args(["--output", "/dev/null", "--write-out", "%{http_code} %{size_download}"])
        .arg(format!("https://{HOST}:{}/big.bin", server.port()))
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("200 {}", 1 << 30), "{output:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.process.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 100 * 1024, "the agent held {peak} KiB");
}

#[tokio::test]
async fn two_hundred_connections_at_once() {
    let server = Setup::default().start();
    let agent = Agent::start(&server).await;
    let url = format!("https://{HOST}:{}/page.html", server.port());
    let visits = (0..200).map(|_| {
        let mut curl = curl(&agent);
        curl.args(["--output", "/dev/null", "--write-out", "%{http_code}"]).arg(&url);
        tokio::spawn(async move { curl.output().await.unwrap() })
    });
    for visit in visits.collect::<Vec<_>>() {
        let output = visit.await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "200", "{output:?}");
    }
    assert!(server.lines("TB10").is_empty(), "{}", server.log());
}

/// The EKM changes in the middle of the upstream connection.
#[tokio::test]
async fn it_signs_again_after_a_renegotiation() {
    let server = Setup::with(
        "SSLProtocol TLSv1.2\nSSLCACertificateFile @DIR@/user.pem\n\
         <Location /secure>\n  SSLVerifyClient optional\n</Location>\nScriptAlias /secure/ @DIR@/htdocs/",
    );
    let server = Setup { http2: false, ..server }.start();
    let agent = Agent::start(&server).await;
    let mut curl = curl(&agent);
    curl.arg("--fail");
    // Each connection is renegotiated by its first page here. There are several pages, because the agent may open another
    // connection when one is not back in its pool yet.
    let paths = ["/secure/env.cgi"; 9];
    for path in &paths {
        curl.arg(format!("https://{HOST}:{}{path}", server.port()));
    }
    let output = curl.output().await.unwrap();
    let pages = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = |name: &str| -> Vec<&str> { pages.lines().filter(|line| line.starts_with(name)).collect() };
    assert_eq!(lines(PROVIDED).len(), paths.len(), "{pages} {output:?}");
    assert_eq!(HashSet::<&str>::from_iter(lines(PROVIDED)).len(), 1, "one key");
    assert!(
        HashSet::<&str>::from_iter(lines("REMOTE_PORT")).len() < paths.len(),
        "a renegotiated connection is used again: {pages}"
    );
}

#[tokio::test]
async fn a_clients_own_message_is_not_sent_on() {
    let server = Setup::default().start();
    let agent = Agent::start(&server).await;
    let output = curl(&agent)
        .args(["--header", "Sec-Token-Binding: forged"])
        .arg(format!("https://{HOST}:{}/env.cgi", server.port()))
        .output()
        .await
        .unwrap();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown(&page, PROVIDED).is_some(), "{page}");
}

#[tokio::test]
async fn an_unverifiable_server_is_a_502_that_says_why() {
    let (server, other) = (Setup::default().start(), Setup::default().start());
    let agent = Agent::start(&server).await;
    // The agent was told nothing of this name; the certificate is for other names.
    let output = curl(&agent)
        .args(["--write-out", "%{http_code}"])
        .arg(format!("https://127.0.0.2:{}/page.html", other.port()))
        .output()
        .await
        .unwrap();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(page.ends_with("502"), "{page} {output:?}");
}

#[tokio::test]
async fn sigterm_ends_it() {
    let server = Setup::default().start();
    let mut agent = Agent::start(&server).await;
    let pid = agent.process.id().and_then(|pid| Pid::from_raw(pid.try_into().unwrap())).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = tokio::time::timeout(Duration::from_secs(30), agent.process.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}
