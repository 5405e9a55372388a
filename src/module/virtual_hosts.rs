//! What mod_ssl has set up since the configuration was read.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use token_binding_server::config::ServerConfig;

use crate::httpd::server::Server;

/// Virtual hosts with TLS and Token Binding.
static ENABLED: AtomicUsize = AtomicUsize::new(0);

/// Virtual hosts with TLS, by their identities.
static WITH_TLS: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Whether any virtual host has authorities that clients' certificates are verified with: mod_ssl has no others.
static VERIFIES_CLIENTS: AtomicBool = AtomicBool::new(false);

/// The configuration was read: mod_ssl has set up nothing of it.
pub(super) fn reset() {
    ENABLED.store(0, Ordering::Relaxed);
    VERIFIES_CLIENTS.store(false, Ordering::Relaxed);
    WITH_TLS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

pub(super) fn note(server: Server<'_>, is_enabled: bool, verifies_clients: bool) {
    WITH_TLS.lock().unwrap_or_else(PoisonError::into_inner).push(server.identity());
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

pub(super) fn has_tls(server: Server<'_>) -> bool {
    WITH_TLS.lock().unwrap_or_else(PoisonError::into_inner).contains(&server.identity())
}

/// Whether somebody in front of it ends TLS, by what is written: browsers know it by `https` then.
pub(super) fn is_behind_tls(server: Server<'_>, config: &ServerConfig) -> bool {
    config.cookies.dbsc.is_on() || config.trusted_proxies().is_some() || server.is_https_by_name()
}

pub(super) fn verifies_clients() -> bool {
    VERIFIES_CLIENTS.load(Ordering::Relaxed)
}
