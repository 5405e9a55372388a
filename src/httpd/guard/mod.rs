//! The one way in from C. A panic that reached an `extern "C"` edge would abort the process, and with it a whole httpd
//! child with every request in it; here it ends in a log line and the refusing answer of the call it happened in.

#[cfg(feature = "fault-injection")]
mod fault;
mod site;

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use site::Site;

use super::log::{Level, Sink, log};

/// The log's tag for a panic.
const TAG: &str = "TB901";

/// Runs `body`; if it panics, logs that and answers `on_fault`, which must refuse.
pub(super) fn guard<T>(site: Site, sink: Sink<'_>, on_fault: T, body: impl FnOnce() -> T) -> T {
    let guarded = || {
        #[cfg(feature = "fault-injection")]
        let _failing = fault::inject(site, sink);
        body()
    };
    // The closure only holds httpd's pointers and references into its pools; what a panic leaves half-done in our own
    // state is behind a Mutex, which is then poisoned and refuses.
    catch_unwind(AssertUnwindSafe(guarded)).unwrap_or_else(|_| {
        log(sink, Level::Error, format_args!("{TAG}: internal error (panic) in {site}; refused"));
        on_fault
    })
}

/// A message from C that is only text, for callers that return one to httpd.
pub(super) const INTERNAL_ERROR: &CStr = c"internal error in mod_token_binding (see the error log)";
