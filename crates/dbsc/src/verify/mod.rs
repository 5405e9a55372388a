//! The libraries that check a signature.
//!
//! The rules are in the crate's root, once. A [`SignatureBackend`] only does the arithmetic of a single signature, so every
//! backend gives the same verdicts. `verify` of a proof takes OpenSSL where the crate has it, and else pure Rust.

mod backend;
#[cfg(feature = "openssl")]
mod openssl;
#[cfg(feature = "rustcrypto")]
mod rustcrypto;

pub use backend::{SignatureBackend, SignatureError};
#[cfg(feature = "openssl")]
pub use openssl::OpenSsl;
#[cfg(feature = "rustcrypto")]
pub use rustcrypto::RustCrypto;

/// The backend of whoever names none.
#[cfg(feature = "openssl")]
pub(crate) const DEFAULT: OpenSsl = OpenSsl;
/// The backend of whoever names none.
#[cfg(not(feature = "openssl"))]
pub(crate) const DEFAULT: RustCrypto = RustCrypto;
