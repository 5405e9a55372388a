//! A server or virtual host, and its settings.

use std::marker::PhantomData;

use super::ffi;
use super::record;
use crate::config::ServerConfig;

/// A `server_rec` (server or virtual host) that lives at least as long as `'s`.
#[derive(Clone, Copy)]
pub(super) struct Server<'s> {
    raw: *mut ffi::server_rec,
    lifetime: PhantomData<&'s ()>,
}

impl<'s> Server<'s> {
    /// # Safety
    /// `raw` must be a `server_rec` that is valid during `'s`.
    pub(super) unsafe fn from_raw(raw: *mut ffi::server_rec) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut ffi::server_rec {
        self.raw
    }

    /// Its settings; `None` only after a fault when they were made.
    pub(super) fn config(self) -> Option<&'s ServerConfig> {
        // SAFETY: our slot holds what `create_server_config` or the merge made, which lives as long as the server.
        unsafe { self.config_ptr().as_ref() }
    }

    /// As [`config`](Self::config), for the directives that write to it.
    pub(super) fn config_ptr(self) -> *mut ServerConfig {
        // SAFETY: the server_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).module_config };
        // SAFETY: module_config is the server's vector, the module record is ours.
        unsafe { ffi::ap_get_module_config(configs, record::module()) }.cast()
    }

    /// The pool that lives as long as the process, through all restarts.
    pub(super) fn process_pool(self) -> *mut ffi::apr_pool_t {
        // SAFETY: the server_rec is valid (from_raw).
        let process = unsafe { (*self.raw).process };
        // SAFETY: httpd's process_rec lives as long as the process.
        unsafe { (*process).pool }
    }

    /// This server and those after it in httpd's list: from the main server on, all of them.
    pub(super) fn and_following(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |server| {
            // SAFETY: the server_rec is valid (from_raw).
            let next = unsafe { (*server.raw).next };
            // SAFETY: httpd's list of servers lives as long as the configuration that all of them belong to.
            (!next.is_null()).then(|| unsafe { Self::from_raw(next) })
        })
    }
}
