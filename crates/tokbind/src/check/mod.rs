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
//! let findings = check::run(&target, |finding| println!("{finding:?}")).await?;
//! assert!(findings.iter().all(|finding| !finding.verdict.is_failure()));
//! # Ok(())
//! # }
//! ```

mod finding;
mod handshake;
mod messages;
mod probe;
mod requests;
mod subject;

use self::finding::Seen;
use self::probe::Probe;
use self::subject::Subject;
use crate::{Result, Target};

pub use finding::{Finding, Verdict};

/// How many probes there are.
#[must_use]
pub fn count() -> usize {
    all().count()
}

fn all() -> impl Iterator<Item = &'static Probe> {
    handshake::PROBES.iter().chain(messages::PROBES).chain(requests::PROBES)
}

/// Runs every probe, one after the other, and tells each finding as soon as it is there.
///
/// # Errors
/// The server can't be reached, or its certificate is refused: then there is nothing to find out.
pub async fn run(target: &Target, mut tell: impl FnMut(&Finding)) -> Result<Vec<Finding>> {
    let subject = Subject::meet(target).await?;
    let mut findings = Vec::new();
    for probe in all() {
        let verdict = match (probe.run)(&subject).await {
            Ok(Seen::AsItShould) => Verdict::Pass,
            Ok(Seen::Wrong(seen)) => Verdict::Fail { seen, allows: probe.allows },
            Ok(Seen::NotApplicable(why)) => Verdict::NotApplicable(why),
            Err(error) => {
                Verdict::Fail { seen: error.to_string(), allows: "unknown: the probe got no answer" }
            }
        };
        let finding = Finding { probe: probe.name, section: probe.section, rule: probe.rule, verdict };
        tell(&finding);
        findings.push(finding);
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_has_a_name_of_its_own() {
        let mut names: Vec<_> = all().map(|probe| probe.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count());
    }
}
