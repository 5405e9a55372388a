//! A running `tokbind agent`, with keys and a certificate authority of its own.

use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::browser::Browser;
use super::httpd::{Httpd, PATIENCE};
use super::setup;

/// The hosts that lead to the test's server.
const HOSTS: [&str; 4] = ["www.bound.test", "other.bound.test", "www.other.test", "op.test"];

pub struct Agent {
    pub process: Child,
    pub port: u16,
    dir: TempDir,
}

impl Agent {
    /// Starts the agent for a server whose certificate it is told to trust.
    pub async fn start(server: &Httpd) -> Self {
        Self::with(server, &[]).await
    }

    /// The same with more options.
    pub async fn with(server: &Httpd, options: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("tb-agent-").tempdir().unwrap();
        let authority = Command::new(setup::tokbind())
            .args(["agent", "ca", "--ca-dir"])
            .arg(dir.path().join("ca"))
            .output()
            .await
            .expect("tokbind can be run");
        assert!(authority.status.success(), "{}", String::from_utf8_lossy(&authority.stderr));
        std::fs::write(dir.path().join("ca.pem"), authority.stdout).unwrap();
        let mut command = Command::new(setup::tokbind());
        command.args(["agent", "-v", "--listen", "127.0.0.1:0", "--ca-dir"]).arg(dir.path().join("ca"));
        command
            .args(options)
            .args(["--proxy", ""])
            .arg("--keys")
            .arg(dir.path().join("keys"))
            .arg("--cacert")
            .arg(server.dir().join("server.pem"));
        for host in HOSTS {
            command.arg(format!("--upstream-resolve={host}:{}:127.0.0.1", server.port()));
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("tokbind can be run");
        let mut errors = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = timeout(PATIENCE, async {
            let line = lines.next_line().await.unwrap().expect("the agent says where it listens");
            let digits = line.rsplit(':').next().unwrap();
            digits
                .trim_end_matches(|last: char| !last.is_ascii_digit())
                .parse()
                .unwrap_or_else(|_| panic!("{line}"))
        })
        .await
        .expect("the agent starts");
        // Shown with a failing test.
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                println!("agent: {line}");
            }
        });
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { process, port, dir }
    }

    /// The certificate that a browser must trust.
    pub fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Today's Chromium, which the agent's own file tells when to use it. Every name that it looks up itself leads to this machine.
    pub async fn browser_by_pac(&self) -> Browser {
        Browser::with_pac(self.port, &self.authority()).await
    }

    /// Today's Chromium, with the agent for a proxy.
    pub async fn browser(&self) -> Browser {
        Browser::with_proxy(self.port, &self.authority()).await
    }
}
