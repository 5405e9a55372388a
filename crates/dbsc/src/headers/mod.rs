//! The header fields of the draft's "DBSC Formats": their names, and what they hold.
//!
//! All are structured fields (RFC 9651). Where a request has several lines of one field, the caller joins them with `, `
//! first, as RFC 9651 section 4.2 says; a second line of a field that holds one string is then refused.

mod challenge;
mod field;
mod names;
mod registration;
mod request;
mod skipped;

pub use challenge::Challenge;
pub use names::{
    SEC_SECURE_SESSION_ID, SECURE_SESSION_CHALLENGE, SECURE_SESSION_REGISTRATION, SECURE_SESSION_RESPONSE,
    SECURE_SESSION_SKIPPED,
};
pub use registration::RegistrationOffer;
pub use request::{proof, quote, session_id};
pub use skipped::{SkipReason, Skipped};
