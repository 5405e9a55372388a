//! What mod_ssl has set up since the configuration was read.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Virtual hosts with TLS and Token Binding.
static ENABLED: AtomicUsize = AtomicUsize::new(0);

/// Whether any virtual host has authorities that clients' certificates are verified with: mod_ssl has no others.
static VERIFIES_CLIENTS: AtomicBool = AtomicBool::new(false);

/// The configuration was read: mod_ssl has set up nothing of it.
pub(super) fn reset() {
    ENABLED.store(0, Ordering::Relaxed);
    VERIFIES_CLIENTS.store(false, Ordering::Relaxed);
}

pub(super) fn note(is_enabled: bool, verifies_clients: bool) {
    if is_enabled {
        ENABLED.fetch_add(1, Ordering::Relaxed);
    }
    if verifies_clients {
        VERIFIES_CLIENTS.store(true, Ordering::Relaxed);
    }
}

pub(super) fn enabled() -> usize {
    ENABLED.load(Ordering::Relaxed)
}

pub(super) fn verifies_clients() -> bool {
    VERIFIES_CLIENTS.load(Ordering::Relaxed)
}
