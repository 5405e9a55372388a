//! A client connection and what the module keeps with it.

use std::cell::Cell;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use openssl_sys::SSL;

use crate::httpd::ffi;
use crate::httpd::pool::Pool;
use crate::httpd::slot;
use crate::httpd::ssl;
use crate::module::certificate::Certificate;
use crate::module::status::count;
use token_binding_server::channel::{Channel, Handshake};
use token_binding_server::counters::Count;
use token_binding_server::outcome::Fault;

/// A `conn_rec` that lives at least as long as `'c`.
#[derive(Clone, Copy)]
pub(crate) struct Connection<'c> {
    raw: *mut ffi::conn_rec,
    lifetime: PhantomData<&'c ()>,
}

/// What is kept with a TLS connection to a client.
pub(crate) struct ConnectionState {
    /// mod_ssl's. Used on the connection's own thread only, and only while mod_ssl says that it is there.
    ssl: *mut SSL,
    /// Written by the connection's own thread (handshakes), read by HTTP/2's workers.
    handshake: Mutex<Handshake>,
    /// The client's certificate when it was last looked at. Written and read likewise.
    certificate: Mutex<Option<Certificate>>,
    /// Whether Token Binding was ever agreed on.
    is_agreed: AtomicBool,
    /// Whether Token Binding was offered, and not agreed on.
    is_offered: Cell<bool>,
    /// Whether it is counted, or its channel open. Both are for the connection's own thread alone.
    is_settled: Cell<bool>,
}

impl ConnectionState {
    pub(crate) fn handshake(&self) -> Result<MutexGuard<'_, Handshake>, Fault> {
        self.handshake.lock().map_err(|_| Fault::Poisoned)
    }

    /// Remembers whether what the client offered was agreed on.
    pub(crate) fn note_offer(&self, is_agreed: bool) {
        if is_agreed {
            self.is_agreed.store(true, Ordering::Release);
        } else {
            self.is_offered.set(true);
        }
    }

    fn certificate(&self) -> Result<MutexGuard<'_, Option<Certificate>>, Fault> {
        self.certificate.lock().map_err(|_| Fault::Poisoned)
    }
}

