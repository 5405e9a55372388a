//! A proof that is changed anywhere proves nothing, and nothing panics.

use dbsc::sign::Signer;
use dbsc::{Refresh, Registration};
use proptest::prelude::*;

use crate::support::{EC, keys};

#[test]
fn a_proof_cut_short_is_refused() {
    for key in keys() {
        let proof = key.refresh_proof("challenge").unwrap();
        for end in 0..proof.len() {
            assert!(Refresh::verify(&proof[..end], key.public_key()).is_err(), "{end}");
        }
        let proof = key.registration_proof("challenge", Some("a")).unwrap();
        for end in 0..proof.len() {
            assert!(Registration::verify(&proof[..end]).is_err(), "{end}");
        }
    }
}

#[test]
fn a_changed_letter_is_noticed_anywhere() {
    for key in keys() {
        let proof = key.registration_proof("challenge", Some("a")).unwrap();
        for at in 0..proof.len() {
            let old = proof.as_bytes()[at];
            let new = if old == b'A' { 'B' } else { 'A' };
            let changed = format!("{}{new}{}", &proof[..at], &proof[at + 1..]);
            assert!(Registration::verify(&changed).is_err(), "{at}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_judged(text in ".{0,300}", parts in proptest::array::uniform3("[A-Za-z0-9_-]{0,60}")) {
        prop_assert!(Registration::verify(&text).is_err());
        prop_assert!(Refresh::verify(&text, EC.public_key()).is_err());
        prop_assert!(Refresh::verify(&parts.join("."), EC.public_key()).is_err());
    }

    #[test]
    fn bytes_put_elsewhere_are_noticed(at in 0..1000_usize, length in 0..4_usize, new in "[A-Za-z0-9_.-]{0,4}") {
        let proof = EC.refresh_proof("challenge").unwrap();
        let at = at % proof.len();
        let end = (at + length).min(proof.len());
        let changed = format!("{}{new}{}", &proof[..at], &proof[end..]);
        prop_assume!(changed != proof);
        prop_assert!(Refresh::verify(&changed, EC.public_key()).is_err());
    }

    #[test]
    fn challenges_come_through(challenge in any::<String>(), authorization in any::<Option<String>>()) {
        let proof = EC.registration_proof(&challenge, authorization.as_deref()).unwrap();
        if proof.len() <= dbsc::MAX_PROOF_LENGTH {
            let registered = Registration::verify(&proof).unwrap();
            prop_assert_eq!(registered.challenge, challenge);
            prop_assert_eq!(registered.authorization, authorization);
        }
    }
}
