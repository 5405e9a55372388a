//! Memory that the parent process shares with its children, for as long as it lives: graceful restarts included.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::ffi;
use super::server::Server;

/// One value in shared memory: of atomics, for each process has it at once.
pub(crate) struct Shared<T>(AtomicPtr<T>);

impl<T: Default + Sync + 'static> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Makes the memory, once in the parent's life. `None`: there is none to be had.
    pub(crate) fn create(&self, server: Server<'_>) -> Option<&T> {
        // What owns memory of one process's heap means nothing in another one.
        const { assert!(!std::mem::needs_drop::<T>() && align_of::<T>() <= 8) };
        let mut memory: *mut ffi::apr_shm_t = ptr::null_mut();
        // SAFETY: the place for the result is ours; without a file name the memory is shared with children only. The
        // process's pool lives as long as the process.
        let status = unsafe {
            ffi::apr_shm_create(&raw mut memory, size_of::<T>(), ptr::null(), server.process_pool())
        };
        if status != 0 {
            return None;
        }
        // SAFETY: APR has just made it.
        let address: *mut c_void = unsafe { ffi::apr_shm_baseaddr_get(memory) };
        // SAFETY: APR gives memory (mmap) of at least this size, aligned for any type; nobody else has it yet.
        unsafe { ptr::write(address.cast::<T>(), T::default()) };
        self.0.store(address.cast(), Ordering::Release);
        self.get()
    }

    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: NULL, or what `create` stored, which lives as long as the process.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }
}
