//! What the module keeps with a TLS connection to a client, and what it finds out about it.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use token_binding::{EKM_LENGTH, EXPORTER_LABEL, Ekm};
use token_binding_server::channel::{Channel, Handshake};
use token_binding_server::counters::Count;
use token_binding_server::outcome::{Fault, Level, tags};

use crate::httpd::connection::Connection;
use crate::httpd::guard::Site;
use crate::httpd::hook::{ConnectionHook, Status};
use crate::httpd::ssl::{Handle, Ssl};

use super::certificate::Certificate;
use super::log::log;
use super::status::count;
use super::virtual_hosts;

/// What is kept with a TLS connection to a client.
pub(crate) struct ConnectionState {
    ssl: Handle,
    /// Written by the connection's own thread (handshakes), read by HTTP/2's workers.
    handshake: Mutex<Handshake>,
    /// The channel that `handshake` has opened, once no other handshake can follow (TLS 1.3).
    last_channel: OnceLock<Arc<Channel>>,
    /// The client's certificate when it was last looked at. Written and read likewise.
    certificate: Mutex<Option<Certificate>>,
    /// Whether Token Binding was ever agreed on.
    is_agreed: AtomicBool,
    /// Whether Token Binding was offered, and not agreed on.
    is_offered: AtomicBool,
    /// Whether it is counted, or its channel open.
    is_settled: AtomicBool,
}

impl ConnectionState {
    /// The state of a connection whose handshake is about to begin.
    pub(super) fn new(ssl: Handle) -> Self {
        Self {
            ssl,
            handshake: Mutex::default(),
            last_channel: OnceLock::new(),
            certificate: Mutex::default(),
            is_agreed: AtomicBool::default(),
            is_offered: AtomicBool::default(),
            is_settled: AtomicBool::default(),
        }
    }

    pub(super) fn handshake(&self) -> Result<MutexGuard<'_, Handshake>, Fault> {
        self.handshake.lock().map_err(|_| Fault::Poisoned)
    }

    /// Remembers whether what the client offered was agreed on.
    pub(super) fn note_offer(&self, is_agreed: bool) {
        if is_agreed {
            self.is_agreed.store(true, Ordering::Release);
        } else {
            self.is_offered.store(true, Ordering::Relaxed);
        }
    }

    fn certificate(&self) -> Result<MutexGuard<'_, Option<Certificate>>, Fault> {
        self.certificate.lock().map_err(|_| Fault::Poisoned)
    }
}

/// The Token Binding channel in force on a connection, or, for an HTTP/2 stream, on the connection that carries it.
pub(super) fn channel(connection: Connection<'_>) -> Result<Option<Arc<Channel>>, Fault> {
    let Some(state) = connection.kept_by_carrier() else { return Ok(None) };
    if let Some(channel) = state.last_channel.get() {
        return Ok(Some(Arc::clone(channel)));
    }
    if !state.is_agreed.load(Ordering::Acquire) {
        return Ok(None);
    }
    open_channel(connection, state)
}

fn open_channel(connection: Connection<'_>, state: &ConnectionState) -> Result<Option<Arc<Channel>>, Fault> {
    let mut handshake = state.handshake()?;
    // A worker's thread: the SSL object is the carrier's, so only what was opened before counts.
    if connection.is_secondary() {
        return handshake.opened();
    }
    let ssl = state.ssl.get(connection).ok_or(Fault::Incomplete)?;
    // Exports the keying material of a handshake that has ended since the last call.
    let export = || export(ssl).inspect(|_| count(Count::Negotiated, 1));
    let channel = handshake.open(ssl.renegotiations(), export)?;
    if let Some(channel) = &channel
        && ssl.is_tls13_or_newer()
    {
        // Already there only if it is the same: TLS 1.3 has one handshake.
        let _ = state.last_channel.set(Arc::clone(channel));
    }
    Ok(channel)
}

/// The exported keying material of a finished handshake (RFC 8471 s3.3).
fn export(ssl: Ssl<'_>) -> Result<Ekm, Fault> {
    if !ssl.is_handshake_over() {
        return Err(Fault::Incomplete);
    }
    if !ssl.is_tls13_or_newer() && !ssl.has_extended_master_secret() {
        return Err(Fault::ExtendedMasterSecret);
    }
    let mut ekm = [0; EKM_LENGTH];
    ssl.export(EXPORTER_LABEL.as_bytes(), &mut ekm).map_err(|_| Fault::Exporter)?;
    Ok(Ekm::new(ekm))
}

/// The fingerprint of the certificate of the client, on this connection or on the one that carries this HTTP/2 stream: none of
/// one that did not verify. mod_ssl asks for one in the handshake, or, but not on HTTP/2, in the middle of a request.
pub(super) fn certificate(connection: Connection<'_>) -> Result<Option<Arc<CStr>>, Fault> {
    if !virtual_hosts::verifies_clients() {
        return Ok(None);
    }
    let Some(state) = connection.kept_by_carrier() else { return Ok(None) };
    if connection.is_secondary() {
        return Ok(state.certificate()?.as_ref().and_then(Certificate::fingerprint));
    }
    let Some(current) = state.ssl.get(connection).and_then(Ssl::peer_certificate) else { return Ok(None) };
    let mut known = state.certificate()?;
    match &*known {
        Some(known) if known.is(&current) => Ok(known.fingerprint()),
        _ => {
            let is_verified = connection.ssl_variable(c"SSL_CLIENT_VERIFY") == Some(c"SUCCESS");
            let seen = Certificate::new(current, is_verified)?;
            Ok(known.insert(seen).fingerprint())
        }
    }
}

/// A connection's handshake is over: opens its channel here, on its own thread, before HTTP/2's workers ask for it.
pub(super) struct ProcessConnection;

impl ConnectionHook for ProcessConnection {
    const SITE: Site = Site("ProcessConnection");

    fn run(connection: Connection<'_>) -> Status {
        // Without a state there is no TLS. httpd asks again for each request of a connection that is kept alive.
        let Some(state) = connection.kept() else { return Status::Declined };
        if connection.is_secondary() || state.is_settled.load(Ordering::Relaxed) {
            return Status::Declined;
        }
        if let Err(fault) = prepare(connection, state).map(|()| count_unbound(connection, state)) {
            // Not the end of the connection: its requests are refused, each with a line in the log and a 500.
            log(connection.sink(), Level::Error, format_args!("{}: {fault}", tags::HANDSHAKE_FAULT));
        }
        Status::Declined
    }
}

/// Does what workers of HTTP/2 can't do, when the handshake is over, on the connection's own thread: opens the channel, and
/// looks at the client's certificate. A handshake that failed has nothing to open, and that is no fault.
///
/// While a channel is open, a renegotiation that ends it is noticed by the next request; without Token Binding there was
/// nothing to open, and the first request has counted it.
fn prepare(connection: Connection<'_>, state: &ConnectionState) -> Result<(), Fault> {
    if state.ssl.get(connection).is_some_and(Ssl::is_handshake_over) {
        let is_open = channel(connection)?.is_some();
        certificate(connection)?;
        if is_open {
            state.is_settled.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Counts a TLS connection without Token Binding, once.
fn count_unbound(connection: Connection<'_>, state: &ConnectionState) {
    let is_counted = state.is_settled.load(Ordering::Relaxed);
    if is_counted || connection.is_aborted() || state.ssl.get(connection).is_none() {
        return;
    }
    state.is_settled.store(true, Ordering::Relaxed);
    let is_offered = state.is_offered.load(Ordering::Relaxed);
    count(if is_offered { Count::NotAgreed } else { Count::NotOffered }, 1);
}
