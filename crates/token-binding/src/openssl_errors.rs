//! OpenSSL's error queue. Each thread has one, mod_ssl reads it too, and whoever leaves an error behind is heard by
//! whoever asks next.

use openssl::error::{Error, ErrorStack};

/// Runs OpenSSL calls with the thread's error queue empty before and after: `body` sees no error of others, and others
/// see none of `body`.
pub(crate) fn with_clean_queue<T>(body: impl FnOnce() -> T) -> T {
    drain();
    let result = body();
    drain();
    result
}

fn drain() {
    // Taking the errors is what empties the queue; there is nothing to do with them.
    let _ = ErrorStack::get();
}

/// Whether `errors` are about what OpenSSL was given, and not about OpenSSL itself.
///
/// The first error is the cause, those after it are callers passing it on. A part of OpenSSL that judges its input has
/// reasons of its own, numbered from 100 ("point is not on curve"). What goes wrong inside (no memory, a failed
/// provider, a part that another part needed) has one of the reasons that all parts share, `ERR_R_...`: below 100 up to
/// OpenSSL 1.1.1, and with flags above bit 18 since 3.0.
pub(crate) fn blame_input(errors: &ErrorStack) -> bool {
    errors.errors().first().is_some_and(|cause| (100..1 << 18).contains(&cause.reason_code()))
}

/// OpenSSL's own words for the cause.
pub(crate) fn reason(errors: &ErrorStack) -> &'static str {
    errors.errors().iter().find_map(Error::reason).unwrap_or("no reason given")
}
