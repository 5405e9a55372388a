//! The Token Binding protocol: what a TLS client proves about its keys, and how a server checks it.
//!
//! | room | what it holds | source |
//! |---|---|---|
//! | [`negotiate`] | the `token_binding` TLS extension, both sides | RFC 8472 |
//! | [`message`], [`key`] | the Token Binding message, not yet verified | RFC 8471 section 3 |
//! | [`verify`] | from a message to [`VerifiedBindings`](verify::VerifiedBindings) | RFC 8471 section 4.2 |
//! | [`sign`] | from private keys to a message | RFC 8471 section 4.1 |
//! | [`header`] | header names and their base64url | RFC 8473, draft-ietf-tokbind-ttrp |
//! | [`forwarded`] | what a reverse proxy says it has verified | draft-ietf-tokbind-ttrp |
//!
//! The root has what all of these use: wire numbers ([`KeyParameters`] and others), [`Ekm`] and errors. Each public name has
//! one path.
//!
//! The crate does no I/O and knows nothing of a web server. It needs two things of the TLS connection, which its caller
//! fetches: the extension's bytes and the exported keying material ([`Ekm`]).
//!
//! ```
//! # #[cfg(feature = "openssl")] {
//! use token_binding::verify::verify_header;
//! use token_binding::{Ekm, KeyParameters};
//!
//! // A request of a real Edge browser, and the TLS exporter's output on its connection.
//! let header = b"AIkAAgBBQJ5dTpA66QvSRCFhAf-5G4Xg_UbXiMZyBNvxNz3KgEfPcyhFTUMxa0vT4yc-oZKocTnWWkMd9voV\
//!     7ADQdaMI5zkAQASTZuLhUlwSYwjyYHx0rLrAYfXuxzep3wdecyRyvD1Y1wiV3OzurR2Ad6WW3M-FWxB5dON0c7UIiAV4c06C7KUAAA";
//! let ekm = Ekm::new([
//!     0xfc, 0xcb, 0xdf, 0x46, 0x1b, 0x8b, 0x3e, 0xd4, 0x33, 0x1c, 0x31, 0xda, 0x54, 0x00, 0xea, 0x37,
//!     0x16, 0x97, 0xf8, 0x46, 0x88, 0xeb, 0xb4, 0x76, 0x70, 0xe6, 0x4d, 0x2c, 0x96, 0x22, 0x9e, 0x86,
//! ]);
//!
//! let verified = verify_header(header, KeyParameters::ECDSAP256, &ekm)?;
//! assert!(verified.provided().base64url().starts_with("AgBBQJ5dTpA66QvS"));
//! assert!(verified.referred().is_none());
//!
//! // The same bytes on another connection prove nothing.
//! assert!(verify_header(header, KeyParameters::ECDSAP256, &Ekm::new([0; 32])).is_err());
//! # }
//! # Ok::<(), token_binding::Error>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod codec;
mod ekm;
mod enums;
mod error;
pub mod forwarded;
pub mod header;
pub mod key;
#[cfg(feature = "openssl")]
mod libcrypto;
mod limits;
pub mod message;
pub mod negotiate;
pub mod sign;
pub mod verify;

pub use ekm::{EKM_LENGTH, EXPORTER_LABEL, Ekm};
pub use enums::{KeyParameters, ParseVersionError, ProtocolVersion, TokenBindingType};
pub use error::{AnswerError, Error, KeyError};
