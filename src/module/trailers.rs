//! Trailers: headers that come after a request's body, when the request is long under way. httpd keeps them apart
//! (`trailers_in`), or with `MergeTrailers On` adds them to the headers, and a proxy passes them on. Names that a client
//! must not set are removed there too.
//!
//! Whoever reads a body to its end makes httpd read the trailers: the handler, but before that perhaps mod_ssl (a certificate
//! for a directory), mod_lua or mod_security2, some of them below the filters for bodies. So this filter is above httpd's own
//! and below everybody else's, and when the read returns, the headers are right.

use std::ffi::c_int;

use crate::httpd::ffi;
use crate::httpd::filter::Filter;
use crate::httpd::guard::{Site, guard};
use crate::httpd::log::Sink;
use crate::httpd::request::Request;
use crate::module::cookies;
use token_binding_server::headers::is_forbidden_in_trailers;

const FILTER_TYPE: ffi::ap_filter_type = ffi::AP_FTYPE_PROTOCOL;

static FILTER: Filter = Filter::new();

/// Registers the filter with httpd, once per start.
pub(crate) fn register() {
    // SAFETY: httpd copies the name; the function stays mapped (-z nodelete).
    let record = unsafe {
        ffi::ap_register_input_filter(c"TOKEN_BINDING_TRAILERS".as_ptr(), Some(trailers), None, FILTER_TYPE)
    };
    FILTER.registered(record);
}

/// Watches the request's trailers, if it can have any and is not watched yet.
pub(crate) fn watch(request: Request<'_>) {
    if may_have_trailers(request) {
        FILTER.add_above_protocol(request);
    }
}

/// httpd's own HTTP filter reads nothing of a request that has neither of these headers. On an HTTP/2 stream whose body
/// has no announced length, mod_http2 sets the first itself; behind one of a known length there can be trailers too.
fn may_have_trailers(request: Request<'_>) -> bool {
    let has = |name| request.headers().get(name).is_some();
    has(c"Transfer-Encoding") || (request.connection().is_secondary() && has(c"Content-Length"))
}

/// The filter: reads from the one below, then clears what that has read.
unsafe extern "C" fn trailers(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
    mode: ffi::ap_input_mode_t,
    block: ffi::apr_read_type_e,
    bytes: ffi::apr_off_t,
) -> ffi::apr_status_t {
    // SAFETY: httpd calls a filter with its own ap_filter_t; `r` is the request it was added to, or redirected to since.
    let raw = unsafe { (*filter).r };
    // SAFETY: the request is being served, by this thread.
    let request = unsafe { Request::from_raw(raw) };
    guard(Site::TrailerFilter, Sink::Request(request), ffi::APR_EGENERAL_ as c_int, || {
        let headers = request.headers();
        // While httpd reads the lines of the trailers, they are in the headers' place, and come through this filter, too.
        let is_nested = request.trailers() == Some(headers);
        // SAFETY: httpd's own ap_filter_t, as above.
        let next = unsafe { (*filter).next };
        // SAFETY: the filter below is valid as long as this one; the other arguments are httpd's, passed on.
        let status = unsafe { ffi::ap_get_brigade(next, brigade, mode, block, bytes) };
        if is_nested {
            return status;
        }
        let Some(trailers) = request.trailers().filter(|trailers| !trailers.is_empty()) else {
            return status;
        };
        let binds_cookies = cookies::are_bound(request);
        trailers.retain(|name| !is_forbidden_in_trailers(name, binds_cookies));
        if request.headers() != headers {
            // httpd has merged them: what was there before they came, and what is left of them.
            request.set_headers(headers.overlay(trailers, request.pool()));
        }
        status
    })
}
