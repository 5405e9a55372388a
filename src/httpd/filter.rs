//! httpd's filters: what they have in common, whichever way the data goes.

use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::ffi;
use super::guard::{Site, guard};
use super::log::Sink;
use super::request::Request;

/// A filter that is registered with httpd at each start.
pub(super) struct Filter {
    direction: Direction,
    record: AtomicPtr<ffi::ap_filter_rec_t>,
}

enum Direction {
    /// What the client sends.
    Input,
    /// What the server sends.
    Output,
}

impl Filter {
    pub(super) const fn input() -> Self {
        Self { direction: Direction::Input, record: AtomicPtr::new(ptr::null_mut()) }
    }

    pub(super) const fn output() -> Self {
        Self { direction: Direction::Output, record: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Notes what httpd has made of it.
    pub(super) fn registered(&self, record: *mut ffi::ap_filter_rec_t) {
        self.record.store(record, Ordering::Release);
    }

    /// Adds it to a request, unless it is there.
    pub(super) fn add_once(&self, request: Request<'_>) {
        // SAFETY: the request_rec is valid (Request).
        let filters = unsafe { &*request.as_ptr() };
        let (first, add): (_, AddFilter) = match self.direction {
            Direction::Input => (filters.input_filters, ffi::ap_add_input_filter_handle),
            Direction::Output => (filters.output_filters, ffi::ap_add_output_filter_handle),
        };
        let record = self.record.load(Ordering::Acquire);
        if is_in(first, record) {
            return;
        }
        let connection = request.connection().as_ptr();
        // SAFETY: the record is what httpd gave us; request and connection are valid (Request).
        unsafe { add(record, ptr::null_mut(), request.as_ptr(), connection) };
    }
}

/// An output filter of its own: nothing goes through.
static REFUSING: Filter = Filter::output();

/// Registers it with httpd, once per start.
pub(super) fn register() {
    // SAFETY: httpd copies the name; the function stays mapped (-z nodelete).
    let record = unsafe {
        ffi::ap_register_output_filter(
            c"TOKEN_BINDING_REFUSED".as_ptr(),
            Some(refuse_all),
            None,
            ffi::AP_FTYPE_RESOURCE,
        )
    };
    REFUSING.registered(record);
}

/// Has nothing sent in answer to this request.
pub(super) fn refuse(request: Request<'_>) {
    REFUSING.add_once(request);
}

unsafe extern "C" fn refuse_all(
    filter: *mut ffi::ap_filter_t,
    _brigade: *mut ffi::apr_bucket_brigade,
) -> ffi::apr_status_t {
    // SAFETY: httpd calls a filter with its own ap_filter_t; `r` is the request that it was added to.
    let raw = unsafe { (*filter).r };
    // SAFETY: the request is being served, by this thread.
    unsafe { Request::from_raw(raw) }.connection().abort();
    ffi::APR_EGENERAL_ as c_int
}

type AddFilter = unsafe extern "C" fn(
    *mut ffi::ap_filter_rec_t,
    *mut std::ffi::c_void,
    *mut ffi::request_rec,
    *mut ffi::conn_rec,
) -> *mut ffi::ap_filter_t;

/// Is it in the list that begins here?
fn is_in(mut filter: *mut ffi::ap_filter_t, record: *mut ffi::ap_filter_rec_t) -> bool {
    // SAFETY: a request's filters are a list in its and its connection's pools that ends with NULL.
    while let Some(current) = unsafe { filter.as_ref() } {
        if current.frec == record {
            return true;
        }
        filter = current.next;
    }
    false
}

/// The body of an output filter that looks at a response once, when its headers are final and not yet sent. `look` says
/// whether the response may go on; if not, or after a panic, nothing of it is sent.
///
/// # Safety
/// `filter` and `brigade` must be what httpd calls an output filter with.
pub(super) unsafe fn look_once(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
    site: Site,
    look: impl FnOnce(Request<'_>) -> bool,
) -> ffi::apr_status_t {
    // SAFETY: the caller's promise; `r` is the request that the filter was added to.
    let raw = unsafe { (*filter).r };
    // SAFETY: the request is being served, by this thread.
    let request = unsafe { Request::from_raw(raw) };
    if !guard(site, Sink::Request(request), false, || look(request)) {
        // The filter stays, so that nothing is sent of a response that was not looked at to the end.
        request.connection().abort();
        return ffi::APR_EGENERAL_ as c_int;
    }
    // SAFETY: httpd's own ap_filter_t, as above.
    let next = unsafe { (*filter).next };
    // SAFETY: as above; a filter may remove itself while it runs.
    unsafe { ffi::ap_remove_output_filter(filter) };
    // SAFETY: the filter behind is valid as long as the request; the brigade is httpd's, passed on.
    unsafe { ffi::ap_pass_brigade(next, brigade) }
}
