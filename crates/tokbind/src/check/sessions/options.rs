//! How to check a server's sessions.

use std::time::Duration;

use crate::message::Request;

/// How to check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// The request whose response offers a registration, such as a login. Default: a GET of the target.
    pub login: Option<Request>,
    /// How long to wait for a challenge to grow old. Without it, the rules about old challenges are left out.
    pub patience: Option<Duration>,
}

impl SessionOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}
