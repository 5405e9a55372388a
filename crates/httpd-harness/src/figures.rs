//! mod_status's page, and the module's figures on it.

use super::Setup;
use super::httpd::Httpd;
use super::session::{Protocol, fetch};

/// Has a server with these directives show its figures.
pub fn with_figures(mut setup: Setup) -> Setup {
    setup.modules.push("status");
    setup.global.push_str("\n<Location /status>\n  SetHandler server-status\n</Location>\n");
    setup
}

/// The page for programs.
pub async fn figures(server: &Httpd) -> String {
    fetch(server, Protocol::Http1, None, "/status?auto", "").await.text()
}

/// One figure of it.
///
/// # Panics
/// If it is not there.
pub fn figure(page: &str, name: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("TokenBinding{name}: ")));
    line.unwrap_or_else(|| panic!("no {name}: {page}")).parse().unwrap()
}

/// Fails unless these figures of a server are as expected.
///
/// # Panics
/// If one is not.
pub async fn assert_figures(server: &Httpd, expected: &[(&str, u64)]) {
    let page = figures(server).await;
    for (name, expected) in expected {
        assert_eq!(figure(&page, name), *expected, "{name}");
    }
}
