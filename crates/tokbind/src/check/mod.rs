//! Checks a server's Token Binding with a battery of probes, each of one rule. The server may be any: this project's module,
//! another module, a load balancer.
//!
//! A server is judged by what it shows: its handshakes, its status codes and, where its page repeats the Token Binding
//! ID that it has verified, by that. A server that serves a wrong message as if it had none (instead of refusing it) is
//! right as well, but only a page that shows the ID can tell that from one that has accepted it.
//!
//! ```no_run
//! use tokbind::{Target, check};
//! use tokbind::tls::ConnectOptions;
//!
//! # async fn ask() -> tokbind::Result<()> {
//! let target = Target::new("https://www.example.com/whoami", ConnectOptions::new())?;
//! let findings = check::run(&target, &[], |finding| println!("{finding:?}")).await?;
//! assert!(findings.iter().all(|finding| !finding.verdict.is_failure()));
//! # Ok(())
//! # }
//! ```

mod finding;
mod handshake;
mod messages;
mod probe;
mod requests;
#[cfg(feature = "dbsc")]
mod sessions;
mod subject;

use self::probe::Probe;
use self::subject::Subject;
use crate::tls::{Connector, Offer, SslVersion};
use crate::{KeyParameters, Result, Target};

pub use finding::{Finding, Verdict};
#[cfg(feature = "dbsc")]
pub use sessions::{SessionOptions, run_sessions, session_rules};

/// The names of all rules.
pub fn rules() -> impl Iterator<Item = &'static str> {
    all().map(|probe| probe.name)
}

fn all() -> impl Iterator<Item = &'static Probe<Subject>> {
    handshake::PROBES.iter().chain(messages::PROBES).chain(requests::PROBES)
}

/// Looks whether the server keeps the rules of these names, or all where none is named, one after the other, and tells each
/// finding as soon as it is there.
///
/// # Errors
/// The server can't be reached, or its certificate is refused: then there is nothing to find out.
pub async fn run(target: &Target, only: &[String], tell: impl FnMut(&Finding)) -> Result<Vec<Finding>> {
    let subject = Subject::meet(target).await?;
    Ok(probe::run(all(), only, &subject, tell).await)
}

/// Whether the server answers an offer of Token Binding at all, on TLS 1.2 or 1.3. One that does not has nothing for the rules
/// to be about.
///
/// # Errors
/// The server can't be reached, or its certificate is refused.
pub async fn negotiates(target: &Target) -> Result<bool> {
    let (address, mut failed, mut reached) = (target.address().await?, None, false);
    for version in [SslVersion::TLS1_3, SslVersion::TLS1_2] {
        let offer = Offer::v1(KeyParameters::ALL_KNOWN);
        let options = target.options.clone().offer(offer).lenient(true).tls_version(version);
        match Connector::new(&options)?.connect(address, &target.host).await {
            Ok(connection) if connection.answer().is_some() => return Ok(true),
            Ok(_) => reached = true,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.filter(|_| !reached).map_or(Ok(false), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_has_a_name_of_its_own() {
        let mut names: Vec<_> = rules().collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rules().count());
    }
}
