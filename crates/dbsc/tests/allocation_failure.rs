//! When OpenSSL runs out of memory, at whichever of its allocations, the fault is ours: an honest browser isn't called a
//! forger, which would end its session, and no signature is taken for valid.
//!
//! Alone in its binary: OpenSSL takes another allocator only before its first allocation. The allocator is why there is
//! `unsafe` here; the crate itself has none.
#![allow(clippy::unwrap_used)]

use std::ffi::{c_char, c_int, c_void};
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dbsc::sign::Signer;
use dbsc::sign::openssl::SigningKey;
use dbsc::{Algorithm, Fault, KeyError, ProofError, PublicKey, Refresh, Registration};

/// How many more allocations succeed.
static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Whether one has failed.
static FAILED: AtomicBool = AtomicBool::new(false);

fn may_allocate() -> bool {
    let granted = LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| match left {
        usize::MAX => Some(left),
        left => left.checked_sub(1),
    });
    if granted.is_err() {
        FAILED.store(true, Ordering::Relaxed);
    }
    granted.is_ok()
}

extern "C" fn allocate(size: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    if !may_allocate() {
        return std::ptr::null_mut();
    }
    // SAFETY: `malloc` may be called with any size.
    unsafe { malloc(size) }
}

extern "C" fn reallocate(block: *mut c_void, size: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    if !may_allocate() {
        return std::ptr::null_mut();
    }
    // SAFETY: OpenSSL passes a block that `allocate` or this function gave it and that it hasn't freed, or null.
    unsafe { realloc(block, size) }
}

extern "C" fn deallocate(block: *mut c_void, _file: *const c_char, _line: c_int) {
    // SAFETY: OpenSSL passes a block that `allocate` or `reallocate` gave it, once, or null.
    unsafe { free(block) }
}

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn realloc(block: *mut c_void, size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
    fn CRYPTO_set_mem_functions(
        allocate: extern "C" fn(usize, *const c_char, c_int) -> *mut c_void,
        reallocate: extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void,
        deallocate: extern "C" fn(*mut c_void, *const c_char, c_int),
    ) -> c_int;
}

/// Runs `body` with the first allocation failing, then the second, and so on until it needs no more than it gets. Gives
/// `check` each result of a run in which an allocation failed, and returns how many those were.
fn starve<T>(body: impl Fn() -> T, check: impl Fn(T)) -> usize {
    for granted in 0.. {
        FAILED.store(false, Ordering::Relaxed);
        LEFT.store(granted, Ordering::Relaxed);
        let result = body();
        LEFT.store(usize::MAX, Ordering::Relaxed);
        assert!(openssl::error::Error::get().is_none(), "an error is left in OpenSSL's queue");
        if !FAILED.load(Ordering::Relaxed) {
            return granted;
        }
        check(result);
    }
    unreachable!("it allocates without end")
}

/// Some of what OpenSSL allocates it can do without.
fn is_ours<T: Debug>(result: Result<T, ProofError>) {
    assert!(!matches!(&result, Err(error) if error.fault() != Fault::Undecided), "{result:?}");
}

fn is_not_accepted<T: Debug>(result: Result<T, ProofError>) {
    assert!(matches!(result, Err(ProofError::Forged | ProofError::Undecided { .. })), "{result:?}");
}

#[test]
fn running_out_of_memory_is_our_fault() {
    // SAFETY: the three functions keep OpenSSL's contract for them, for as long as the process lives.
    let taken = unsafe { CRYPTO_set_mem_functions(allocate, reallocate, deallocate) };
    assert_eq!(taken, 1, "OpenSSL has allocated before");

    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(*algorithm).unwrap();
        let registration = key.registration_proof("c", None).unwrap();
        let refresh = key.refresh_proof("c").unwrap();
        let forged = SigningKey::generate(*algorithm).unwrap().refresh_proof("c").unwrap();
        let key = key.public_key();
        // What OpenSSL sets up once per process is there from here on: were it to fail, it would for good.
        assert!(Registration::verify(&registration).is_ok());
        assert!(Refresh::verify(&refresh, key).is_ok());
        assert_eq!(Refresh::verify(&forged, key), Err(ProofError::Forged));

        let failures = starve(|| Refresh::verify(&refresh, key), is_ours);
        assert!(failures > 5, "{algorithm}: only {failures} allocations");
        let failures = starve(|| Registration::verify(&registration), is_ours);
        assert!(failures > 5, "{algorithm}: only {failures} allocations");
        starve(|| Refresh::verify(&forged, key), is_not_accepted);
    }

    let off_curve = [1; 65];
    assert_eq!(PublicKey::from_bytes(&off_curve), Err(KeyError::NotOnCurve));
    let failures = starve(
        || PublicKey::from_bytes(&off_curve),
        |result| {
            assert!(matches!(result, Err(KeyError::NotOnCurve | KeyError::Undecided { .. })), "{result:?}");
        },
    );
    assert!(failures > 1, "only {failures} allocations");
}
