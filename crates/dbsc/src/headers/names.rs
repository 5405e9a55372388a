//! What the fields are called.

/// A response offers a registration: see [`RegistrationOffer`](super::RegistrationOffer).
pub const SECURE_SESSION_REGISTRATION: &str = "Secure-Session-Registration";
/// A request carries a proof: see [`proof`](super::proof()).
pub const SECURE_SESSION_RESPONSE: &str = "Secure-Session-Response";
/// A response gives a challenge for the next proof: see [`Challenge`](super::Challenge).
pub const SECURE_SESSION_CHALLENGE: &str = "Secure-Session-Challenge";
/// A refresh names its session: see [`session_id`](super::session_id).
pub const SEC_SECURE_SESSION_ID: &str = "Sec-Secure-Session-Id";
/// A request goes out without its cookie, and says why: see [`Skipped`](super::Skipped).
pub const SECURE_SESSION_SKIPPED: &str = "Secure-Session-Skipped";
