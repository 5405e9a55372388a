//! When OpenSSL runs out of memory, at whichever of its allocations, the fault is ours: an honest client isn't called a
//! liar, and no signature is taken for valid.
//!
//! Alone in its binary: OpenSSL takes another allocator only before its first allocation. The allocator is why there is
//! `unsafe` here; the crate itself has none.
#![allow(clippy::unwrap_used)]

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use token_binding::message::TokenBindingMessage;
use token_binding::sign::MessageBuilder;
use token_binding::sign::openssl::PrivateKey;
use token_binding::verify::{OpenSsl, VerifiedBindings, verify_message};
use token_binding::{Ekm, Error, KeyParameters, TokenBindingType};

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

fn verify(bytes: &[u8], negotiated: KeyParameters, ekm: &Ekm) -> Result<VerifiedBindings, Error> {
    let message = TokenBindingMessage::parse(bytes).unwrap();
    verify_message(&OpenSsl, &message, negotiated, ekm)
}

/// Runs `verify` with the first allocation failing, then the second, and so on until it needs no more than it gets.
/// Gives `check` each result of a run in which an allocation failed, and returns how many those were.
fn starve(
    verify: impl Fn() -> Result<VerifiedBindings, Error>,
    check: impl Fn(&Result<VerifiedBindings, Error>),
) -> usize {
    for granted in 0.. {
        FAILED.store(false, Ordering::Relaxed);
        LEFT.store(granted, Ordering::Relaxed);
        let result = verify();
        LEFT.store(usize::MAX, Ordering::Relaxed);
        assert!(openssl::error::Error::get().is_none(), "an error is left in OpenSSL's queue");
        if !FAILED.load(Ordering::Relaxed) {
            return granted;
        }
        check(&result);
    }
    unreachable!("verification allocates without end")
}

#[test]
fn running_out_of_memory_is_our_fault() {
    // SAFETY: the three functions keep OpenSSL's contract for them, for as long as the process lives.
    let taken = unsafe { CRYPTO_set_mem_functions(allocate, reallocate, deallocate) };
    assert_eq!(taken, 1, "OpenSSL has allocated before");

    let (ekm, other_ekm) = (Ekm::new([7; 32]), Ekm::new([8; 32]));
    for negotiated in KeyParameters::ALL_KNOWN {
        let mut message = MessageBuilder::new();
        let key = PrivateKey::generate(negotiated).unwrap();
        message.add(TokenBindingType::PROVIDED, &key, &ekm).unwrap();
        let bytes = message.finish();
        // What OpenSSL sets up once per process is there from here on: were it to fail, it would for good.
        assert!(verify(&bytes, negotiated, &ekm).is_ok());
        assert!(verify(&bytes, negotiated, &other_ekm).is_err());

        let failures = starve(
            || verify(&bytes, negotiated, &ekm),
            |result| match result {
                // Some of what OpenSSL allocates it can do without.
                Ok(_) => {}
                Err(error) => assert!(error.is_internal(), "{negotiated}: {error}"),
            },
        );
        assert!(failures > 5, "{negotiated}: only {failures} allocations");

        starve(
            || verify(&bytes, negotiated, &other_ekm),
            |result| match result {
                Ok(_) => panic!("{negotiated}: a bad signature was accepted"),
                Err(Error::BadSignature { .. } | Error::Backend { .. }) => {}
                Err(error) => panic!("{negotiated}: {error}"),
            },
        );
    }
}
