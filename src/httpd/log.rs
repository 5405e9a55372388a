//! httpd's error log, under the module's own `LogLevel token_binding:...`.

use std::ffi::{CString, c_int};
use std::fmt;

use crate::httpd::connection::Connection;
use crate::httpd::ffi;
use crate::httpd::request::Request;
use crate::httpd::server::Server;
use token_binding_server::outcome::Level;

/// What a line is about: httpd adds the client's address and the request's id from it.
#[derive(Clone, Copy)]
pub(crate) enum Sink<'a> {
    /// The main server, at start-up.
    Server(Server<'a>),
    Connection(Connection<'a>),
    Request(Request<'a>),
    /// Nothing known: the process.
    Process,
}

/// Writes one line, if the level is on. Formats only then.
pub(crate) fn log(sink: Sink<'_>, level: Level, line: fmt::Arguments<'_>) {
    let number = number(level);
    let is_on = match sink {
        // SAFETY: a Request holds a request_rec that is valid as long as the Request is.
        Sink::Request(request) => unsafe { ffi::tb_request_logs(request.as_ptr(), number) != 0 },
        // SAFETY: a Connection holds a conn_rec that is valid as long as the Connection is.
        Sink::Connection(connection) => unsafe { ffi::tb_connection_logs(connection.as_ptr(), number) != 0 },
        // At start-up: what is said then is said at a level that is on.
        Sink::Server(_) | Sink::Process => true,
    };
    if !is_on {
        return;
    }
    // A line of ours has no NUL; should one ever have, the line is cut there rather than lost.
    let mut bytes = fmt::format(line).into_bytes();
    bytes.retain(|byte| *byte != 0);
    let Ok(text) = CString::new(bytes) else { return };
    match sink {
        // SAFETY: a Request holds a valid request_rec; httpd copies the text.
        Sink::Request(request) => unsafe { ffi::tb_log_request(request.as_ptr(), number, text.as_ptr()) },
        // SAFETY: a Connection holds a valid conn_rec; httpd copies the text.
        Sink::Connection(connection) => unsafe {
            ffi::tb_log_connection(connection.as_ptr(), number, text.as_ptr());
        },
        // SAFETY: a Server holds a valid server_rec; httpd copies the text.
        Sink::Server(server) => unsafe { ffi::tb_log_server(server.as_ptr(), number, text.as_ptr()) },
        // SAFETY: httpd logs a line without a server to the main error log; it copies the text.
        Sink::Process => unsafe { ffi::tb_log_server(std::ptr::null(), number, text.as_ptr()) },
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
