//! What checks a single signature.

#[cfg(doc)]
use crate::Error;
use crate::KeyError;
use crate::key::PublicKey;

/// Checks single signatures.
pub trait SignatureBackend {
    /// Checks a signature over `signed` with the algorithm that the key is for:
    ///
    /// - `rsa2048_pkcs1.5`: RSASSA-PKCS1-v1_5 with SHA-256;
    /// - `rsa2048_pss`: RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of exactly 32 bytes;
    /// - `ecdsap256`: ECDSA with SHA-256, the signature being R, then S. The key must be a point of P-256.
    ///
    /// `signature` has [`signature_length`](PublicKey::signature_length) bytes. To a backend that does not know the
    /// algorithm, the key is invalid.
    ///
    /// # Errors
    /// Why the signature proves nothing, or that the backend can't tell.
    fn verify(&self, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError>;
}

/// What a backend has against a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// The key is no key at all.
    InvalidKey(KeyError),
    /// The signature does not verify.
    Invalid,
    /// The backend failed, and knows nothing about the signature: see [`Error::Backend`].
    Backend {
        /// What it was asked to do.
        operation: &'static str,
        /// The library's static message.
        reason: &'static str,
    },
}
