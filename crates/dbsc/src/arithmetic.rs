//! What a public key needs before there is a signature: the curve's equation, and SHA-256 for its thumbprint. By OpenSSL
//! where the crate has it, and else in pure Rust.

use crate::KeyError;

/// Whether X and Y are a point of P-256, and not the one at infinity (which has no coordinates).
pub(crate) fn check_point(coordinates: &[u8; 64]) -> Result<(), KeyError> {
    #[cfg(feature = "openssl")]
    return crate::libcrypto::with_clean_queue(|| crate::libcrypto::load_point(coordinates).map(drop));
    #[cfg(not(feature = "openssl"))]
    p256::PublicKey::from_sec1_bytes(&[&[4], &coordinates[..]].concat())
        .map(drop)
        .map_err(|_| KeyError::NotOnCurve)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    #[cfg(feature = "openssl")]
    return crate::libcrypto::sha256(bytes);
    #[cfg(not(feature = "openssl"))]
    rsa::sha2::Digest::finalize(rsa::sha2::Digest::chain_update(
        <rsa::sha2::Sha256 as rsa::sha2::Digest>::new(),
        bytes,
    ))
    .into()
}
