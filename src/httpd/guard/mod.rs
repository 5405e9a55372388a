//! The one way in from C. A panic that reached an `extern "C"` edge would abort the process, and with it a whole httpd
//! child with every request in it; here it ends in a log line and the refusing answer of the call it happened in.

#[cfg(feature = "fault-injection")]
mod fault;

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::httpd::filter;
use crate::httpd::log::{Sink, log};
use crate::httpd::request::Request;
use token_binding_server::outcome::{Level, tags};

/// Where C enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    AddExtension,
    Authorization,
    CheckAccess,
    CheckConfig,
    CreateConfig,
    Directive,
    Expression,
    ExpressionLookup,
    InitServer,
    InsertErrorFilter,
    InsertFilter,
    MergeConfig,
    ParseExtension,
    PoolCleanup,
    PostConfig,
    PostPerdirConfig,
    PostReadRequest,
    PreHandshake,
    ProcessConnection,
    RegisterHooks,
    ResponseFilter,
    SealCookies,
    StatusPage,
    TellCaches,
    TrailerFilter,
}

/// Runs `body`; if it panics, logs that and answers `on_fault`, which must refuse.
pub(crate) fn guard<T>(site: Site, sink: Sink, on_fault: T, body: impl FnOnce() -> T) -> T {
    let guarded = || {
        #[cfg(feature = "fault-injection")]
        let _failing = fault::inject(site, sink);
        body()
    };
    // The closure only holds httpd's pointers and references into its pools; what a panic leaves half-done in our own
    // state is behind a Mutex, which is then poisoned and refuses.
    catch_unwind(AssertUnwindSafe(guarded)).unwrap_or_else(|_| {
        log(sink, Level::Error, format_args!("{}: internal error (panic) in {site:?}; refused", tags::PANIC));
        on_fault
    })
}

/// As [`guard`], where C has no answer that refuses: after a panic, nothing is sent in answer to the request.
pub(crate) fn guard_response<T>(
    site: Site,
    request: Request<'_>,
    on_fault: T,
    body: impl FnOnce() -> T,
) -> T {
    let done = guard(site, Sink::Request(request), None, || Some(body()));
    done.unwrap_or_else(|| {
        filter::refuse(request);
        on_fault
    })
}

/// A message from C that is only text, for callers that return one to httpd.
pub(crate) const INTERNAL_ERROR: &CStr = c"internal error in mod_token_binding (see the error log)";
