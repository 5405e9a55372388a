//! OpenSSL's error queue belongs to the thread, and others take what is in it for their own.

use dbsc::sign::Signer;
use dbsc::{KeyError, ProofError, PublicKey, Refresh, Registration};
use openssl::error::Error;
use openssl::pkey::PKey;

use crate::support::{encode, keys};

/// Leaves an error of someone else in the queue.
fn spoil_queue() {
    let errors = PKey::public_key_from_der(b"no key").unwrap_err();
    errors.put();
    assert!(Error::get().is_some(), "the queue can't be spoiled in this way");
    errors.put();
}

#[test]
fn errors_of_others_change_no_verdict_and_none_are_left() {
    for key in keys() {
        let registration = key.registration_proof("c", None).unwrap();
        let refresh = key.refresh_proof("c").unwrap();
        let (signed, _) = refresh.rsplit_once('.').unwrap();
        spoil_queue();
        assert!(Registration::verify(&registration).is_ok());
        assert!(Error::get().is_none());
        spoil_queue();
        assert!(Refresh::verify(&refresh, key.public_key()).is_ok());
        assert!(Error::get().is_none());
        for byte in [0, 1, 0x7f, 0xff] {
            let forged = format!("{signed}.{}", encode(vec![byte; key.public_key().signature_length()]));
            spoil_queue();
            assert_eq!(Refresh::verify(&forged, key.public_key()), Err(ProofError::Forged), "{byte}");
            assert!(Error::get().is_none());
        }
    }
    spoil_queue();
    assert_eq!(PublicKey::from_bytes(&[1; 65]), Err(KeyError::NotOnCurve));
    assert!(Error::get().is_none());
}
