//! The module's lines in httpd's error log.

use std::fmt;

use token_binding_server::outcome::Level;

use crate::httpd::log::{self, Sink};

/// Writes one line, if the level is on. Formats only then.
pub(super) fn log(sink: Sink<'_>, level: Level, line: fmt::Arguments<'_>) {
    let level = match level {
        Level::Error => log::Level::Error,
        Level::Warning => log::Level::Warning,
        Level::Notice => log::Level::Notice,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
    };
    log::log(sink, level, line);
}
