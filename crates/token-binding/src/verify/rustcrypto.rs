//! Signatures in pure Rust.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use rsa::sha2::Sha256;
use rsa::{BoxedUint, PublicKey};

use super::{SignatureBackend, SignatureError};
use crate::KeyError;
use crate::key::{P256_LENGTH, RSA2048_LENGTH, RsaPublicKey, TbEcPoint};

/// The crates `p256` and `rsa`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl SignatureBackend for RustCrypto {
    fn verify_rsa2048_pkcs1_5(
        &self,
        key: &RsaPublicKey,
        signed: &[u8],
        signature: &[u8; RSA2048_LENGTH],
    ) -> Result<(), SignatureError> {
        load_rsa(key)?.pkcs1v15_verify::<Sha256>(signed, signature).map_err(|_| SignatureError::Invalid)
    }

    fn verify_rsa2048_pss(
        &self,
        key: &RsaPublicKey,
        signed: &[u8],
        signature: &[u8; RSA2048_LENGTH],
    ) -> Result<(), SignatureError> {
        // The salt that it requires has the digest's length, 32 bytes.
        load_rsa(key)?.pss_verify::<Sha256>(signed, signature).map_err(|_| SignatureError::Invalid)
    }

    fn verify_ecdsap256(
        &self,
        key: &TbEcPoint,
        signed: &[u8],
        signature: &[u8; P256_LENGTH],
    ) -> Result<(), SignatureError> {
        let key = VerifyingKey::from_sec1_bytes(&key.to_sec1())
            .map_err(|_| SignatureError::InvalidKey(KeyError::NotOnCurve))?;
        let signature = Signature::from_slice(signature).map_err(|_| SignatureError::Invalid)?;
        key.verify(signed, &signature).map_err(|_| SignatureError::Invalid)
    }
}

fn load_rsa(key: &RsaPublicKey) -> Result<PublicKey, SignatureError> {
    let failed = SignatureError::Backend { operation: "load an RSA key", reason: "the key was refused" };
    let modulus = BoxedUint::from_be_slice_vartime(key.modulus());
    PublicKey::new(modulus, BoxedUint::from(key.public_exponent())).map_err(|_| failed)
}
