//! A client connection and what the module keeps with it.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard};

use openssl_sys::SSL;

use super::ffi;
use super::pool::Pool;
use super::record;
use super::status::count;
use super::table::Table;
use super::tls;
use crate::channel::{Channel, Handshake};
use crate::counters::Count;
use crate::outcome::Fault;

/// A `conn_rec` that lives at least as long as `'c`.
#[derive(Clone, Copy)]
pub(super) struct Connection<'c> {
    raw: *mut ffi::conn_rec,
    lifetime: PhantomData<&'c ()>,
}

/// What is kept with a connection from the first acceptable offer in a ClientHello on, and not before: connections
/// without Token Binding have none.
pub(super) struct ConnectionState {
    /// mod_ssl's. Used on the connection's own thread only, and only while mod_ssl says that it is there.
    ssl: *mut SSL,
    /// Written by the connection's own thread (handshakes), read by HTTP/2's workers.
    handshake: Mutex<Handshake>,
}

impl ConnectionState {
    pub(super) fn handshake(&self) -> Result<MutexGuard<'_, Handshake>, Fault> {
        self.handshake.lock().map_err(|_| Fault::Poisoned)
    }

    /// Exports the keying material of a handshake that has ended since the last call.
    fn open(&self, ssl: tls::Ssl<'_>) -> Result<Option<Arc<Channel>>, Fault> {
        self.handshake()?.open(ssl.renegotiations(), || ssl.export().inspect(|_| count(Count::Negotiated, 1)))
    }
}

impl<'c> Connection<'c> {
    /// # Safety
    /// `raw` must be a `conn_rec` that is valid during `'c`.
    pub(super) unsafe fn from_raw(raw: *mut ffi::conn_rec) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut ffi::conn_rec {
        self.raw
    }

    /// For an HTTP/2 stream's secondary connection, the real one. It belongs to another thread.
    pub(super) fn master(self) -> Option<Self> {
        // SAFETY: the conn_rec is valid (from_raw); `master` is set when it is made.
        let master = unsafe { (*self.raw).master };
        // SAFETY: a master outlives its secondary connections: mod_http2 joins them before it ends.
        (!master.is_null()).then(|| unsafe { Self::from_raw(master) })
    }

