//! httpd's filters: what they have in common, whichever way the data goes.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::ffi;
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
