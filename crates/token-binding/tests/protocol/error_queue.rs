//! OpenSSL's error queue belongs to the thread, and mod_ssl takes what is in it for its own.

use openssl::error::Error as OpenSslError;
use openssl::pkey::PKey;

use token_binding::{Error, KeyError, KeyParameters};

use crate::support::{BAD_SIGNATURE, PROVIDED, Part, ec_id, ekm, other_ekm, part, verdict_on};

/// Leaves an error of someone else in the queue.
fn spoil_queue() {
    let errors = PKey::public_key_from_der(b"no key").unwrap_err();
    errors.put();
    assert!(OpenSslError::get().is_some(), "the queue can't be spoiled in this way");
    errors.put();
}

#[test]
fn errors_of_others_change_no_verdict() {
    for key_parameters in KeyParameters::ALL_KNOWN {
        let valid = part(PROVIDED, key_parameters, &ekm());
        spoil_queue();
        assert!(verdict_on(&valid, &ekm()).is_ok());
        spoil_queue();
        assert_eq!(verdict_on(&valid, &other_ekm()), Err(BAD_SIGNATURE));
    }
    let off_curve = Part { id: ec_id(&[7; 64]), ..part(PROVIDED, KeyParameters::ECDSAP256, &ekm()) };
    spoil_queue();
    assert_eq!(verdict_on(&off_curve, &ekm()), Err(Error::InvalidKey(KeyError::NotOnCurve)));
}
