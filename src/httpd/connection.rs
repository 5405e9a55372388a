//! A client connection, or an HTTP/2 stream's part of one.

use std::ffi::CStr;
use std::marker::PhantomData;

use super::ffi;
use super::log::Sink;
use super::pool::Pool;
use super::slot::{self, OfConnection};

/// A `conn_rec` that lives at least as long as `'c`, on the thread that serves it.
#[derive(Clone, Copy)]
pub(crate) struct Connection<'c> {
    raw: *mut ffi::conn_rec,
    lifetime: PhantomData<&'c ()>,
}

impl<'c> Connection<'c> {
    /// # Safety
    /// `raw` must be a `conn_rec` that is valid during `'c`, and this thread the one that serves it.
    pub(super) unsafe fn from_raw(raw: *mut ffi::conn_rec) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut ffi::conn_rec {
        self.raw
    }

    pub(crate) fn sink(self) -> Sink<'c> {
        // SAFETY: the conn_rec is valid (from_raw).
        unsafe { Sink::of_connection(self.raw) }
    }

    pub(super) fn pool(self) -> Pool<'c> {
        // SAFETY: the conn_rec is valid (from_raw).
        let pool = unsafe { (*self.raw).pool };
        // SAFETY: the connection's pool lives as long as the connection, and this is the connection's own thread (from_raw).
        unsafe { Pool::from_raw(pool) }
    }

    /// What the module keeps with this very connection.
    pub(crate) fn kept(self) -> Option<&'c OfConnection> {
        // SAFETY: the conn_rec is valid (from_raw).
        unsafe { kept(self.raw) }
    }

    /// What the module keeps with the connection that carries this HTTP/2 stream, or with this connection if it is none. The
    /// former belongs to another thread.
    pub(crate) fn kept_by_carrier(self) -> Option<&'c OfConnection> {
        let master = self.master();
        // SAFETY: both are valid (from_raw): a master outlives its secondary connections, for mod_http2 joins them before it
        // ends. Its slot was written before there were any.
        unsafe { kept(if master.is_null() { self.raw } else { master }) }
    }

    /// Keeps something with this very connection. Only before its handshake: later, the threads of HTTP/2 read what is kept.
    pub(super) fn keep(self, value: OfConnection) {
        let kept = self.pool().place(value);
        // SAFETY: the conn_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).conn_config };
        // SAFETY: conn_config is the connection's vector; the value lives in the connection's pool, as long as the vector.
        unsafe { slot::set(configs, kept) };
    }

    fn master(self) -> *mut ffi::conn_rec {
        // SAFETY: the conn_rec is valid (from_raw); `master` is set when it is made.
        unsafe { (*self.raw).master }
    }

    /// Whether it is an HTTP/2 stream.
    pub(crate) fn is_secondary(self) -> bool {
        !self.master().is_null()
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

    /// Whether it was given up, as mod_ssl does with one whose handshake has failed.
    pub(crate) fn is_aborted(self) -> bool {
        // SAFETY: the conn_rec is valid (from_raw).
        unsafe { (*self.raw).aborted != 0 }
    }

    /// Gives the connection, or the HTTP/2 stream, up: nothing more is written to it.
    pub(super) fn abort(self) {
        // SAFETY: the conn_rec is valid (from_raw), and this thread serves it.
        unsafe { (*self.raw).aborted = 1 };
    }

    /// Whether mod_ssl has an SSL object for it.
    pub(crate) fn has_ssl(self) -> bool {
        // SAFETY: the conn_rec is valid (from_raw).
        unsafe { ffi::tb_ssl_is_https(self.raw) != 0 }
    }

    /// A variable of mod_ssl's.
    pub(crate) fn ssl_variable(self, name: &CStr) -> Option<&'c CStr> {
        // SAFETY: the conn_rec is valid (from_raw); mod_ssl only reads the name.
        let value = unsafe { ffi::tb_ssl_variable(self.raw, name.as_ptr()) };
        // SAFETY: mod_ssl answers with NULL, or a C string that is static or in the connection's pool.
        (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
    }
}

/// # Safety
/// `raw` must be a `conn_rec` that is valid during `'c`.
unsafe fn kept<'c>(raw: *mut ffi::conn_rec) -> Option<&'c OfConnection> {
    // SAFETY: the caller's promise.
    let configs = unsafe { (*raw).conn_config };
    // SAFETY: conn_config is the connection's vector.
    let kept = unsafe { slot::get::<OfConnection>(configs) };
    // SAFETY: what is kept with a connection lives as long, and nobody changes it.
    unsafe { kept.as_ref() }
}
