//! A request.

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;

use super::connection::Connection;
use super::ffi;
use super::log::Sink;
use super::pool::Pool;
use super::server::Server;
use super::slot::{self, OfDirectory, OfRequest};
use super::table::Table;

/// A `request_rec` that lives at least as long as `'r`, used by one thread.
#[derive(Clone, Copy)]
pub(crate) struct Request<'r> {
    raw: *mut ffi::request_rec,
    lifetime: PhantomData<&'r ()>,
}

impl<'r> Request<'r> {
    /// # Safety
    /// `raw` must be a `request_rec` that is valid during `'r`, on the thread that serves it.
    pub(super) unsafe fn from_raw(raw: *mut ffi::request_rec) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut ffi::request_rec {
        self.raw
    }

    pub(crate) fn sink(self) -> Sink<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        unsafe { Sink::of_request(self.raw) }
    }

    pub(crate) fn pool(self) -> Pool<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let pool = unsafe { (*self.raw).pool };
        // SAFETY: a request's pool lives as long as the request and is used by the thread that serves it.
        unsafe { Pool::from_raw(pool) }
    }

    pub(crate) fn connection(self) -> Connection<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let connection = unsafe { (*self.raw).connection };
        // SAFETY: a request's connection outlives it.
        unsafe { Connection::from_raw(connection) }
    }

    /// The virtual host that it is for.
    pub(crate) fn server(self) -> Server<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let server = unsafe { (*self.raw).server };
        // SAFETY: a request's virtual host outlives it.
        unsafe { Server::from_raw(server) }
    }

    /// What the module keeps with the directory that the request is for: its settings, known from httpd's header_parser
    /// hook on.
    pub(crate) fn kept_by_directory(self) -> Option<&'r OfDirectory> {
        // SAFETY: the request_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).per_dir_config };
        // SAFETY: per_dir_config is the request's vector.
        let config = unsafe { slot::get::<OfDirectory>(configs) };
        // SAFETY: what the slot holds outlives the request, and is not changed once httpd has made it.
        unsafe { config.as_ref() }
    }

    /// What the module keeps with this very request.
    pub(crate) fn kept(self) -> Option<&'r OfRequest> {
        // SAFETY: the request_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).request_config };
        // SAFETY: request_config is the request's vector.
        let kept = unsafe { slot::get::<OfRequest>(configs) };
        // SAFETY: what is kept with a request lives as long, and nobody changes it.
        unsafe { kept.as_ref() }
    }

    /// Keeps something with this very request.
    pub(crate) fn keep(self, value: OfRequest) -> &'r OfRequest {
        let kept = self.pool().place(value);
        // SAFETY: the request_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).request_config };
        // SAFETY: request_config is the request's vector; the value lives in the request's pool, as long as the vector.
        unsafe { slot::set(configs, kept) };
        kept
    }

    /// The request that this one continues: the one it was redirected from internally, or is a part of.
    pub(crate) fn origin(self) -> Option<Self> {
        // SAFETY: the request_rec is valid (from_raw).
        let request = unsafe { &*self.raw };
        let origin = if request.prev.is_null() { request.main } else { request.prev };
        // SAFETY: httpd keeps the request that another one continues until both are done.
        (!origin.is_null()).then(|| unsafe { Self::from_raw(origin) })
    }

    /// Whether it is a part of another request (SSI's `include`, a look-up)? Then it has no response of its own.
    pub(crate) fn is_sub_request(self) -> bool {
        // SAFETY: the request_rec is valid (from_raw).
        !unsafe { (*self.raw).main }.is_null()
    }

    /// The request that this one is a part of, directly or through others; or itself.
    pub(crate) fn whole(self) -> Self {
        // SAFETY: the request_rec is valid (from_raw).
        let main = unsafe { (*self.raw).main };
        // SAFETY: httpd keeps the request that another one is a part of until both are done.
        if main.is_null() { self } else { unsafe { Self::from_raw(main) }.whole() }
    }

    pub(crate) fn headers(self) -> Table<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).headers_in };
        // SAFETY: a request's tables live in its pool.
        unsafe { Table::from_raw(table) }
    }

    /// What modules leave for one another, and for error documents.
    pub(crate) fn notes(self) -> Table<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).notes };
        // SAFETY: a request's tables live in its pool.
        unsafe { Table::from_raw(table) }
    }

    /// The response's headers, and those that it also has when an error document takes its place.
    pub(crate) fn response_headers(self) -> [Table<'r>; 2] {
        // SAFETY: the request_rec is valid (from_raw).
        let request = unsafe { &*self.raw };
        // SAFETY: a request's tables live in its pool.
        [request.headers_out, request.err_headers_out].map(|table| unsafe { Table::from_raw(table) })
    }

    /// The response's status code.
    pub(crate) fn status(self) -> u16 {
        // SAFETY: the request_rec is valid (from_raw).
        u16::try_from(unsafe { (*self.raw).status }).unwrap_or(0)
    }

    /// Puts another table in the place of the request's headers.
    pub(crate) fn set_headers(self, headers: Table<'r>) {
        // SAFETY: the request_rec is valid (from_raw), and the table lives as long.
        unsafe { (*self.raw).headers_in = headers.as_ptr() };
    }

    /// Whether the answer shows the request as it has arrived (RFC 9110 s9.3.8).
    pub(crate) fn is_trace(self) -> bool {
        // SAFETY: the request_rec is valid (from_raw).
        unsafe { (*self.raw).method_number == ffi::M_TRACE as c_int }
    }

    pub(crate) fn is_post(self) -> bool {
        // SAFETY: the request_rec is valid (from_raw).
        unsafe { (*self.raw).method_number == ffi::M_POST as c_int }
    }

    /// Whether it asks a forward proxy for another server's resource.
    pub(crate) fn is_for_another_server(self) -> bool {
        // SAFETY: the request_rec is valid (from_raw).
        unsafe { (*self.raw).proxyreq != 0 }
    }

    /// Whether it says for which host it is, so that httpd could take it for one.
    pub(crate) fn has_host(self) -> bool {
        // SAFETY: the request_rec is valid (from_raw).
        unsafe { !(*self.raw).hostname.is_null() }
    }

    /// The path, as the client has sent it.
    pub(crate) fn path(self) -> &'r [u8] {
        // SAFETY: the request_rec is valid (from_raw).
        let path = unsafe { (*self.raw).uri };
        // SAFETY: a C string in the request's pool.
        if path.is_null() { b"" } else { unsafe { CStr::from_ptr(path) }.to_bytes() }
    }

    pub(crate) fn trailers(self) -> Option<Table<'r>> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).trailers_in };
        // SAFETY: a request's tables live in its pool.
        (!table.is_null()).then(|| unsafe { Table::from_raw(table) })
    }

    pub(crate) fn environment(self) -> Table<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).subprocess_env };
        // SAFETY: a request's tables live in its pool.
        unsafe { Table::from_raw(table) }
    }

    /// A variable of mod_http2's.
    pub(crate) fn http2_variable(self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: the request_rec is valid (from_raw); mod_http2 only reads the name.
        let value = unsafe { ffi::tb_http2_variable(self.raw, name.as_ptr()) };
        // SAFETY: mod_http2 answers with NULL, or a C string that is static or in the request's pool.
        (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) })
    }

    /// Answers it: the headers are set, and this is the rest.
    pub(crate) fn respond(self, status: u16, content_type: &'static CStr, body: &str) {
        // SAFETY: the request_rec is valid (from_raw). What it brings along is read and dropped, or the next request of the
        // connection would begin with it; if that fails, httpd ends the connection.
        unsafe { ffi::ap_discard_request_body(self.raw) };
        // SAFETY: as above.
        unsafe { (*self.raw).status = status.into() };
        if !body.is_empty() {
            // SAFETY: as above; the text is static.
            unsafe { ffi::ap_set_content_type(self.raw, content_type.as_ptr()) };
        }
        self.write(body);
    }

    /// Writes to the response's body. Whether the client is still there, httpd finds out when it sends it.
    pub(crate) fn write(self, text: &str) {
        let length = c_int::try_from(text.len()).unwrap_or(0);
        // SAFETY: the request_rec is valid (from_raw); httpd copies `length` bytes of the text.
        unsafe { ffi::ap_rwrite(text.as_ptr().cast(), length, self.raw) };
    }
}
