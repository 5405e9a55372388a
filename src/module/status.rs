//! The counters, and mod_status's page.

use token_binding_server::counters::{self, Count};
use token_binding_server::dbsc::now;

use crate::httpd::guard::Site;
use crate::httpd::hook::StatusPage;
use crate::httpd::server::Server;
use crate::httpd::shared::Shared;

static SHARED: Shared<counters::Shared> = Shared::new();

/// Makes the shared memory, once in the parent's life. `false`: there is none to be had.
pub(super) fn create(server: Server<'_>) -> bool {
    match SHARED.get() {
        Some(shared) => {
            shared.warned.clear();
            true
        }
        None => SHARED.create(server).is_some(),
    }
}

/// Counts something, in whichever process it happens.
pub(super) fn count(what: Count, number: u64) {
    if number > 0
        && let Some(shared) = SHARED.get()
    {
        shared.counters.add(what, number);
    }
}

/// Whether nothing has been said of a cookie with this name since the last start, in any process.
pub(super) fn is_first_of_name(name: &[u8]) -> bool {
    SHARED.get().is_none_or(|shared| shared.warned.add(name))
}

/// Whether a warning of this kind is due, and of how many events nobody was told since the last. `None`: not now.
pub(super) fn is_warning_due(what: Count) -> Option<u64> {
    // Without shared memory httpd does not start.
    SHARED.get()?.warnings.is_due(what, now())
}

/// There was an event of this kind that nobody was told of.
pub(super) fn leave_out(what: Count) {
    if let Some(shared) = SHARED.get() {
        shared.warnings.leave_out(what);
    }
}

/// The counters on mod_status's page.
pub(super) struct Counters;

impl StatusPage for Counters {
    const SITE: Site = Site("StatusPage");

    fn text(is_short: bool) -> Option<String> {
        let counters = &SHARED.get()?.counters;
        Some(if is_short { counters.as_lines() } else { counters.as_html() })
    }
}
