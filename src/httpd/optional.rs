//! Hooks that another module may or may not have.

use std::ffi::CStr;
use std::ptr;

use super::ffi;

pub(super) type AnyHook = unsafe extern "C" fn();

/// Registers a function with such a hook, at start-up.
///
/// # Safety
/// `hook` must be what the module that has the hook calls it as.
pub(super) unsafe fn add(name: &'static CStr, hook: AnyHook) {
    let middle = ffi::APR_HOOK_MIDDLE as std::ffi::c_int;
    // SAFETY: httpd asks for the hooks at start-up, from one thread; name and function stay mapped (-z nodelete).
    unsafe { ffi::apr_optional_hook_add(name.as_ptr(), Some(hook), ptr::null(), ptr::null(), middle) };
}
