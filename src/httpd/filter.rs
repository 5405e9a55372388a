//! httpd's filters: the module's own, and those of others that it looks for.

use std::ffi::{CStr, c_int};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::ffi;
use super::guard::{Site, guard};
use super::request::Request;

/// Where a filter stands among the others: in a request those of a smaller type come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind(ffi::ap_filter_type);

impl Kind {
    /// Before all filters that make or change a response.
    pub(crate) const BEFORE_RESOURCE: Self = Self(ffi::AP_FTYPE_RESOURCE - 1);
    /// mod_headers' and mod_cache's.
    pub(crate) const CONTENT_SET: Self = Self(ffi::AP_FTYPE_CONTENT_SET);
    /// Just before httpd, or mod_http2, writes the headers.
    pub(crate) const BEFORE_PROTOCOL: Self = Self(ffi::AP_FTYPE_PROTOCOL - 1);
}

/// A filter as httpd knows it: registered at each start.
pub(crate) struct Handle(AtomicPtr<ffi::ap_filter_rec_t>);

impl Handle {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    fn get(&self) -> *mut ffi::ap_filter_rec_t {
        self.0.load(Ordering::Acquire)
    }
}

/// An output filter that looks at a response once, before its first bytes go on.
pub(crate) trait OutputFilter {
    const NAME: &'static CStr;
    const KIND: Kind;
    const SITE: Site;

    fn handle() -> &'static Handle;

    /// Whether the response may go on. If not, or after a panic, nothing of it is sent.
    fn look(request: Request<'_>) -> bool;

    /// Adds it to a request, unless it is there.
    fn add_once(request: Request<'_>) {
        add_once(Self::handle(), request);
    }
}

/// A filter for the request's body, above all others of httpd's protocol type.
pub(crate) trait InputFilter {
    const NAME: &'static CStr;
    const SITE: Site;

    fn handle() -> &'static Handle;

