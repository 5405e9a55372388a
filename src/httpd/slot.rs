//! The module's slot in httpd's configuration vectors: of servers, directories, connections and requests.

use std::ffi::c_void;

use crate::httpd::ffi;
use crate::httpd::record;

/// What the module keeps in a vector.
///
/// # Safety
/// `vector` must be one of httpd's configuration vectors.
pub(crate) unsafe fn get<T>(vector: *mut ffi::ap_conf_vector_t) -> *mut T {
    // SAFETY: the caller's promise; each vector has a place for each module.
    unsafe { *place(vector) }.cast()
}

/// Keeps something in a vector.
///
/// # Safety
/// As for [`get`]; and `value` must live as long as the vector.
pub(crate) unsafe fn set<T>(vector: *mut ffi::ap_conf_vector_t, value: *mut T) {
    // SAFETY: the caller's promise; each vector has a place for each module.
    unsafe { *place(vector) = value.cast() };
}

/// As httpd's macros `ap_get_module_config` and `ap_set_module_config` find it. The functions of the same names do no more, but
/// have to be called, several times a request.
fn place(vector: *mut ffi::ap_conf_vector_t) -> *mut *mut c_void {
    // SAFETY: httpd writes to the record at start-up only, before there is any vector.
    let index = unsafe { (*record::module()).module_index };
    vector.cast::<*mut c_void>().wrapping_offset(index as isize)
}
