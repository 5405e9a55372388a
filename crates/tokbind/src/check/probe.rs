//! One rule, and how to look whether it is kept.

use std::pin::Pin;

use super::finding::Seen;
use super::subject::Subject;
use crate::error::Result;

type Run = for<'s> fn(&'s Subject) -> Pin<Box<dyn Future<Output = Result<Seen>> + Send + 's>>;

/// One rule, and how to look whether it is kept.
pub(super) struct Probe {
    pub(super) name: &'static str,
    pub(super) section: &'static str,
    pub(super) rule: &'static str,
    /// What a server that breaks it allows an attacker.
    pub(super) allows: &'static str,
    pub(super) run: Run,
}
