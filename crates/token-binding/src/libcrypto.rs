//! What verifying and signing with OpenSSL have in common: hashing, and the error queue. Each thread has such a queue,
//! mod_ssl reads it too, and an error that is left behind is misattributed to the next reader.

use openssl::error::{Error, ErrorStack};
use openssl::sha::Sha256;

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

#[cfg(test)]
mod tests {
    use openssl::bn::BigNumContext;
    use openssl::ec::{EcGroup, EcPoint};
    use openssl::nid::Nid;
    use openssl::pkey::PKey;

    use super::*;

    #[test]
    fn a_point_off_the_curve_is_the_inputs_fault() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let off_curve = [&[4][..], &[7; 64]].concat();
        let errors =
            EcPoint::from_bytes(&group, &off_curve, &mut BigNumContext::new().unwrap()).err().unwrap();
        assert!(blame_input(&errors));
        assert_eq!(reason(&errors), "point is not on curve");
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

    #[test]
    fn sha256_of_abc() {
        let digest =
            [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23];
        assert_eq!(sha256(b"abc")[..16], digest);
    }
}
