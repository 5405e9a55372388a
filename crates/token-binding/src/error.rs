//! What can be wrong. A variant names a cause and carries small data, never bytes that a peer sent.

use crate::limits::{MAX_BINDINGS, MAX_HEADER_LENGTH};
use crate::{KeyParameters, ProtocolVersion, TokenBindingType};

/// Why a message, a header or an extension was not accepted, or could not be made.
///
/// The text of each is one sentence for a server's log. Everything is the peer's fault, except where
/// [`is_internal`](Self::is_internal) says otherwise and except [`PrivateKey`](Self::PrivateKey), which only signing
/// knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The header is longer than [`MAX_HEADER_LENGTH`](crate::header::MAX_HEADER_LENGTH). It was not decoded.
    #[error("the header has {length} bytes, more than the {max} allowed", max = MAX_HEADER_LENGTH)]
    HeaderTooLong {
        /// The header value's length in bytes.
        length: usize,
    },
    /// The header is not base64url without padding and white space (RFC 8473 section 2).
    #[error("the header is not base64url without padding")]
    HeaderEncoding,

    /// The bytes end before a field does.
    #[error("{field} runs past the end of what holds it")]
    Truncated {
        /// The field's name in the RFC.
        field: &'static str,
    },
    /// There are bytes left after the last field of a structure.
    #[error("{field} is followed by bytes that belong to nothing")]
    TrailingBytes {
        /// The structure's name in the RFC.
        field: &'static str,
    },
    /// A length field holds a number that the RFC doesn't allow there.
    #[error("{field} has a length that its type does not allow")]
    LengthMismatch {
        /// The field's name in the RFC.
        field: &'static str,
    },

    /// No provided binding in the message (RFC 8473 section 2).
    #[error("the message has no provided binding")]
    NoProvided,
    /// More than one provided binding in the message (RFC 8473 section 2).
    #[error("the message has more than one provided binding")]
    MultipleProvided,
    /// More than one referred binding in the message (RFC 8473 section 2).
    #[error("the message has more than one referred binding")]
    MultipleReferred,
    /// More than [`MAX_BINDINGS`](crate::message::MAX_BINDINGS) bindings in the message.
    #[error("the message has more than {max} bindings", max = MAX_BINDINGS)]
    TooManyBindings,
    /// The provided binding's key parameters are not the negotiated ones (RFC 8471 section 4.2).
    #[error("the provided binding uses {used}, but {negotiated} was negotiated")]
    KeyParametersMismatch {
        /// What the TLS handshake settled.
        negotiated: KeyParameters,
        /// What the provided binding has.
        used: KeyParameters,
    },
    /// A provided or referred binding's public key is not one its key parameters allow (RFC 8471 section 3.2).
    #[error("a public key is invalid: {0}")]
    InvalidKey(#[from] KeyError),
    /// A signature does not verify: made with another key, for another connection or type, or not a signature at all.
    #[error("the signature of the {binding} binding is not valid for this connection")]
    BadSignature {
        /// Which binding it is.
        binding: TokenBindingType,
    },

    /// A server's answer breaks the rules for it. The client ends the handshake with `unsupported_extension`.
    #[error("the server's token_binding answer is not acceptable: {0}")]
    UnsupportedExtension(#[from] AnswerError),

    /// A private key can't be read, or doesn't fit the key parameters asked for. Only signing says this.
    #[error("not a private key for {key_parameters}")]
    PrivateKey {
        /// What the key should have been good for.
        key_parameters: KeyParameters,
    },
    /// The cryptographic library failed; nothing is known about the signature.
    #[error("the cryptographic library failed to {operation}: {reason}")]
    Backend {
        /// What it was asked to do.
        operation: &'static str,
        /// The library's static message.
        reason: &'static str,
    },
}

impl Error {
    /// Whether the fault is on this side, and so says nothing about the peer's bytes.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        matches!(self, Self::Backend { .. })
    }
}

/// What is wrong with a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No public key format is known for these key parameters.
    #[error("its key parameters are unknown")]
    UnknownKeyParameters,
    /// The lengths in the key don't add up to `key_length`.
    #[error("the lengths inside it do not add up")]
    Encoding,
    /// The modulus does not have exactly 2048 bits, or starts with a zero byte.
    #[error("its RSA modulus does not have 2048 bits")]
    ModulusSize,
    /// The modulus is even, which no product of two large primes is.
    #[error("its RSA modulus is even")]
    ModulusEven,
    /// The public exponent is empty or starts with a zero byte.
    #[error("its RSA public exponent is not encoded in as few bytes as possible")]
    ExponentEncoding,
    /// The public exponent is even, less than 3 or more than 2^32.
    #[error("its RSA public exponent is not an odd number from 3 to 2^32")]
    ExponentRange,
    /// The point does not have 64 bytes.
    #[error("its EC point does not have 64 bytes")]
    PointSize,
    /// The point's coordinates are no point of the curve.
    #[error("its EC point is not on the curve P-256")]
    NotOnCurve,
}

/// What is wrong with a server's answer to the client's `token_binding` extension (RFC 8472 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The version is higher than the client's.
    #[error("version {answered} is higher than the offered {offered}")]
    VersionTooHigh {
        /// The client's version.
        offered: ProtocolVersion,
        /// The server's version.
        answered: ProtocolVersion,
    },
    /// There is more than one key parameters identifier.
    #[error("it has more than one key parameters identifier")]
    SeveralKeyParameters,
    /// The client did not offer these key parameters.
    #[error("key parameters {0} were not offered")]
    KeyParametersNotOffered(KeyParameters),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_library_is_our_fault() {
        assert!(Error::Backend { operation: "verify", reason: "malloc failure" }.is_internal());
        for fault in [
            Error::HeaderEncoding,
            Error::NoProvided,
            Error::InvalidKey(KeyError::NotOnCurve),
            Error::BadSignature { binding: TokenBindingType::PROVIDED },
        ] {
            assert!(!fault.is_internal());
        }
    }

    #[test]
    fn texts_name_the_cause() {
        let mismatch =
            Error::KeyParametersMismatch { negotiated: KeyParameters::ECDSAP256, used: KeyParameters(88) };
        assert_eq!(
            mismatch.to_string(),
            "the provided binding uses unknown (88), but ecdsap256 was negotiated"
        );
        assert_eq!(
            Error::HeaderTooLong { length: 20_000 }.to_string(),
            "the header has 20000 bytes, more than the 16384 allowed"
        );
    }
}
