//! Other servers than httpd.

use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::httpd::PATIENCE;

/// Starts a server and waits until it takes connections on this port. It ends when the process goes out of scope.
pub async fn start(command: &mut Command, port: u16) -> Child {
    let process = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn();
    let process = process.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let connecting = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, connecting)
        .await
        .unwrap_or_else(|_| panic!("{command:?} takes no connections on port {port}"));
    process
}
