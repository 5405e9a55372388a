//! The module's slot in httpd's configuration vectors: of servers, directories, connections and requests.

use std::any::TypeId;
use std::ffi::c_void;

use super::ffi;

unsafe extern "C" {
    /// The module's record, which `LoadModule` finds by this name too.
    static token_binding_module: ffi::module;
}

/// The module's record, as httpd's functions take it.
pub(super) fn module() -> *const ffi::module {
    &raw const token_binding_module
}

/// A value as the slot holds it: its type comes first, whatever the type is.
#[repr(C)]
pub(super) struct Kept<T> {
    kind: TypeId,
    value: T,
}

impl<T: 'static> Kept<T> {
    pub(super) fn new(value: T) -> Self {
        Self { kind: TypeId::of::<T>(), value }
    }

    pub(super) fn value(&self) -> &T {
        &self.value
    }
}

/// The value of this type that a pointer from a slot leads to, or NULL.
///
/// # Safety
/// `kept` must be NULL, or lead to a `Kept` of whatever type.
pub(super) unsafe fn value<T: 'static>(kept: *mut c_void) -> *mut T {
    // SAFETY: the caller's promise: whatever the type is, its TypeId comes first (repr(C)).
    match unsafe { kept.cast::<TypeId>().as_ref() } {
        Some(kind) if *kind == TypeId::of::<T>() => {
            let kept = kept.cast::<Kept<T>>();
            // SAFETY: the type is the right one, so the place of its value is in the same allocation.
            unsafe { &raw mut (*kept).value }
        }
        _ => std::ptr::null_mut(),
    }
}

/// What the module keeps in a vector, if it is of this type; or NULL.
///
/// # Safety
/// `vector` must be one of httpd's configuration vectors.
pub(super) unsafe fn get<T: 'static>(vector: *mut ffi::ap_conf_vector_t) -> *mut T {
    // SAFETY: the caller's promise; each vector has a place for each module.
    let kept = unsafe { *place(vector) };
    // SAFETY: the slot is the module's: it holds nothing, or what `set` or httpd put there, and httpd has it from `record`.
    unsafe { value(kept) }
}

/// Keeps something in a vector.
///
/// # Safety
/// As for [`get`]; and `kept` must live as long as the vector.
pub(super) unsafe fn set<T: 'static>(vector: *mut ffi::ap_conf_vector_t, kept: &mut Kept<T>) {
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
