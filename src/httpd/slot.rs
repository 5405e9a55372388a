//! The module's slot in httpd's configuration vectors: of servers, directories, connections and requests.

use std::ffi::c_void;

use super::ffi;

/// The module that this code is compiled into. There is one, so [`Slots`] can be implemented for it once, and each kind of
/// vector holds values of one type.
pub(crate) enum This {}

/// What the module keeps in its slots.
pub(crate) trait Slots {
    /// The settings of a server or virtual host.
    type OfServer: Default + 'static;
    /// The settings of a directory.
    type OfDirectory: Default + 'static;
    /// What is kept with a connection. Threads of HTTP/2 read it too.
    type OfConnection: Sync + 'static;
    /// What is kept with a request.
    type OfRequest: 'static;
}

pub(crate) type OfServer = <This as Slots>::OfServer;
pub(crate) type OfDirectory = <This as Slots>::OfDirectory;
pub(crate) type OfConnection = <This as Slots>::OfConnection;
pub(crate) type OfRequest = <This as Slots>::OfRequest;

unsafe extern "C" {
    /// The module's record, which `LoadModule` finds by this name too.
    static token_binding_module: ffi::module;
}

/// The module's record, as httpd's functions take it.
pub(super) fn module() -> *const ffi::module {
    &raw const token_binding_module
}

/// What the module keeps in a vector, or NULL.
///
/// # Safety
/// `vector` must be one of httpd's configuration vectors, of the kind that [`Slots`] says a `T` of.
pub(super) unsafe fn get<T>(vector: *mut ffi::ap_conf_vector_t) -> *mut T {
    // SAFETY: the caller's promise; each vector has a place for each module.
    unsafe { *place(vector) }.cast()
}

/// Keeps something in a vector.
///
/// # Safety
/// As for [`get`]; and `kept` must live as long as the vector.
pub(super) unsafe fn set<T>(vector: *mut ffi::ap_conf_vector_t, kept: &mut T) {
    // SAFETY: the caller's promise; each vector has a place for each module.
    unsafe { *place(vector) = std::ptr::from_mut(kept).cast() };
}

/// As httpd's macros `ap_get_module_config` and `ap_set_module_config` find it. The functions of the same names do no more, but
/// have to be called, several times a request.
fn place(vector: *mut ffi::ap_conf_vector_t) -> *mut *mut c_void {
    // SAFETY: httpd writes to the record at start-up only, before there is any vector.
    let index = unsafe { (*module()).module_index };
    vector.cast::<*mut c_void>().wrapping_offset(index as isize)
}
