//! What signs.

use crate::jwt::{join, to_sign};
use crate::{PublicKey, SignError};

/// A session's key pair.
pub trait Signer {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs bytes with the key's algorithm. The signature is encoded as JWS has it (RFC 7518 sections 3.3 and 3.4).
    ///
    /// # Errors
    /// [`SignError::Backend`] when the cryptographic library failed.
    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, SignError>;

    /// The JWT that registers the key: with its `jwk`, and with the offer's challenge and `authorization`.
    ///
    /// # Errors
    /// [`SignError::Backend`] when the cryptographic library failed.
    fn registration_proof(&self, challenge: &str, authorization: Option<&str>) -> Result<String, SignError> {
        let key = self.public_key();
        let signed = to_sign(key.algorithm(), Some(&key.to_jwk()), challenge, authorization);
        Ok(join(&signed, &self.sign(signed.as_bytes())?))
    }

    /// The JWT that refreshes a session.
    ///
    /// # Errors
    /// [`SignError::Backend`] when the cryptographic library failed.
    fn refresh_proof(&self, challenge: &str) -> Result<String, SignError> {
        let signed = to_sign(self.public_key().algorithm(), None, challenge, None);
        Ok(join(&signed, &self.sign(signed.as_bytes())?))
    }
}
