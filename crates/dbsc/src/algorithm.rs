//! The signature algorithms of DBSC (the draft's `Secure-Session-Registration`, RFC 7518 section 3.1).

use std::fmt;
use std::str::FromStr;

/// A signature algorithm. The draft has a third, `none`, by which a client proves nothing: it is not one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
}

impl Algorithm {
    /// Both, the one that is cheaper for a client and its TPM first.
    pub const ALL: &[Self] = &[Self::Es256, Self::Rs256];

    /// The name in JOSE and in header fields.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = ParseAlgorithmError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name).ok_or(ParseAlgorithmError)
    }
}

/// A name that is neither `ES256` nor `RS256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the algorithm is neither ES256 nor RS256")]
pub struct ParseAlgorithmError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(*algorithm));
        }
        for other in ["", "es256", "ES256 ", "ES384", "PS256", "HS256", "none"] {
            assert_eq!(other.parse::<Algorithm>(), Err(ParseAlgorithmError));
        }
    }
}
