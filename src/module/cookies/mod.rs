//! Bound cookies at httpd's border.

mod outgoing;

pub(crate) use outgoing::*;
