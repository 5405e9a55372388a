//! What comes of a probe.

/// What one probe has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// Whether the server breaks the rule.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Verdict::Fail { .. })
    }
}

/// What a probe has seen.
pub(super) enum Seen {
    AsItShould,
    Wrong(String),
    NotApplicable(String),
}

impl Seen {
    pub(super) fn unless(wrong: bool, what: impl Into<String>) -> Self {
        if wrong { Seen::Wrong(what.into()) } else { Seen::AsItShould }
    }
}
