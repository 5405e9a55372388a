//! APR's pools: what is placed in one lives until the pool is cleared.

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;

use super::ffi;
use super::guard::{Site, guard};
use super::log::Sink;

/// What apr_palloc aligns to (APR_ALIGN_DEFAULT).
const POOL_ALIGNMENT: usize = 8;

/// A pool that lives at least as long as `'p`. Non-owning.
#[derive(Clone, Copy)]
pub(crate) struct Pool<'p> {
    raw: *mut ffi::apr_pool_t,
    lifetime: PhantomData<&'p ()>,
}

impl<'p> Pool<'p> {
    /// # Safety
    /// `raw` must be a pool that is not cleared during `'p`, and used by this thread only.
    pub(super) unsafe fn from_raw(raw: *mut ffi::apr_pool_t) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut ffi::apr_pool_t {
        self.raw
    }

    /// Moves `value` into the pool's keeping: it is dropped when the pool is cleared. The memory is the pool's too, which
    /// takes a tenth of the time of `malloc` and `free`.
    pub(crate) fn place<T: 'static>(self, value: T) -> &'p mut T {
        const { assert!(align_of::<T>() <= POOL_ALIGNMENT) };
        // SAFETY: the pool is alive (from_raw); apr_palloc aborts httpd without memory.
        let placed = unsafe { ffi::apr_palloc(self.raw, size_of::<T>()) }.cast::<T>();
        // SAFETY: the pool has just given these bytes, as many as a T has and aligned for one.
        unsafe { placed.write(value) };
        // SAFETY: the pool is alive (from_raw); `drop_placed::<T>` gets exactly the pointer to the T.
        unsafe {
            ffi::apr_pool_cleanup_register(
                self.raw,
                placed.cast(),
                Some(drop_placed::<T>),
                Some(ffi::apr_pool_cleanup_null),
            );
        }
        // SAFETY: the value lives until the pool is cleared, which is not before 'p ends; nobody else has the pointer.
        unsafe { &mut *placed }
    }

    /// Copies bytes into the pool, with a NUL behind them.
    pub(super) fn copy(self, bytes: &[u8]) -> *const c_char {
        // SAFETY: the pool is alive (from_raw); apr_pstrmemdup reads `bytes.len()` bytes and aborts httpd without memory.
        unsafe { ffi::apr_pstrmemdup(self.raw, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Copies a text into the pool, as a C string.
    pub(crate) fn copy_text(self, text: &str) -> &'p CStr {
        self.copy_bytes(text.as_bytes())
    }

    /// Copies bytes into the pool, as a C string.
    pub(crate) fn copy_bytes(self, bytes: &[u8]) -> &'p CStr {
        let copy = self.copy(bytes);
        // SAFETY: `copy` has put a NUL behind the bytes; it lives in the pool, which is not cleared during 'p.
        unsafe { CStr::from_ptr(copy) }
    }
}

/// The cleanup of [`Pool::place`]. C calls it with a pointer to a `T` that `place` has written, once.
unsafe extern "C" fn drop_placed<T>(data: *mut c_void) -> ffi::apr_status_t {
    guard(Site("PoolCleanup"), Sink::PROCESS, 0, || {
        // SAFETY: `place` registered this function with a pointer to a T; APR runs a cleanup once and before it takes the
        // memory back, and the references that `place` gave out ended with 'p.
        unsafe { data.cast::<T>().drop_in_place() };
        0
    })
}
