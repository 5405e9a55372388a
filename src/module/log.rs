//! The module's lines in httpd's error log.

use std::fmt;

use token_binding_server::counters::Count;
use token_binding_server::outcome::Level;

use crate::httpd::log::{self, Sink};

use super::status::{is_warning_due, leave_out};

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

/// Says what a client has caused, at `info`. Where that is not shown, as on most servers, the first of its kind in a minute is
/// said at `warn`, with how many were left out.
pub(super) fn tell(sink: Sink<'_>, what: Count, line: fmt::Arguments<'_>) {
    if log::is_on(sink, log::Level::Info) {
        log(sink, Level::Info, line);
    } else {
        warn_seldom(sink, what, format_args!("{line} (LogLevel token_binding:info shows each)"));
    }
}

/// Warns, once a minute, of what may come with every request.
pub(super) fn warn_seldom(sink: Sink<'_>, what: Count, line: fmt::Arguments<'_>) {
    match is_warning_due(what) {
        Some(0) => log(sink, Level::Warning, line),
        Some(left_out) => log(
            sink,
            Level::Warning,
            format_args!("{line}; {left_out} more like it since this was last said"),
        ),
        None => leave_out(what),
    }
}
