//! What a peer may send. Neither the draft nor RFC 7515 sets a limit.

/// How long a proof (the JWT of `Secure-Session-Response`) may be, in bytes. A longer one is refused before it's decoded.
///
/// A registration by an RSA key of 4096 bits has 2,000 bytes beside challenge and authorization, and httpd's own limit for
/// a header line is 8,190 unless an administrator raises it.
pub const MAX_PROOF_LENGTH: usize = 8 * 1024;

/// How long a session identifier may be, in bytes. One that holds a sealed RSA key of 4096 bits has less than 1,000.
pub const MAX_SESSION_ID_LENGTH: usize = 4 * 1024;

/// How long a list (offers, challenges, skipped sessions) may be, in bytes.
pub(crate) const MAX_LIST_LENGTH: usize = 16 * 1024;
