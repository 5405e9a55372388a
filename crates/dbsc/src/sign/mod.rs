//! Keys and proofs of a client in software: what a browser does with its TPM, for command-line clients and for tests.

#[cfg(feature = "openssl")]
pub mod openssl;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;
mod signer;

pub use signer::Signer;
