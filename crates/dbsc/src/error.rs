//! What can be wrong. A variant names a cause and carries small data, never what a peer sent.

use crate::Algorithm;
use crate::limits::MAX_PROOF_LENGTH;

/// Why a header field can't be read or printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The value is longer than it may be. It was not parsed.
    #[error("the header has {length} bytes, more than the {max} allowed")]
    TooLong {
        /// The value's length in bytes.
        length: usize,
        /// How many it may have.
        max: usize,
    },
    /// The value is empty, or an empty string.
    #[error("the header is empty")]
    Empty,
    /// The value is not the structured field that it should be (RFC 9651 section 4.2).
    #[error("the header is not a structured field of its type")]
    Malformed,
    /// The value is not a quoted string, and has a byte that the unquoted form can't have.
    #[error("the unquoted header has a byte that is not allowed there")]
    Unquoted,
    /// A text to print has characters that are no printable ASCII; a structured field's string has no others (RFC 9651
    /// section 3.3.3).
    #[error("{member} is not printable ASCII")]
    NotPrintable {
        /// What the text is.
        member: &'static str,
    },
    /// An offer names no algorithm.
    #[error("the offer names no algorithm")]
    NoAlgorithm,
}

/// What is wrong with a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The JWK is not a JSON object.
    #[error("it is not a JSON object")]
    Json,
    /// A member stands twice (RFC 7517 section 4).
    #[error("a member stands twice")]
    DuplicateMember,
    /// The JWK has a member of private or symmetric keys.
    #[error("it has the private member {member}")]
    Private {
        /// Its name.
        member: &'static str,
    },
    /// `kty` is neither `EC` nor `RSA`.
    #[error("its kty is neither EC nor RSA")]
    KeyType,
    /// `crv` is not `P-256`.
    #[error("its crv is not P-256")]
    Curve,
    /// A member of the key is missing or not a string.
    #[error("its member {member} is missing or not a string")]
    Member {
        /// Its name.
        member: &'static str,
    },
    /// A member is not base64url without padding (RFC 7518 section 2).
    #[error("its member {member} is not base64url without padding")]
    Encoding {
        /// Its name.
        member: &'static str,
    },
    /// `alg`, `use` or `key_ops` says that the key is for something else (RFC 7517 sections 4.2 to 4.4).
    #[error("its member {member} contradicts its use")]
    Contradiction {
        /// Its name.
        member: &'static str,
    },
    /// A coordinate does not have exactly 32 bytes (RFC 7518 section 6.2.1.2).
    #[error("its coordinate {member} does not have 32 bytes")]
    Coordinate {
        /// Its name.
        member: &'static str,
    },
    /// The coordinates are no point of the curve.
    #[error("its point is not on the curve P-256")]
    NotOnCurve,
    /// A number is empty or has leading zero bytes (RFC 7518 section 2, "Base64urlUInt").
    #[error("its member {member} is not encoded in as few bytes as possible")]
    NotMinimal {
        /// Its name.
        member: &'static str,
    },
    /// The modulus does not have 2048 to 4096 bits.
    #[error("its modulus does not have 2048 to 4096 bits")]
    ModulusSize,
    /// The modulus is even, which no product of two large primes is.
    #[error("its modulus is even")]
    ModulusEven,
    /// The public exponent is even, less than 3 or more than 2^32.
    #[error("its public exponent is not an odd number from 3 to 2^32")]
    ExponentRange,
    /// The bytes are none that `PublicKey::to_bytes` gave.
    #[error("its bytes are no key")]
    Bytes,
    /// The cryptographic library failed; nothing is known about the key.
    #[error("the cryptographic library failed to {operation}: {reason}")]
    Undecided {
        /// What it was asked to do.
        operation: &'static str,
        /// The library's static message.
        reason: &'static str,
    },
}

/// Whose fault it is that a proof was not accepted, for whoever answers the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no proof as the draft has it. Nothing was verified.
    Malformed,
    /// It is well-formed, and not signed by the key.
    Forged,
    /// The cryptographic library failed. A server answers 5xx: any other answer may end the session of an honest client.
    Undecided,
}

