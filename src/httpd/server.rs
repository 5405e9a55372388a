//! A server or virtual host, and its settings.

use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;

use crate::httpd::ffi;
use crate::httpd::pool::Pool;
use crate::httpd::slot;
use token_binding_server::config::ServerConfig;

/// A `server_rec` (server or virtual host) that lives at least as long as `'s`.
#[derive(Clone, Copy)]
pub(crate) struct Server<'s> {
    raw: *mut ffi::server_rec,
    lifetime: PhantomData<&'s ()>,
}

impl<'s> Server<'s> {
    /// # Safety
    /// `raw` must be a `server_rec` that is valid during `'s`.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::server_rec) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut ffi::server_rec {
        self.raw
    }

    /// Its settings; `None` only after a fault when they were made.
    pub(crate) fn config(self) -> Option<&'s ServerConfig> {
        // SAFETY: our slot holds what `create_server_config` or the merge made, which lives as long as the server.
        unsafe { self.config_ptr().as_ref() }
    }

    /// The settings that belong to this virtual host alone. httpd has those that say nothing of their own share the main
    /// server's; such a one gets a copy.
    pub(crate) fn own_config(self, main: Server<'_>, pool: Pool<'_>) -> *mut ServerConfig {
        let config = self.config_ptr();
        // SAFETY: our slot holds what `create_server_config` or the merge made, which lives as long as the server.
        let Some(shared) = (unsafe { config.as_ref() }) else { return config };
        if self.raw == main.raw || config != main.config_ptr() {
            return config;
        }
        let own = ptr::from_mut(pool.place(shared.clone()));
        // SAFETY: the server_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).module_config };
        // SAFETY: module_config is the server's own vector; the pool is the configuration's, and
        // lives as long as the vector.
        unsafe { slot::set(configs, own) };
        own
    }

    /// Where it was written: file and line.
    pub(crate) fn place(self) -> String {
        // SAFETY: the server_rec is valid (from_raw).
        let server = unsafe { &*self.raw };
        let (file, line) = (server.defn_name, server.defn_line_number);
        if file.is_null() {
            return "the main server".to_owned();
        }
        // SAFETY: a C string that lives as long as the configuration.
        format!("{}:{line}", unsafe { CStr::from_ptr(file) }.to_string_lossy())
    }

    /// The address and port that it was written for.
    pub(crate) fn address(self) -> Option<(&'s [u8], u16)> {
        // SAFETY: the server_rec is valid (from_raw).
        let address = unsafe { (*self.raw).addrs };
        // SAFETY: httpd's own list of the addresses of a virtual host; the main server has none.
        let address = unsafe { address.as_ref() }?;
        // SAFETY: a C string that lives as long as the configuration.
        Some((unsafe { CStr::from_ptr(address.virthost) }.to_bytes(), address.host_port))
    }

    /// Its `ServerName`, without a port, or what httpd takes for it.
    pub(crate) fn name(self) -> &'s [u8] {
        // SAFETY: the server_rec is valid (from_raw).
        let name = unsafe { (*self.raw).server_hostname };
        if name.is_null() {
            return b"";
        }
        // SAFETY: a C string that lives as long as the configuration.
        unsafe { CStr::from_ptr(name) }.to_bytes()
    }

    /// As [`config`](Self::config), for the directives that write to it.
    pub(crate) fn config_ptr(self) -> *mut ServerConfig {
        // SAFETY: the server_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).module_config };
        // SAFETY: module_config is the server's vector.
        unsafe { slot::get(configs) }
    }

    /// The pool that lives as long as the process, through all restarts.
    pub(crate) fn process_pool(self) -> *mut ffi::apr_pool_t {
        // SAFETY: the server_rec is valid (from_raw).
        let process = unsafe { (*self.raw).process };
        // SAFETY: httpd's process_rec lives as long as the process.
        unsafe { (*process).pool }
    }

    /// This server and those after it in httpd's list: from the main server on, all of them.
    pub(crate) fn and_following(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |server| {
            // SAFETY: the server_rec is valid (from_raw).
            let next = unsafe { (*server.raw).next };
            // SAFETY: httpd's list of servers lives as long as the configuration that all of them belong to.
            (!next.is_null()).then(|| unsafe { Self::from_raw(next) })
        })
    }
}
