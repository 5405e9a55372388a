//! One rule, how to look whether it is kept, and looking at all of them.

use std::pin::Pin;

use super::finding::{Finding, Seen, Verdict};
use crate::error::Result;

type Run<S> = for<'s> fn(&'s S) -> Pin<Box<dyn Future<Output = Result<Seen>> + Send + 's>>;

/// One rule, and how to look whether a server, as a first visit has shown it, keeps it.
pub(super) struct Probe<S: 'static> {
    pub(super) name: &'static str,
    pub(super) section: &'static str,
    pub(super) rule: &'static str,
    /// What a server that breaks it allows an attacker, or what becomes of its visitors.
    pub(super) allows: &'static str,
    pub(super) run: Run<S>,
}

/// Runs the probes of these names, or all where none is named, one after the other; tells each finding as soon as it is there.
pub(super) async fn run<S: 'static>(
    probes: impl Iterator<Item = &'static Probe<S>>,
    only: &[String],
    server: &S,
    mut tell: impl FnMut(&Finding),
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for probe in probes.filter(|probe| only.is_empty() || only.iter().any(|name| name == probe.name)) {
        let verdict = match (probe.run)(server).await {
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
    findings
}
