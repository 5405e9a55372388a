//! Trailers: headers that come after a request's body, when the request is long under way. httpd keeps them apart
//! (`trailers_in`), or with `MergeTrailers On` adds them to the headers, and a proxy passes them on. Names that a client
//! must not set are removed there too.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::ffi;
use super::guard::{Site, guard};
use super::hooks;
use super::log::Sink;
use super::request::Request;

/// Above httpd's own HTTP filter (AP_FTYPE_PROTOCOL), which reads the trailers, and below all that want the body.
const FILTER_TYPE: ffi::ap_filter_type = ffi::AP_FTYPE_PROTOCOL - 1;

static FILTER: AtomicPtr<ffi::ap_filter_rec_t> = AtomicPtr::new(ptr::null_mut());

/// Registers the filter with httpd, once per start.
pub(super) fn register() {
    // SAFETY: httpd copies the name; the function stays mapped (-z nodelete).
    let record = unsafe {
        ffi::ap_register_input_filter(c"TOKEN_BINDING_TRAILERS".as_ptr(), Some(trailers), None, FILTER_TYPE)
    };
    FILTER.store(record, Ordering::Release);
}

/// Watches the request's trailers, if it can have any and is not watched yet.
pub(super) fn watch(request: Request<'_>) {
    let can_have_trailers =
        request.connection().is_secondary() || request.headers().get(c"Transfer-Encoding").is_some();
    let record = FILTER.load(Ordering::Acquire);
    if can_have_trailers && !is_watched(request, record) {
        // SAFETY: the record is what httpd gave us; request and connection are valid (Request).
        unsafe {
            ffi::ap_add_input_filter_handle(
                record,
                ptr::null_mut(),
                request.as_ptr(),
                request.connection().as_ptr(),
            );
        }
    }
}

fn is_watched(request: Request<'_>, record: *mut ffi::ap_filter_rec_t) -> bool {
    // SAFETY: the request_rec is valid (Request).
    let mut filter = unsafe { (*request.as_ptr()).input_filters };
    // SAFETY: a request's filters are a list in its and its connection's pools that ends with NULL.
    while let Some(current) = unsafe { filter.as_ref() } {
        if current.frec == record {
            return true;
        }
        filter = current.next;
    }
    false
}

/// The filter: reads from the one below, then clears what that has read.
unsafe extern "C" fn trailers(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
    mode: ffi::ap_input_mode_t,
    block: ffi::apr_read_type_e,
    bytes: ffi::apr_off_t,
) -> ffi::apr_status_t {
    // SAFETY: httpd calls a filter with its own ap_filter_t; `r` is the request it was added to.
    let raw = unsafe { (*filter).r };
    // SAFETY: the request is being served, by this thread.
    let request = unsafe { Request::from_raw(raw) };
    guard(Site::TrailerFilter, Sink::Request(request), ffi::APR_EGENERAL_ as c_int, || {
        let before = request.headers_identity();
        // SAFETY: httpd's own ap_filter_t, as above.
        let next = unsafe { (*filter).next };
        // SAFETY: the filter below is valid as long as this one; the other arguments are httpd's, passed on.
        let status = unsafe { ffi::ap_get_brigade(next, brigade, mode, block, bytes) };
        if let Some(trailers) = request.trailers().filter(|trailers| !trailers.is_empty()) {
            trailers.take_reserved();
        }
        if request.headers_identity() != before {
            request.headers().take_reserved();
            hooks::restore(request);
        }
        status
    })
}
