//! What a peer may send. These are lower than what the wire format has room for.

/// How long a `Sec-Token-Binding` value may be, in bytes. A longer one is refused before it's decoded.
///
/// The value of a client with two RSA keys has 1,500 bytes, and httpd's own limit for a header line is 8,190 unless an
/// administrator raises it.
pub const MAX_HEADER_LENGTH: usize = 16 * 1024;

/// How many bindings a message may have.
///
/// A client sends one or two. Each costs the server a signature check of about 100 microseconds, and the longest header
/// would have room for ninety: the cap keeps what one request can cost below two milliseconds.
pub const MAX_BINDINGS: usize = 16;
