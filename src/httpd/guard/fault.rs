//! Panics, and failures of OpenSSL's allocations, on demand: in builds for tests only.
//!
//! | environment | at that [`Site`] |
//! |---|---|
//! | `TOKEN_BINDING_PANIC_AT=Site` | panics |
//! | `TOKEN_BINDING_FAIL_AT=Site` | fails OpenSSL's allocations, as `TOKEN_BINDING_FAIL` says |
//!
//! At a request's sites only if the request asks for it: with `X-Panic`, or with `X-Fail`, which says which allocations fail.
//! `3` is the fourth one made there, `3+` is that and all later ones.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};

use super::site::Site;
use crate::httpd::log::Sink;

/// Which allocations of this thread fail.
#[derive(Clone, Copy, Default)]
struct Plan {
    /// How many succeed before; `None` where none fails.
    after: Option<u32>,
    /// Whether those after it fail too.
    lasting: bool,
    failed: u32,
}

thread_local! {
    static PLAN: Cell<Plan> = const { Cell::new(Plan { after: None, lasting: false, failed: 0 }) };
}

/// As long as it lives, allocations fail as planned.
pub(super) struct Failing(Option<Site>);

impl Drop for Failing {
    fn drop(&mut self) {
        if let Some(site) = self.0 {
            let Plan { failed, .. } = PLAN.take();
            if failed > 0 {
                eprintln!("fault injection: {failed} allocations failed in {site}");
            }
        }
    }
}

#[allow(clippy::panic, reason = "what this is for")]
pub(super) fn inject(site: Site, sink: Sink<'_>) -> Failing {
    let is_named = |variable| std::env::var(variable).is_ok_and(|name| name == site.0);
    let of_request = |name| sink.request_header(name);
    if is_named("TOKEN_BINDING_PANIC_AT") && of_request(c"X-Panic").is_none_or(|asked| asked.is_some()) {
        panic!("injected into {site}");
    }
    if !is_named("TOKEN_BINDING_FAIL_AT") {
        return Failing(None);
    }
    let plan = match of_request(c"X-Fail") {
        Some(asked) => asked.map(|value| value.to_string_lossy().into_owned()),
        None => std::env::var("TOKEN_BINDING_FAIL").ok(),
    };
    let Some(plan) = plan else { return Failing(None) };
    let (number, lasting) = plan.strip_suffix('+').map_or((plan.as_str(), false), |number| (number, true));
    let Ok(number) = number.parse() else { panic!("{plan:?} says nothing about allocations") };
    PLAN.set(Plan { after: Some(number), lasting, failed: 0 });
    Failing(Some(site))
}

/// Whether the allocation that is asked for now fails.
fn fails() -> bool {
    let mut plan = PLAN.get();
    let fails = match plan.after {
        None => false,
        Some(0) => {
            plan.failed += 1;
            if !plan.lasting {
                plan.after = None;
            }
            true
        }
        Some(more) => {
            plan.after = Some(more - 1);
            false
        }
    };
    PLAN.set(plan);
    fails
}

unsafe extern "C" {
    fn CRYPTO_set_mem_functions(
        allocate: unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void,
        resize: unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void,
        free: unsafe extern "C" fn(*mut c_void, *const c_char, c_int),
    ) -> c_int;
}

/// Puts the functions below in OpenSSL's service when this library is loaded. That is possible only before OpenSSL's first
/// allocation: the tests load it before httpd does (`LD_PRELOAD`), and elsewhere the call is refused and changes nothing.
#[used]
#[unsafe(link_section = ".init_array")]
static TAKE_OVER: extern "C" fn() = {
    extern "C" fn take_over() {
        // SAFETY: the three functions fit together, are libc's but for failing, and stay mapped (-z nodelete).
        unsafe { CRYPTO_set_mem_functions(allocate, resize, free) };
    }
    take_over
};

unsafe extern "C" fn allocate(size: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    if fails() {
        return std::ptr::null_mut();
    }
    // SAFETY: OpenSSL asks for more than nothing.
    unsafe { libc::malloc(size) }
}

unsafe extern "C" fn resize(
    block: *mut c_void,
    size: usize,
    _file: *const c_char,
    _line: c_int,
) -> *mut c_void {
    // CRYPTO_realloc leaves these to its caller's functions: nothing to grow is an allocation, nothing to keep is a release.
    if size == 0 {
        // SAFETY: `block` is null or came from here.
        unsafe { libc::free(block) };
        return std::ptr::null_mut();
    }
    if fails() {
        return std::ptr::null_mut();
    }
    // SAFETY: `block` is null or came from here.
    unsafe { libc::realloc(block, size) }
}

unsafe extern "C" fn free(block: *mut c_void, _file: *const c_char, _line: c_int) {
    // SAFETY: `block` is null or came from here.
    unsafe { libc::free(block) };
}
