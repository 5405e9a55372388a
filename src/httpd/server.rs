//! A server or virtual host, and httpd itself.

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;

use super::ffi;
use super::log::Sink;
use super::pool::Pool;
use super::slot::{self, OfServer};

/// A `server_rec` (server or virtual host) that lives at least as long as `'s`.
#[derive(Clone, Copy)]
pub(crate) struct Server<'s> {
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

    pub(crate) fn sink(self) -> Sink<'s> {
        // SAFETY: the server_rec is valid (from_raw).
        unsafe { Sink::of_server(self.raw) }
    }

    /// What the module keeps with it: its settings. httpd has virtual hosts that say nothing of their own share the main
    /// server's.
    pub(crate) fn kept(self) -> Option<&'s OfServer> {
        // SAFETY: what the slot holds lives as long as the server, and is not changed once it stands there but for directives
        // that httpd reads, when nobody else looks.
        unsafe { self.kept_ptr().as_ref() }
    }

    /// Puts another value in the place of what is kept with this virtual host. The one before lives on, for it may be shared.
    pub(crate) fn keep(self, value: OfServer) {
        // SAFETY: the server_rec is valid (from_raw).
        let server = unsafe { &*self.raw };
        // SAFETY: httpd's process_rec lives as long as the process.
        let pool = unsafe { (*server.process).pconf };
        // SAFETY: httpd's pool for the configuration, which is set up by one thread.
        let pool = unsafe { Pool::from_raw(pool) };
        // SAFETY: module_config is the server's own vector, which lives in `pconf` too.
        unsafe { slot::set(server.module_config, pool.place(value)) };
    }

    /// As [`kept`](Self::kept), for the directives that write to it.
    pub(super) fn kept_ptr(self) -> *mut OfServer {
        // SAFETY: the server_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).module_config };
        // SAFETY: module_config is the server's vector.
        unsafe { slot::get(configs) }
    }

    /// Tells it from the other virtual hosts of a configuration.
    pub(crate) fn identity(self) -> usize {
        self.raw.addr()
    }

    /// Whether its clients come over TLS by what `ServerName https://...` says, whoever ends it.
    pub(crate) fn is_https_by_name(self) -> bool {
        // SAFETY: the server_rec is valid (from_raw).
        let scheme = unsafe { (*self.raw).server_scheme };
        // SAFETY: NULL, or a C string that lives as long as the configuration.
        !scheme.is_null() && unsafe { CStr::from_ptr(scheme) } == c"https"
    }

    /// For administrators: its name, and the file and line where it begins.
    pub(crate) fn place(self) -> String {
        // SAFETY: the server_rec is valid (from_raw).
        let server = unsafe { &*self.raw };
        let (file, line) = (server.defn_name, server.defn_line_number);
        if file.is_null() {
            return "the main server".to_owned();
        }
        // SAFETY: a C string that lives as long as the configuration.
        let file = unsafe { CStr::from_ptr(file) }.to_string_lossy();
        format!("{}, {file}:{line}", self.name().escape_ascii())
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

    /// The names that browsers know it by, without wildcards, each with its port unless that is 443.
    pub(crate) fn authorities(self) -> Vec<String> {
        // SAFETY: the server_rec is valid (from_raw).
        let server = unsafe { &*self.raw };
        let port = match server.port {
            0 => self.address().map_or(443, |(_, port)| port),
            port => port,
        };
        let mut names = vec![self.name()];
        // SAFETY: null, or httpd's list of the aliases, of which none is NULL.
        if let Some(aliases) = unsafe { server.names.as_ref() } {
            let count = usize::try_from(aliases.nelts).unwrap_or(0);
            // SAFETY: httpd's list has `nelts` C strings, and lives as long as the configuration.
            let aliases = unsafe { std::slice::from_raw_parts(aliases.elts.cast::<*const c_char>(), count) };
            // SAFETY: as above.
            names.extend(aliases.iter().map(|alias| unsafe { CStr::from_ptr(*alias) }.to_bytes()));
        }
        let text = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
        let with_port = |name| if matches!(port, 80 | 443) { name } else { format!("{name}:{port}") };
        names.into_iter().map(text).map(with_port).collect()
    }

    /// The pool that lives as long as the process, through all restarts.
    pub(super) fn process_pool(self) -> *mut ffi::apr_pool_t {
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

/// `ServerRoot`.
pub(crate) fn root() -> Option<&'static CStr> {
    // SAFETY: httpd sets it before it reads the configuration, and does not change it after.
    let root = unsafe { ffi::ap_server_root };
    // SAFETY: a C string in the process's pool.
    (!root.is_null()).then(|| unsafe { CStr::from_ptr(root) })
}

/// Whether httpd reads its configuration for the first of the two times that it does when it starts.
pub(crate) fn is_first_pass() -> bool {
    // SAFETY: a question to httpd about itself.
    let state = unsafe { ffi::ap_state_query(ffi::AP_SQ_MAIN_STATE as c_int) };
    state == ffi::AP_SQ_MS_CREATE_PRE_CONFIG as c_int
}

/// Whether a module, by its name as `<IfModule>` takes it, is loaded.
pub(crate) fn has_module(name: &CStr) -> bool {
    // SAFETY: the name is a C string.
    !unsafe { ffi::ap_find_linked_module(name.as_ptr()) }.is_null()
}
