//! What the rules do with a backend that misbehaves, and when they ask it at all.

use token_binding::key::PublicKey;
use token_binding::message::TokenBindingMessage;
use token_binding::sign::Signer;
use token_binding::verify::{
    OpenSsl, RustCrypto, SignatureBackend, SignatureError, VerifiedBindings, verify_message,
};
use token_binding::{Error, KeyError, KeyParameters, TokenBindingType};

use crate::support::{self, PROVIDED, Part, REFERRED, UNKNOWN, ekm, message, part};

const EC: KeyParameters = KeyParameters::ECDSAP256;

/// Answers by the type that the signature is for, without looking at it.
struct Answers<F>(F);

impl<F: Fn(TokenBindingType) -> Result<(), SignatureError>> SignatureBackend for Answers<F> {
    fn verify(&self, _: &PublicKey, signed: &[u8], _: &[u8]) -> Result<(), SignatureError> {
        self.0(TokenBindingType(signed[0]))
    }
}

fn verify(
    parts: &[Part],
    answer: impl Fn(TokenBindingType) -> Result<(), SignatureError>,
) -> Result<VerifiedBindings, Error> {
    verify_message(&Answers(answer), &TokenBindingMessage::parse(&message(parts)).unwrap(), EC, &ekm())
}

#[test]
fn a_failed_backend_is_never_taken_for_a_verdict() {
    let failure = SignatureError::Backend { operation: "verify", reason: "malloc failure" };
    let parts = [part(PROVIDED, EC, &ekm()), part(REFERRED, EC, &ekm()), part(UNKNOWN, EC, &ekm())];
    assert!(verify(&parts, |_| Ok(())).is_ok());
    for failing in [PROVIDED, REFERRED, UNKNOWN] {
        let verdict = verify(&parts, |asked| if asked == failing { Err(failure) } else { Ok(()) });
        assert_eq!(verdict, Err(Error::Backend { operation: "verify", reason: "malloc failure" }));
    }
}

#[test]
fn what_a_backend_has_against_a_known_type_rejects_the_message() {
    let parts = [part(PROVIDED, EC, &ekm()), part(REFERRED, EC, &ekm()), part(UNKNOWN, EC, &ekm())];
    let verdict = |rejected, why| verify(&parts, |asked| if asked == rejected { Err(why) } else { Ok(()) });
    let off_curve = SignatureError::InvalidKey(KeyError::NotOnCurve);
    for rejected in [PROVIDED, REFERRED] {
        assert_eq!(
            verdict(rejected, SignatureError::Invalid),
            Err(Error::BadSignature { binding: rejected })
        );
        assert_eq!(verdict(rejected, off_curve), Err(Error::InvalidKey(KeyError::NotOnCurve)));
    }
    for why in [SignatureError::Invalid, off_curve] {
        assert_eq!(verdict(UNKNOWN, why).unwrap().others(), []);
    }
}

#[test]
fn no_signature_is_checked_before_the_structure_is_right() {
    let [provided, referred] =
        [PROVIDED, REFERRED].map(|tokenbinding_type| part(tokenbinding_type, EC, &ekm()));
    let malformed = Part { id: support::id(EC, &[1, 2, 3]), ..referred.clone() };
    let mismatched = part(PROVIDED, KeyParameters::RSA2048_PSS, &ekm());
    let unknown = part(UNKNOWN, EC, &ekm());
    for parts in [
        vec![provided.clone(), unknown.clone(), provided.clone()],
        vec![provided.clone(), referred.clone(), referred.clone()],
        vec![unknown.clone(), referred],
        vec![unknown, mismatched],
        vec![provided, malformed],
    ] {
        assert!(verify(&parts, |asked| panic!("the {asked} signature was checked")).is_err());
    }
}

#[test]
fn a_signature_of_another_length_is_no_signature() {
    let backends: [&dyn SignatureBackend; 2] = [&OpenSsl, &RustCrypto];
    for key_parameters in KeyParameters::ALL_KNOWN {
        let key = support::key(key_parameters);
        for length in [0, 1, 63, 64, 65, 255, 256, 257] {
            for backend in backends {
                assert!(backend.verify(key.public_key(), b"signed", &vec![1; length]).is_err(), "{length}");
            }
        }
    }
}
