//! httpd's error log, under the module's own `LogLevel token_binding:...`.

use std::ffi::{CStr, CString, c_int};
use std::fmt;
use std::marker::PhantomData;

use super::ffi;

/// How loud a line of the error log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

/// What a line is about: httpd adds the client's address and the request's id from it.
#[derive(Clone, Copy)]
pub(crate) struct Sink<'a> {
    target: Target,
    lifetime: PhantomData<&'a ()>,
}

#[derive(Clone, Copy)]
enum Target {
    Server(*const ffi::server_rec),
    Connection(*const ffi::conn_rec),
    Request(*const ffi::request_rec),
    Process,
}

impl Sink<'_> {
    /// Nothing known: the process.
    pub(crate) const PROCESS: Sink<'static> = Sink { target: Target::Process, lifetime: PhantomData };

    /// The server or virtual host, at start-up.
    ///
    /// # Safety
    /// `raw` must be a `server_rec` that is valid during `'_`.
    pub(super) unsafe fn of_server(raw: *const ffi::server_rec) -> Self {
        Self { target: Target::Server(raw), lifetime: PhantomData }
    }

    /// # Safety
    /// `raw` must be a `conn_rec` that is valid during `'_`.
    pub(super) unsafe fn of_connection(raw: *const ffi::conn_rec) -> Self {
        Self { target: Target::Connection(raw), lifetime: PhantomData }
    }

    /// # Safety
    /// `raw` must be a `request_rec` that is valid during `'_`.
    pub(super) unsafe fn of_request(raw: *const ffi::request_rec) -> Self {
        Self { target: Target::Request(raw), lifetime: PhantomData }
    }

    /// The request's headers, if it is about a request.
    #[cfg(feature = "fault-injection")]
    pub(super) fn request_header(&self, name: &CStr) -> Option<Option<CString>> {
        let Target::Request(request) = self.target else { return None };
        // SAFETY: the request_rec is valid (of_request).
        let headers = unsafe { (*request).headers_in };
        // SAFETY: a request's tables live as long as the request.
        let value = unsafe { ffi::apr_table_get(headers, name.as_ptr()) };
        // SAFETY: a table's values are C strings.
        Some((!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_owned()))
    }
}

/// Whether lines of this level are written.
pub(crate) fn is_on(sink: Sink<'_>, level: Level) -> bool {
    let number = number(level);
    match sink.target {
        // SAFETY: the request_rec is valid (of_request).
        Target::Request(request) => unsafe { ffi::tb_request_logs(request, number) != 0 },
        // SAFETY: the conn_rec is valid (of_connection).
        Target::Connection(connection) => unsafe { ffi::tb_connection_logs(connection, number) != 0 },
        // At start-up: what is said then is said at a level that is on.
        Target::Server(_) | Target::Process => true,
    }
}

/// Writes one line, if the level is on. Formats only then.
pub(crate) fn log(sink: Sink<'_>, level: Level, line: fmt::Arguments<'_>) {
    if !is_on(sink, level) {
        return;
    }
    let number = number(level);
    // A line of ours has no NUL; should one ever have, it is left out rather than the line lost.
    let mut bytes = fmt::format(line).into_bytes();
    bytes.retain(|byte| *byte != 0);
    let Ok(text) = CString::new(bytes) else { return };
    let text: &CStr = &text;
    match sink.target {
        // SAFETY: the request_rec is valid (of_request); httpd copies the text.
        Target::Request(request) => unsafe { ffi::tb_log_request(request, number, text.as_ptr()) },
        // SAFETY: the conn_rec is valid (of_connection); httpd copies the text.
        Target::Connection(connection) => unsafe {
            ffi::tb_log_connection(connection, number, text.as_ptr());
        },
        // SAFETY: the server_rec is valid (of_server); httpd copies the text.
        Target::Server(server) => unsafe { ffi::tb_log_server(server, number, text.as_ptr()) },
        // SAFETY: httpd logs a line without a server to the main error log; it copies the text.
        Target::Process => unsafe { ffi::tb_log_server(std::ptr::null(), number, text.as_ptr()) },
    }
}

fn number(level: Level) -> c_int {
    let number = match level {
        Level::Error => ffi::APLOG_ERR,
        Level::Warning => ffi::APLOG_WARNING,
        Level::Notice => ffi::APLOG_NOTICE,
        Level::Info => ffi::APLOG_INFO,
        Level::Debug => ffi::APLOG_DEBUG,
    };
    number as c_int
}
