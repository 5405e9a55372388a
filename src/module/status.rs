//! The counters' shared memory, and mod_status's page.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::httpd::ffi;
use crate::httpd::guard::{Site, guard};
use crate::httpd::hook::add_optional_hook;
use crate::httpd::log::Sink;
use crate::httpd::request::Request;
use crate::httpd::server::Server;
use token_binding_server::counters::{Count, Shared};

/// In memory that the parent process shares with its children, for as long as it lives: graceful restarts included.
static SHARED: AtomicPtr<Shared> = AtomicPtr::new(ptr::null_mut());

type StatusHook = unsafe extern "C" fn(*mut ffi::request_rec, c_int) -> c_int;

/// Registers the hook with mod_status; without mod_status, nobody calls it.
pub(crate) fn register() {
    // SAFETY: mod_status calls the hook `status_hook` with exactly this function's arguments.
    let hook = unsafe { std::mem::transmute::<StatusHook, crate::httpd::hook::AnyHook>(show) };
    add_optional_hook(c"status_hook", hook);
}

/// Makes the shared memory, once in the parent's life. `false`: there is none to be had.
pub(crate) fn create(server: Server<'_>) -> bool {
    if let Some(shared) = shared() {
        shared.warned.clear();
        return true;
    }
    let mut memory: *mut ffi::apr_shm_t = ptr::null_mut();
    // SAFETY: the place for the result is ours; without a file name the memory is shared with children only. The
    // process's pool lives as long as the process.
    let status = unsafe {
        ffi::apr_shm_create(&raw mut memory, size_of::<Shared>(), ptr::null(), server.process_pool())
    };
    if status != 0 {
        return false;
    }
    // SAFETY: APR has just made it.
    let address: *mut c_void = unsafe { ffi::apr_shm_baseaddr_get(memory) };
    // SAFETY: APR gives zeroed memory (mmap) of at least this size, aligned for any type; nobody else has it yet.
    unsafe { ptr::write(address.cast::<Shared>(), Shared::default()) };
    SHARED.store(address.cast(), Ordering::Release);
    true
}

fn shared() -> Option<&'static Shared> {
    // SAFETY: NULL, or what `create` stored, which lives as long as the process.
    unsafe { SHARED.load(Ordering::Acquire).as_ref() }
}

/// Counts something, in whichever process it happens.
pub(crate) fn count(what: Count, number: u64) {
    if number > 0
        && let Some(shared) = shared()
    {
        shared.counters.add(what, number);
    }
}

/// Whether nothing has been said of a cookie with this name since the last start, in any process.
pub(crate) fn is_first_of_name(name: &[u8]) -> bool {
    shared().is_none_or(|shared| shared.warned.add(name))
}

/// mod_status makes its page.
unsafe extern "C" fn show(request: *mut ffi::request_rec, flags: c_int) -> c_int {
    // SAFETY: mod_status gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(Site::StatusPage, Sink::Request(request), ffi::DECLINED, || {
        let Some(Shared { counters, .. }) = shared() else { return ffi::DECLINED };
        let is_short = flags & ffi::AP_STATUS_SHORT as c_int != 0;
        let text = if is_short { counters.as_lines() } else { counters.as_html() };
        let length = c_int::try_from(text.len()).unwrap_or(0);
        // SAFETY: httpd copies `length` bytes of the text to the response.
        unsafe { ffi::ap_rwrite(text.as_ptr().cast(), length, request.as_ptr()) };
        ffi::OK
    })
}