    pub(super) fn pool(self) -> Pool<'c> {
        // SAFETY: the conn_rec is valid (from_raw).
        let pool = unsafe { (*self.raw).pool };
        // SAFETY: the connection's pool lives as long as the connection; callers are on the connection's own thread.
        unsafe { Pool::from_raw(pool) }
    }

    /// What the module keeps with this very connection.
    pub(super) fn state(self) -> Option<&'c ConnectionState> {
        // SAFETY: the conn_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).conn_config };
        // SAFETY: conn_config is the connection's vector, the module record is ours.
        let state = unsafe { ffi::ap_get_module_config(configs, record::module()) };
        // SAFETY: our slot holds nothing or what `create_state` put there, which lives as long as the connection.
        unsafe { state.cast::<ConnectionState>().as_ref() }
    }

    /// Makes the state of a connection that has none. Only on the connection's own thread.
    pub(super) fn create_state(self, ssl: *mut SSL) -> &'c ConnectionState {
        let state = self.pool().place(ConnectionState { ssl, handshake: Mutex::default() });
        // SAFETY: the conn_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).conn_config };
        // SAFETY: conn_config is the connection's vector, the module record is ours; the state lives in the
        // connection's pool, as long as the vector.
        unsafe { ffi::ap_set_module_config(configs, record::module(), ptr::from_mut(state).cast()) };
        state
    }

    /// The Token Binding channel in force on this connection, or, for an HTTP/2 stream, on the connection that carries
    /// it.
    pub(super) fn channel(self) -> Result<Option<Arc<Channel>>, Fault> {
        match self.master() {
            // A worker's thread: the SSL object is the master's, so only what was opened before counts.
            Some(master) => match master.state() {
                Some(state) => state.handshake()?.opened(),
                None => Ok(None),
            },
            None => match self.state() {
                Some(state) => state.open(self.ssl(state).ok_or(Fault::Incomplete)?),
                None => Ok(None),
            },
        }
    }

    /// Has all been done that is to be done after a handshake? While a channel is open, a renegotiation that ends it is
    /// noticed by the next request; without Token Binding there was nothing to open, and the first request has counted it.
    pub(super) fn is_settled(self) -> bool {
        match self.state() {
            Some(state) => state.handshake().is_ok_and(|handshake| handshake.is_open()),
            None => {
                // SAFETY: the conn_rec is valid (from_raw).
                let served = unsafe { (*self.raw).keepalives };
                served > 0
            }
        }
    }

    /// Opens the channel as soon as the handshake is over, on the connection's own thread, for the HTTP/2 workers that
    /// will ask for it. A handshake that failed has nothing to open, and that is no fault.
    pub(super) fn prepare_channel(self) -> Result<(), Fault> {
        match self.state().and_then(|state| Some((state, self.ssl(state)?))) {
            Some((state, ssl)) if ssl.is_handshake_over() => state.open(ssl).map(drop),
            _ => Ok(()),
        }
    }

    /// Counts a TLS connection without Token Binding, once.
    pub(super) fn count_unbound(self) {
        // SAFETY: the conn_rec is valid (from_raw).
        let is_tls = || unsafe { ffi::tb_ssl_is_https(self.raw) } != 0;
        // SAFETY: the conn_rec is valid (from_raw). mod_ssl gives a connection up whose handshake has failed.
        let is_over = unsafe { (*self.raw).aborted } != 0;
        let is_bound = || {
            self.state()
                .is_some_and(|state| matches!(state.handshake().map(|it| it.opened()), Ok(Ok(Some(_)))))
        };
        if is_over || self.notes().get(COUNTED).is_some() || is_bound() || !is_tls() {
            return;
        }
        self.notes().set(COUNTED, c"1");
        let offered = self.notes().get(OFFERED).is_some();
        count(if offered { Count::NotAgreed } else { Count::NotOffered }, 1);
    }

    /// Remembers that the client offered Token Binding, and that it was not agreed on.
    pub(super) fn note_offer(self) {
        self.notes().set(OFFERED, c"1");
    }

    fn notes(self) -> Table<'c> {
        // SAFETY: the conn_rec is valid (from_raw).
        let notes = unsafe { (*self.raw).notes };
        // SAFETY: a connection's notes live in its pool; callers are on the connection's own thread.
        unsafe { Table::from_raw(notes) }
    }

    /// The connection's SSL object, while mod_ssl has one. Only on the connection's own thread.
    fn ssl(self, state: &ConnectionState) -> Option<tls::Ssl<'c>> {
        // SAFETY: the conn_rec is valid (from_raw).
        let is_there = unsafe { ffi::tb_ssl_is_https(self.raw) } != 0;
        // SAFETY: mod_ssl has just said that the connection's SSL object is there, and this is the connection's thread.
        is_there.then(|| unsafe { tls::Ssl::from_raw(state.ssl) })
    }

    /// Is it an HTTP/2 stream?
    pub(super) fn is_secondary(self) -> bool {
        self.master().is_some()
    }

    /// The address of the TCP connection's other end, as text: whatever mod_remoteip makes of it is the request's.
    pub(super) fn peer(self) -> &'c str {
        // SAFETY: the conn_rec is valid (from_raw).
        let address = unsafe { (*self.raw).client_ip };
        if address.is_null() {
            return "";
        }
        // SAFETY: httpd sets a C string in the connection's pool when it accepts the connection.
        unsafe { CStr::from_ptr(address) }.to_str().unwrap_or("")
    }

    /// Gives the connection, or the HTTP/2 stream, up: nothing more is written to it.
    pub(super) fn abort(self) {
        // SAFETY: the conn_rec is valid (from_raw), and this thread serves it.
        unsafe { (*self.raw).aborted = 1 };
    }
}

/// Notes of ours on a connection: it is counted; Token Binding was offered on it in vain.
const COUNTED: &CStr = c"token-binding-counted";
const OFFERED: &CStr = c"token-binding-offered";