impl<'c> Connection<'c> {
    /// # Safety
    /// `raw` must be a `conn_rec` that is valid during `'c`.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::conn_rec) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut ffi::conn_rec {
        self.raw
    }

    /// For an HTTP/2 stream's secondary connection, the real one. It belongs to another thread.
    pub(crate) fn master(self) -> Option<Self> {
        // SAFETY: the conn_rec is valid (from_raw); `master` is set when it is made.
        let master = unsafe { (*self.raw).master };
        // SAFETY: a master outlives its secondary connections: mod_http2 joins them before it ends.
        (!master.is_null()).then(|| unsafe { Self::from_raw(master) })
    }

    pub(crate) fn pool(self) -> Pool<'c> {
        // SAFETY: the conn_rec is valid (from_raw).
        let pool = unsafe { (*self.raw).pool };
        // SAFETY: the connection's pool lives as long as the connection; callers are on the connection's own thread.
        unsafe { Pool::from_raw(pool) }
    }

    /// What the module keeps with this very connection.
    pub(crate) fn state(self) -> Option<&'c ConnectionState> {
        // SAFETY: the conn_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).conn_config };
        // SAFETY: conn_config is the connection's vector.
        let state: *mut ConnectionState = unsafe { slot::get(configs) };
        // SAFETY: our slot holds nothing or what `create_state` put there, which lives as long as the connection.
        unsafe { state.as_ref() }
    }

    /// Makes the state of a connection, whose handshake is about to begin. Only on the connection's own thread.
    pub(crate) fn create_state(self, ssl: *mut SSL) {
        let state = self.pool().place(ConnectionState {
            ssl,
            handshake: Mutex::default(),
            certificate: Mutex::default(),
            is_agreed: AtomicBool::default(),
            is_offered: Cell::default(),
            is_settled: Cell::default(),
        });
        // SAFETY: the conn_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).conn_config };
        // SAFETY: conn_config is the connection's vector; the state lives in the connection's pool, as long as the vector.
        unsafe { slot::set(configs, ptr::from_mut(state)) };
    }

    /// The Token Binding channel in force on this connection, or, for an HTTP/2 stream, on the connection that carries
    /// it.
    pub(crate) fn channel(self) -> Result<Option<Arc<Channel>>, Fault> {
        let Some(state) = self.master().unwrap_or(self).state() else { return Ok(None) };
        if !state.is_agreed.load(Ordering::Acquire) {
            return Ok(None);
        }
        let mut handshake = state.handshake()?;
        // A worker's thread: the SSL object is the master's, so only what was opened before counts.
        if self.is_secondary() || handshake.is_final() {
            return handshake.opened();
        }
        let ssl = self.ssl(state).ok_or(Fault::Incomplete)?;
        // Exports the keying material of a handshake that has ended since the last call.
        let export = || ssl.export().inspect(|_| count(Count::Negotiated, 1));
        handshake.open(ssl.renegotiations(), ssl.is_tls13_or_newer(), export)
    }

    /// The certificate of the client, on this connection or on the one that carries this HTTP/2 stream: none that did not
    /// verify. mod_ssl asks for one in the handshake, or, but not on HTTP/2, in the middle of a request.
    pub(crate) fn certificate(self) -> Result<Option<Arc<CStr>>, Fault> {
        if !ssl::verifies_clients() {
            return Ok(None);
        }
        let Some(state) = self.master().unwrap_or(self).state() else { return Ok(None) };
        if self.is_secondary() {
            return Ok(state.certificate()?.as_ref().and_then(Certificate::fingerprint));
        }
        let Some(current) = self.ssl(state).and_then(|ssl| ssl.peer_certificate()) else { return Ok(None) };
        let mut known = state.certificate()?;
        match &*known {
            Some(known) if known.is(&current) => Ok(known.fingerprint()),
            _ => {
                let seen = Certificate::new(current, self.has_verified_certificate())?;
                Ok(known.insert(seen).fingerprint())
            }
        }
    }

    /// Whether mod_ssl has verified the client's certificate.
    fn has_verified_certificate(self) -> bool {
        // SAFETY: the conn_rec is valid (from_raw); mod_ssl only reads the name.
        let verdict = unsafe { ffi::tb_ssl_variable(self.raw, c"SSL_CLIENT_VERIFY".as_ptr()) };
        // SAFETY: mod_ssl answers with a C string, or NULL.
        !verdict.is_null() && unsafe { CStr::from_ptr(verdict) } == c"SUCCESS"
    }

    /// Whether post-handshake work is finished. While a channel is open, a renegotiation that ends it is noticed by the next
    /// request; without Token Binding there was nothing to open, and the first request has counted it.
    pub(crate) fn is_settled(self) -> bool {
        // Without a state there is no TLS.
        self.state().is_none_or(|state| state.is_settled.get())
    }

    /// Does what workers of HTTP/2 can't do, when the handshake is over, on the connection's own thread: opens the channel,
    /// and looks at the client's certificate. A handshake that failed has nothing to open, and that is no fault.
    pub(crate) fn prepare(self) -> Result<(), Fault> {
        match self.state().and_then(|state| self.ssl(state)) {
            Some(ssl) if ssl.is_handshake_over() => {
                let is_open = self.channel()?.is_some();
                self.certificate()?;
                if is_open && let Some(state) = self.state() {
                    state.is_settled.set(true);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Counts a TLS connection without Token Binding, once.
    pub(crate) fn count_unbound(self) {
        let Some(state) = self.state().filter(|state| !state.is_settled.get()) else { return };
        // SAFETY: the conn_rec is valid (from_raw). mod_ssl gives a connection up whose handshake has failed.
        let is_over = unsafe { (*self.raw).aborted } != 0;
        if is_over || self.ssl(state).is_none() {
            return;
        }
        state.is_settled.set(true);
        count(if state.is_offered.get() { Count::NotAgreed } else { Count::NotOffered }, 1);
    }

    /// The connection's SSL object, while mod_ssl has one. Only on the connection's own thread.
    fn ssl(self, state: &ConnectionState) -> Option<ssl::Ssl<'c>> {
        // SAFETY: the conn_rec is valid (from_raw).
        let is_there = unsafe { ffi::tb_ssl_is_https(self.raw) } != 0;
        // SAFETY: mod_ssl has just said that the connection's SSL object is there, and this is the connection's thread.
        is_there.then(|| unsafe { ssl::Ssl::from_raw(state.ssl) })
    }

    /// Is it an HTTP/2 stream?
    pub(crate) fn is_secondary(self) -> bool {
        self.master().is_some()
    }

    /// The address of the TCP connection's other end, as text: whatever mod_remoteip makes of it is the request's.
    pub(crate) fn peer(self) -> &'c str {
        // SAFETY: the conn_rec is valid (from_raw).
        let address = unsafe { (*self.raw).client_ip };
        if address.is_null() {
            return "";
        }
        // SAFETY: httpd sets a C string in the connection's pool when it accepts the connection.
        unsafe { CStr::from_ptr(address) }.to_str().unwrap_or("")
    }

    /// Gives the connection, or the HTTP/2 stream, up: nothing more is written to it.
    pub(crate) fn abort(self) {
        // SAFETY: the conn_rec is valid (from_raw), and this thread serves it.
        unsafe { (*self.raw).aborted = 1 };
    }
}
