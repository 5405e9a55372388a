//! Is a server's Token Binding right? A battery of probes, each of one rule, against any server: this project's module,
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

mod handshake;
mod messages;
mod requests;
mod subject;

use std::future::Future;
use std::pin::Pin;

use crate::{Result, Target};

use subject::Subject;

/// What one probe has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The probe's name, never reused for another.
    pub probe: &'static str,
    /// The section that the rule is from.
    pub section: &'static str,
    /// The rule.
    pub rule: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server keeps the rule.
    Pass,
    /// It does not.
    Fail {
        /// What was seen.
        seen: String,
        /// What that allows an attacker.
        allows: &'static str,
    },
    /// The server has nothing that the rule could be about.
    NotApplicable(String),
}

impl Verdict {
    /// Does the server break the rule?
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Verdict::Fail { .. })
    }
}

/// What a probe has seen.
enum Seen {
    AsItShould,
    Wrong(String),
    NotApplicable(String),
}

impl Seen {
    fn unless(wrong: bool, what: impl Into<String>) -> Self {
        if wrong { Seen::Wrong(what.into()) } else { Seen::AsItShould }
    }
}

type Run = for<'s> fn(&'s Subject) -> Pin<Box<dyn Future<Output = Result<Seen>> + Send + 's>>;

/// One rule, and how to look whether it is kept.
struct Probe {
    name: &'static str,
    section: &'static str,
    rule: &'static str,
    /// What a server that breaks it allows an attacker.
    allows: &'static str,
    run: Run,
}

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
