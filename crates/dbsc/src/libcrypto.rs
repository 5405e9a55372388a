//! What checking keys, verifying and signing with OpenSSL have in common: hashing, and the error queue. Each thread has such
//! a queue, others in the process read it too, and an error that is left behind is misattributed to the next reader.
//!
//! token-binding has a room like this. Each crate is published by itself, so neither takes the other's.

use std::sync::OnceLock;

use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcGroupRef, EcKey, EcPoint};
use openssl::error::{Error, ErrorStack};
use openssl::nid::Nid;
use openssl::pkey::Public;
use openssl::sha::Sha256;

use crate::KeyError;

/// SHA-256. Not `openssl::sha::sha256`: that one allocates, and when it can't it returns whatever its buffer held.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    hasher.finish()
}

/// Runs OpenSSL calls with the thread's error queue empty before and after: `body` sees no error of others, and others
/// see none of `body`.
pub(crate) fn with_clean_queue<T>(body: impl FnOnce() -> T) -> T {
    drain();
    let result = body();
    drain();
    result
}

fn drain() {
    // Taking the errors is what empties the queue; there is nothing to do with them.
    let _ = ErrorStack::get();
}

/// Whether `errors` are about the key or the signature that OpenSSL was given, and not about OpenSSL itself.
///
/// The first error is the cause, those after it are callers passing it on. Only OpenSSL's RSA and EC rooms judge input,
/// and they have reasons of their own for that, numbered from 100 ("point is not on curve"). What goes wrong inside (no
/// memory, another room that failed) has one of the reasons that all rooms share, `ERR_R_...`: below 100 up to OpenSSL
/// 1.1.1, and with flags from bit 18 on since 3.0.
pub(crate) fn blame_input(errors: &ErrorStack) -> bool {
    const ERR_LIB_RSA: i32 = 4;
    const ERR_LIB_EC: i32 = 16;
    errors.errors().first().is_some_and(|cause| {
        matches!(cause.library_code(), ERR_LIB_RSA | ERR_LIB_EC)
            && (100..1 << 18).contains(&cause.reason_code())
    })
}

/// OpenSSL's own words for the cause.
pub(crate) fn reason(errors: &ErrorStack) -> &'static str {
    errors.errors().iter().find_map(Error::reason).unwrap_or("no reason given")
}

/// A key from X and Y, on the curve. `EC_POINT_oct2point` checks that, and P-256 has no other points than those of its prime
/// order, so the slow `EC_KEY_check_key` would find nothing more. The point at infinity has no such form.
///
/// To be called within [`with_clean_queue`].
pub(crate) fn load_point(coordinates: &[u8; 64]) -> Result<EcKey<Public>, KeyError> {
    let failed = |errors: ErrorStack| KeyError::Undecided {
        operation: "load a point of P-256",
        reason: reason(&errors),
    };
    let group = p256().map_err(failed)?;
    let mut context = BigNumContext::new().map_err(failed)?;
    let mut sec1 = [4; 65];
    let [_, rest @ ..] = &mut sec1;
    *rest = *coordinates;
    let point = EcPoint::from_bytes(group, &sec1, &mut context)
        .map_err(|errors| if blame_input(&errors) { KeyError::NotOnCurve } else { failed(errors) })?;
    EcKey::from_public_key(group, &point).map_err(failed)
}

/// The curve, made once: that takes as long as a fifth of a verification.
fn p256() -> Result<&'static EcGroupRef, ErrorStack> {
    static P256: OnceLock<EcGroup> = OnceLock::new();
    if let Some(group) = P256.get() {
        return Ok(group);
    }
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(P256.get_or_init(|| group))
}

#[cfg(test)]
mod tests {
    use openssl::pkey::PKey;

    use super::*;

    #[test]
    fn a_point_off_the_curve_is_the_inputs_fault() {
        assert_eq!(with_clean_queue(|| load_point(&[7; 64]).err()), Some(KeyError::NotOnCurve));
        assert_eq!(with_clean_queue(|| load_point(&[0; 64]).err()), Some(KeyError::NotOnCurve));
        assert_eq!(with_clean_queue(|| load_point(&[0xff; 64]).err()), Some(KeyError::NotOnCurve));
        assert!(Error::get().is_none());
    }

    #[test]
    fn what_no_judge_says_is_not() {
        let errors = PKey::public_key_from_der(b"no key").unwrap_err();
        assert!(!errors.errors().is_empty());
        assert!(!blame_input(&errors));

        let silence = ErrorStack::get();
        assert!(!blame_input(&silence));
        assert_eq!(reason(&silence), "no reason given");
    }
}
