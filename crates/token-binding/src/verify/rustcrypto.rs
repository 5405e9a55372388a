//! Signatures in pure Rust.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use rsa::BoxedUint;
use rsa::sha2::Sha256;

use super::signature::{SignatureBackend, SignatureError};
use crate::KeyError;
use crate::key::{PublicKey, RsaPublicKey, TbEcPoint};

/// The crates `p256` and `rsa`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl SignatureBackend for RustCrypto {
    fn verify(&self, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match key {
            PublicKey::Rsa2048Pkcs1_5(key) => load_rsa(key)?
                .pkcs1v15_verify::<Sha256>(signed, signature)
                .map_err(|_| SignatureError::Invalid),
            // The salt that it requires has the digest's length, 32 bytes.
            PublicKey::Rsa2048Pss(key) => {
                load_rsa(key)?.pss_verify::<Sha256>(signed, signature).map_err(|_| SignatureError::Invalid)
            }
            PublicKey::EcdsaP256(point) => verify_ecdsa(point, signed, signature),
        }
    }
}

fn verify_ecdsa(point: &TbEcPoint, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let key = VerifyingKey::from_sec1_bytes(&point.to_sec1())
        .map_err(|_| SignatureError::InvalidKey(KeyError::NotOnCurve))?;
    let signature = Signature::from_slice(signature).map_err(|_| SignatureError::Invalid)?;
    key.verify(signed, &signature).map_err(|_| SignatureError::Invalid)
}

fn load_rsa(key: &RsaPublicKey) -> Result<rsa::PublicKey, SignatureError> {
    let failed = SignatureError::Backend { operation: "load an RSA key", reason: "the key was refused" };
    let modulus = BoxedUint::from_be_slice_vartime(key.modulus());
    rsa::PublicKey::new(modulus, BoxedUint::from(key.public_exponent())).map_err(|_| failed)
}
