//! What checks a single signature.

use crate::PublicKey;

/// Checks single signatures.
pub trait SignatureBackend {
    /// Checks a signature over `signed` with the algorithm that the key is for: RSASSA-PKCS1-v1_5 with SHA-256, or ECDSA on
    /// P-256 with SHA-256, the signature being R, then S.
    ///
    /// `signature` has [`signature_length`](PublicKey::signature_length) bytes.
    ///
    /// # Errors
    /// That the signature proves nothing, or that the backend can't tell.
    fn verify(&self, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError>;
}

/// What a backend has against a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// The signature does not verify.
    Invalid,
    /// The backend failed, and knows nothing about the signature.
    Undecided {
        /// What it was asked to do.
        operation: &'static str,
        /// The library's static message.
        reason: &'static str,
    },
}