    /// Calls `read`, which reads from the filter below, and returns what that has returned.
    fn around<T>(request: Request<'_>, read: impl FnOnce() -> T) -> T;

    /// Adds it to a request, unless it is there.
    fn add_once(request: Request<'_>) {
        add_above_protocol(Self::handle(), request);
    }
}

pub(super) fn register_output<F: OutputFilter>() {
    register(F::NAME, F::KIND, Some(look_once::<F>), F::handle());
}

pub(super) fn register_input<F: InputFilter>() {
    // SAFETY: httpd copies the name; the function stays mapped (-z nodelete).
    let record = unsafe {
        ffi::ap_register_input_filter(F::NAME.as_ptr(), Some(read_through::<F>), None, ffi::AP_FTYPE_PROTOCOL)
    };
    F::handle().0.store(record, Ordering::Release);
}

fn register(name: &CStr, kind: Kind, function: ffi::ap_out_filter_func, handle: &Handle) {
    // SAFETY: httpd copies the name; the function stays mapped (-z nodelete).
    let record = unsafe { ffi::ap_register_output_filter(name.as_ptr(), function, None, kind.0) };
    handle.0.store(record, Ordering::Release);
}

fn add_once(handle: &Handle, request: Request<'_>) {
    let record = handle.get();
    // SAFETY: the request_rec is valid (Request).
    if is_in(unsafe { (*request.as_ptr()).output_filters }, record) {
        return;
    }
    let connection = request.connection().as_ptr();
    // SAFETY: the record is what httpd gave us; request and connection are valid (Request).
    unsafe { ffi::ap_add_output_filter_handle(record, ptr::null_mut(), request.as_ptr(), connection) };
}

/// Adds an input filter above all others of httpd's protocol type, unless it is there: whoever reads the request's body reads
/// through it, mod_ssl included, which reads from the topmost filter of this type. httpd itself adds a filter below those of
/// its type; the others are therefore taken out and added again.
fn add_above_protocol(handle: &Handle, request: Request<'_>) {
    let record = handle.get();
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

/// Drops the response and aborts the connection.
static REFUSING: Handle = Handle::new();

/// Registers the filter of [`guard_response`], once per start.
pub(super) fn register_refusing() {
    register(c"TOKEN_BINDING_REFUSED", Kind(ffi::AP_FTYPE_RESOURCE), Some(refuse_all), &REFUSING);
}

/// As [`guard`], where C has no answer that refuses: after a panic, nothing is sent in answer to the request.
pub(super) fn guard_response<T>(
    site: Site,
    request: Request<'_>,
    on_fault: T,
    body: impl FnOnce() -> T,
) -> T {
    let done = guard(site, request.sink(), None, || Some(body()));
    done.unwrap_or_else(|| {
        add_once(&REFUSING, request);
        on_fault
    })
}

/// The request that a filter was added to, or that it was redirected to since.
///
/// # Safety
/// `filter` must be what httpd calls a filter with.
unsafe fn request_of<'r>(filter: *mut ffi::ap_filter_t) -> Request<'r> {
    // SAFETY: the caller's promise.
    let raw = unsafe { (*filter).r };
    // SAFETY: the request is being served, by this thread.
    unsafe { Request::from_raw(raw) }
}

unsafe extern "C" fn refuse_all(
    filter: *mut ffi::ap_filter_t,
    _brigade: *mut ffi::apr_bucket_brigade,
) -> ffi::apr_status_t {
    // SAFETY: httpd calls a filter with its own ap_filter_t.
    unsafe { request_of(filter) }.connection().abort();
    ffi::APR_EGENERAL_ as c_int
}

unsafe extern "C" fn look_once<F: OutputFilter>(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
) -> ffi::apr_status_t {
    // SAFETY: httpd calls a filter with its own ap_filter_t.
    let request = unsafe { request_of(filter) };
    if !guard(F::SITE, request.sink(), false, || F::look(request)) {
        // The filter stays, so that nothing is sent of a response that was not looked at to the end.
        request.connection().abort();
        return ffi::APR_EGENERAL_ as c_int;
    }
    // SAFETY: httpd's own ap_filter_t.
    let next = unsafe { (*filter).next };
    // SAFETY: httpd's own ap_filter_t; a filter may remove itself while it runs.
    unsafe { ffi::ap_remove_output_filter(filter) };
    // SAFETY: the filter behind is valid as long as the request; the brigade is httpd's, passed on.
    unsafe { ffi::ap_pass_brigade(next, brigade) }
}

unsafe extern "C" fn read_through<F: InputFilter>(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
    mode: ffi::ap_input_mode_t,
    block: ffi::apr_read_type_e,
    bytes: ffi::apr_off_t,
) -> ffi::apr_status_t {
    // SAFETY: httpd calls a filter with its own ap_filter_t.
    let request = unsafe { request_of(filter) };
    guard(F::SITE, request.sink(), ffi::APR_EGENERAL_ as c_int, || {
        F::around(request, || {
            // SAFETY: httpd's own ap_filter_t.
            let next = unsafe { (*filter).next };
            // SAFETY: the filter below is valid as long as this one; the other arguments are httpd's, passed on.
            unsafe { ffi::ap_get_brigade(next, brigade, mode, block, bytes) }
        })
    })
}

/// Another module's output filter.
pub(crate) struct Foreign {
    name: &'static CStr,
    handle: Handle,
}

impl Foreign {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, handle: Handle::new() }
    }

    /// Looks it up, once per start, when all modules have registered theirs.
    pub(crate) fn find(&self) {
        // SAFETY: the name is a C string; httpd answers with the filter's record, or NULL.
        let record = unsafe { ffi::ap_get_output_filter_handle(self.name.as_ptr()) };
        self.handle.0.store(record, Ordering::Release);
    }

    /// Whether it is among a request's.
    pub(crate) fn is_in(&self, request: Request<'_>) -> bool {
        let record = self.handle.get();
        // SAFETY: the request_rec is valid (Request).
        !record.is_null() && is_in(unsafe { (*request.as_ptr()).output_filters }, record)
    }
}

/// Whether a filter is in the list that begins here.
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
