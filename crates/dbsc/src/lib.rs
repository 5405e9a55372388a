//! The server's side of Device Bound Session Credentials (DBSC): what a browser proves about a session's key, and how a
//! server asks for it and checks it.
//!
//! | room | what it holds | section of the draft |
//! |---|---|---|
//! | [`headers`] | the five header fields, printed and parsed | "DBSC Formats" |
//! | [`Registration`], [`Refresh`] | from a proof (a JWT) to what it proves | "DBSC Proof JWT Syntax" |
//! | [`PublicKey`], [`Thumbprint`] | a session's key, and its name | RFC 7517, RFC 7638 |
//! | [`instructions`] | the JSON that starts, changes or ends a session | "JSON Session Instruction Format" |
//! | [`verify`] | the libraries that check a signature | RFC 7518 section 3 |
//! | [`sign`] | keys and proofs of a client in software | |
//!
//! The draft is <https://w3c.github.io/webappsec-dbsc/>. The crate does no I/O, has no clock and no randomness, except where
//! [`sign`] makes a key. Challenges and session identifiers are the caller's: to this crate they are text.
//!
//! ```
//! # #[cfg(feature = "openssl")] {
//! use dbsc::headers::{Challenge, RegistrationOffer};
//! use dbsc::sign::{Signer, openssl::SigningKey};
//! use dbsc::{Algorithm, UnverifiedRefresh, UnverifiedRegistration};
//!
//! // The server, at a login: `Secure-Session-Registration`.
//! let offer = RegistrationOffer::new(vec![Algorithm::Es256, Algorithm::Rs256], "/dbsc/register", "c1");
//! assert_eq!(offer.to_header()?, r#"(ES256 RS256);path="/dbsc/register";challenge="c1""#);
//!
//! // The browser makes a key and answers with `Secure-Session-Response`.
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! let response = key.registration_proof("c1", None)?;
//!
//! // The server: the challenge first, which costs little, and then the signature.
//! let proof = UnverifiedRegistration::parse(&response)?;
//! assert_eq!(proof.challenge(), "c1");
//! let registered = proof.verify()?.key;
//!
//! // When the short-lived cookie has run out: 403 with `Secure-Session-Challenge`, and a proof by the same key.
//! assert_eq!(Challenge::new("c2", "session").to_header()?, r#""c2";id="session""#);
//! let proof = key.refresh_proof("c2")?;
//! assert_eq!(UnverifiedRefresh::parse(&proof)?.verify(&registered)?.challenge, "c2");
//!
//! // Nobody else's key will do.
//! let thief = SigningKey::generate(Algorithm::Es256)?.refresh_proof("c2")?;
//! assert!(UnverifiedRefresh::parse(&thief)?.verify(&registered).is_err());
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod algorithm;
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
mod arithmetic;
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
mod base64url;
mod error;
pub mod headers;
pub mod instructions;
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
mod json;
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
mod jwk;
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
mod jwt;
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
mod key;
#[cfg(feature = "openssl")]
mod libcrypto;
mod limits;
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
mod proof;
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
pub mod sign;
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
pub mod verify;

pub use algorithm::{Algorithm, ParseAlgorithmError};
pub use error::{Fault, HeaderError, KeyError, ProofError, SignError};
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
pub use key::{PublicKey, Thumbprint};
pub use limits::{MAX_PROOF_LENGTH, MAX_SESSION_ID_LENGTH};
#[cfg(any(feature = "openssl", feature = "rustcrypto"))]
pub use proof::{Refresh, Registration, UnverifiedRefresh, UnverifiedRegistration};
