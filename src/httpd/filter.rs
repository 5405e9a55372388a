//! httpd's filters: what they have in common, whichever way the data goes.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::httpd::ffi;
use crate::httpd::guard::{Site, guard};
use crate::httpd::log::Sink;
use crate::httpd::request::Request;

/// A filter that is registered with httpd at each start.
pub(crate) struct Filter {
    record: AtomicPtr<ffi::ap_filter_rec_t>,
}

impl Filter {
    pub(crate) const fn new() -> Self {
        Self { record: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Notes what httpd has made of it.
    pub(crate) fn registered(&self, record: *mut ffi::ap_filter_rec_t) {
        self.record.store(record, Ordering::Release);
    }

    /// Adds an input filter of httpd's protocol type to a request, unless it is there: above all others of this type, so that
    /// whoever reads the request's body reads through it, mod_ssl included, which reads from the topmost filter of this type.
    /// httpd itself adds a filter below those of its type; the others are therefore taken out and added again.
    pub(crate) fn add_above_protocol(&self, request: Request<'_>) {
        let record = self.record.load(Ordering::Acquire);
        // SAFETY: the request_rec is valid (Request).
        let mut next = unsafe { (*request.as_ptr()).proto_input_filters };
        if is_in(next, record) {
            return;
        }
        let mut others = Vec::new();
        // SAFETY: a request's filters are a list in its and its connection's pools that ends with NULL.
        while let Some(filter) = unsafe { next.as_ref() } {
            // SAFETY: a filter's record is httpd's, and lives as long as the configuration.
            let kind = unsafe { (*filter.frec).ftype };
            if filter.r != request.as_ptr() || kind != ffi::AP_FTYPE_PROTOCOL {
                break;
            }
            others.push((next, filter.frec, filter.ctx));
            next = filter.next;
        }
        for (filter, ..) in &others {
            // SAFETY: one of the request's own filters.
            unsafe { ffi::ap_remove_input_filter(*filter) };
        }
        let connection = request.connection().as_ptr();
        let again = others.into_iter().map(|(_, record, context)| (record, context));
        for (record, context) in std::iter::once((record, ptr::null_mut())).chain(again) {
            // SAFETY: the record is what httpd gave us, or that of a filter which was there, with that filter's own context;
            // request and connection are valid (Request).
            unsafe { ffi::ap_add_input_filter_handle(record, context, request.as_ptr(), connection) };
        }
    }

    /// Adds an output filter to a request, unless it is there.
    pub(crate) fn add_once(&self, request: Request<'_>) {
        let record = self.record.load(Ordering::Acquire);
        // SAFETY: the request_rec is valid (Request).
        if is_in(unsafe { (*request.as_ptr()).output_filters }, record) {
            return;
        }
        let connection = request.connection().as_ptr();
        // SAFETY: the record is what httpd gave us; request and connection are valid (Request).
        unsafe { ffi::ap_add_output_filter_handle(record, ptr::null_mut(), request.as_ptr(), connection) };
    }
}

/// Drops the response and aborts the connection.
static REFUSING: Filter = Filter::new();

/// Registers it with httpd, once per start.
pub(crate) fn register() {
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
pub(crate) fn refuse(request: Request<'_>) {
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

/// Another module's output filter.
pub(crate) struct Foreign {
    name: &'static CStr,
    record: AtomicPtr<ffi::ap_filter_rec_t>,
}

impl Foreign {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, record: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Looks it up, once per start, when all modules have registered theirs.
    pub(crate) fn find(&self) {
        // SAFETY: the name is a C string; httpd answers with the filter's record, or NULL.
        self.record.store(unsafe { ffi::ap_get_output_filter_handle(self.name.as_ptr()) }, Ordering::Release);
    }

    /// Whether it is among a request's.
    pub(crate) fn is_in(&self, request: Request<'_>) -> bool {
        let record = self.record.load(Ordering::Acquire);
        // SAFETY: the request_rec is valid (Request).
        !record.is_null() && is_in(unsafe { (*request.as_ptr()).output_filters }, record)
    }
}

/// Whether it is in the list that begins here.
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
pub(crate) unsafe fn look_once(
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
