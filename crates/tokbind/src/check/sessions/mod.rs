//! Checks a server's Device Bound Session Credentials (DBSC) with a battery of probes, each of one rule of the draft
//! (<https://w3c.github.io/webappsec-dbsc/>).

mod options;
mod proof;
mod refresh;
mod registration;
mod site;

use super::finding::Finding;
use super::probe::{self, Probe};
use crate::{Result, Target};

pub use options::SessionOptions;
use site::Site;

fn all() -> impl Iterator<Item = &'static Probe<Site>> {
    registration::PROBES.iter().chain(refresh::PROBES)
}

/// The names of all rules of sessions.
pub fn session_rules() -> impl Iterator<Item = &'static str> {
    all().map(|probe| probe.name)
}

/// Looks whether the server keeps the rules of sessions of these names, or all where none is named, one after the other, and
/// tells each finding as soon as it is there.
///
/// # Errors
/// The server can't be reached, or its certificate is refused.
pub async fn run_sessions(
    target: &Target,
    options: &SessionOptions,
    only: &[String],
    tell: impl FnMut(&Finding),
) -> Result<Vec<Finding>> {
    let site = Site::meet(target, options).await?;
    Ok(probe::run(all(), only, &site, tell).await)
}

#[cfg(test)]
mod tests;