/// Why a proof was not accepted (the draft's "DBSC Proof JWT Syntax"). [`fault`](Self::fault) sorts the reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The proof is longer than [`MAX_PROOF_LENGTH`]. It was not decoded.
    #[error("the proof has {length} bytes, more than the {max} allowed", max = MAX_PROOF_LENGTH)]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The proof does not have three parts (RFC 7515 section 3.1).
    #[error("the proof does not have three parts")]
    Parts,
    /// A part is not base64url without padding (RFC 7515 section 2).
    #[error("the proof's {part} is not base64url without padding")]
    Encoding {
        /// `header`, `payload` or `signature`.
        part: &'static str,
    },
    /// A part is not a JSON object.
    #[error("the proof's {part} is not a JSON object")]
    Json {
        /// `header` or `payload`.
        part: &'static str,
    },
    /// A member stands twice (RFC 7515 section 4, RFC 7519 section 4).
    #[error("a member of the proof's {part} stands twice")]
    DuplicateMember {
        /// `header` or `payload`.
        part: &'static str,
    },
    /// `typ` is not `dbsc+jwt`.
    #[error("the proof's typ is not dbsc+jwt")]
    Type,
    /// `alg` is `none`. The draft allows it to clients without keys; it proves nothing.
    #[error("the proof is not signed: its alg is none")]
    Unsigned,
    /// `alg` is missing, or neither `ES256` nor `RS256`.
    #[error("the proof's alg is neither ES256 nor RS256")]
    Algorithm,
    /// There is a `crit`, and this crate knows no extension that it could name (RFC 7515 section 4.1.11).
    #[error("the proof has a crit")]
    Critical,
    /// A registration without `jwk`.
    #[error("the registration has no jwk")]
    NoKey,
    /// A refresh with `jwk`: the draft forbids it, so that it may be a registration's proof.
    #[error("the refresh has a jwk")]
    UnexpectedKey,
    /// The `jwk` is not acceptable.
    #[error("the proof's jwk is not acceptable: {0}")]
    Key(#[source] KeyError),
    /// `alg` is not the key's algorithm.
    #[error("the proof's alg is {used}, but the key is for {key}")]
    AlgorithmMismatch {
        /// The proof's `alg`.
        used: Algorithm,
        /// What the key is for.
        key: Algorithm,
    },
    /// `jti` is missing or not a string.
    #[error("the proof's jti is missing or not a string")]
    Challenge,
    /// `authorization` is not a string.
    #[error("the proof's authorization is not a string")]
    Authorization,
    /// The signature does not have as many bytes as the key's signatures have.
    #[error("the proof's signature has {length} bytes, not {expected}")]
    SignatureLength {
        /// How many it has.
        length: usize,
        /// How many it should have.
        expected: usize,
    },
    /// The signature does not verify.
    #[error("the proof's signature does not verify")]
    Forged,
    /// The cryptographic library failed; nothing is known about the proof.
    #[error("the cryptographic library failed to {operation}: {reason}")]
    Undecided {
        /// What it was asked to do.
        operation: &'static str,
        /// The library's static message.
        reason: &'static str,
    },
}

impl ProofError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Forged => Fault::Forged,
            Self::Undecided { .. } => Fault::Undecided,
            _ => Fault::Malformed,
        }
    }
}

impl From<KeyError> for ProofError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Undecided { operation, reason } => Self::Undecided { operation, reason },
            error => Self::Key(error),
        }
    }
}

/// Why a key can't be made or read, or can't sign. Only [`sign`](crate::sign) says this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// There is no unencrypted PKCS#8 key of P-256 or RSA.
    #[error("not an unencrypted PKCS#8 private key of P-256 or RSA")]
    PrivateKey,
    /// The key is outside the limits of [`PublicKey`](crate::PublicKey).
    #[error("the private key is not acceptable: {0}")]
    Key(#[from] KeyError),
    /// The cryptographic library failed.
    #[error("the cryptographic library failed to {operation}: {reason}")]
    Backend {
        /// What it was asked to do.
        operation: &'static str,
        /// The library's static message.
        reason: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_apart() {
        let undecided = KeyError::Undecided { operation: "load", reason: "malloc failure" };
        assert_eq!(ProofError::from(undecided).fault(), Fault::Undecided);
        assert_eq!(ProofError::from(KeyError::NotOnCurve).fault(), Fault::Malformed);
        assert_eq!(ProofError::Forged.fault(), Fault::Forged);
        assert_eq!(ProofError::Unsigned.fault(), Fault::Malformed);
    }

    #[test]
    fn texts_name_the_cause() {
        assert_eq!(
            ProofError::from(KeyError::Private { member: "d" }).to_string(),
            "the proof's jwk is not acceptable: it has the private member d"
        );
        assert_eq!(
            ProofError::TooLong { length: 9000 }.to_string(),
            "the proof has 9000 bytes, more than the 8192 allowed"
        );
    }
}
