//! Signatures in pure Rust.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use rsa::BoxedUint;
use rsa::sha2::Sha256;

use super::backend::{SignatureBackend, SignatureError};
use crate::key::{Form, PublicKey};

/// The crates `p256` and `rsa`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl SignatureBackend for RustCrypto {
    fn verify(&self, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match key.form() {
            Form::P256(coordinates) => verify_ecdsa(coordinates, signed, signature),
            Form::Rsa { modulus, exponent } => load_rsa(modulus, *exponent)?
                .pkcs1v15_verify::<Sha256>(signed, signature)
                .map_err(|_| SignatureError::Invalid),
        }
    }
}

fn verify_ecdsa(coordinates: &[u8; 64], signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let key = VerifyingKey::from_sec1_bytes(&[&[4], &coordinates[..]].concat())
        .map_err(|_| SignatureError::Invalid)?;
    let signature = Signature::from_slice(signature).map_err(|_| SignatureError::Invalid)?;
    key.verify(signed, &signature).map_err(|_| SignatureError::Invalid)
}

fn load_rsa(modulus: &[u8], exponent: u32) -> Result<rsa::PublicKey, SignatureError> {
    let failed = SignatureError::Undecided { operation: "load an RSA key", reason: "the key was refused" };
    let modulus = BoxedUint::from_be_slice_vartime(modulus);
    rsa::PublicKey::new(modulus, BoxedUint::from(exponent)).map_err(|_| failed)
}
