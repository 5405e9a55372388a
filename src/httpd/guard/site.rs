//! The names of the places where C enters.

use std::fmt;

/// Where C enters, by name: for the log, and for faults that tests inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site(pub(crate) &'static str);

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
