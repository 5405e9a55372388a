//! The protocol's numbers. Each is a newtype over what is on the wire: a number that this crate doesn't know is kept and
//! printed, and the caller decides what it means.

use std::fmt;
use std::str::FromStr;

/// `TokenBindingKeyParameters` (RFC 8471 section 3): the signature algorithm and key length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyParameters(pub u8);

impl KeyParameters {
    /// `rsa2048_pkcs1.5`: RSASSA-PKCS1-v1_5 with SHA-256 and a 2048-bit key.
    pub const RSA2048_PKCS1_5: Self = Self(0);
    /// `rsa2048_pss`: RSASSA-PSS with SHA-256, MGF1 with SHA-256, a 32-byte salt and a 2048-bit key.
    pub const RSA2048_PSS: Self = Self(1);
    /// `ecdsap256`: ECDSA with SHA-256 on the curve P-256.
    pub const ECDSAP256: Self = Self(2);

    /// Everything this crate can verify, in a server's default order of preference.
    pub const ALL_KNOWN: [Self; 3] = [Self::ECDSAP256, Self::RSA2048_PSS, Self::RSA2048_PKCS1_5];

    /// The IANA registry's description, for example `rsa2048_pkcs1.5`.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::RSA2048_PKCS1_5 => Some("rsa2048_pkcs1.5"),
            Self::RSA2048_PSS => Some("rsa2048_pss"),
            Self::ECDSAP256 => Some("ecdsap256"),
            _ => None,
        }
    }

    /// The key parameters of that name, in any case (ASCII).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL_KNOWN.into_iter().find(|known| known.name().is_some_and(|n| n.eq_ignore_ascii_case(name)))
    }

    /// Whether this crate can verify signatures made with these key parameters.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.name().is_some()
    }
}

impl fmt::Display for KeyParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown ({})", self.0),
        }
    }
}

/// `TokenBindingType` (RFC 8471 section 3.1): what a binding is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenBindingType(pub u8);

impl TokenBindingType {
    /// `provided_token_binding`: the key the client uses with this server.
    pub const PROVIDED: Self = Self(0);
    /// `referred_token_binding`: the key the client uses with another server, which a token asked for here is meant for.
    pub const REFERRED: Self = Self(1);

    /// Whether RFC 8471 defines this type.
    #[must_use]
    pub const fn is_known(self) -> bool {
        matches!(self, Self::PROVIDED | Self::REFERRED)
    }
}

impl fmt::Display for TokenBindingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::PROVIDED => f.write_str("provided"),
            Self::REFERRED => f.write_str("referred"),
            Self(other) => write!(f, "unknown ({other})"),
        }
    }
}

/// `TB_ProtocolVersion` (RFC 8472 section 2). Versions compare by major number, then by minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolVersion {
    /// The number before the dot. Drafts of the protocol have 0.
    pub major: u8,
    /// The number after the dot. It counts the drafts when `major` is 0.
    pub minor: u8,
}

impl ProtocolVersion {
    /// Version 1.0, RFC 8471: the newest there is.
    pub const V1_0: Self = Self { major: 1, minor: 0 };
    /// The oldest draft with the wire format of 1.0.
    pub const OLDEST: Self = Self { major: 0, minor: 13 };
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text is not a protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a protocol version: two numbers from 0 to 255 with a dot between them are expected, as in 1.0")]
pub struct ParseVersionError;

impl FromStr for ProtocolVersion {
    type Err = ParseVersionError;

    /// Reads `X.Y`: decimal digits only, no signs, no leading zeros, each number at most 255.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once('.').ok_or(ParseVersionError)?;
        Ok(Self { major: decimal(major)?, minor: decimal(minor)? })
    }
}

/// `u8::from_str`, but without the plus sign and the leading zeros it takes.
fn decimal(digits: &str) -> Result<u8, ParseVersionError> {
    let number: u8 = digits.parse().map_err(|_| ParseVersionError)?;
    if number.to_string() == digits { Ok(number) } else { Err(ParseVersionError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_parameters_have_the_registry_names() {
        for (number, name) in [(0, "rsa2048_pkcs1.5"), (1, "rsa2048_pss"), (2, "ecdsap256")] {
            let known = KeyParameters(number);
            assert_eq!(known.name(), Some(name));
            assert_eq!(known.to_string(), name);
            assert_eq!(KeyParameters::from_name(&name.to_uppercase()), Some(known));
            assert!(known.is_known() && KeyParameters::ALL_KNOWN.contains(&known));
        }
        for number in 3..=255 {
            let unknown = KeyParameters(number);
            assert!(!unknown.is_known());
            assert_eq!(unknown.to_string(), format!("unknown ({number})"));
        }
        for name in ["", "ecdsap384", "ecdsap256 ", "rsa2048_pkcs1_5"] {
            assert_eq!(KeyParameters::from_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn types_print() {
        assert_eq!(TokenBindingType::PROVIDED.to_string(), "provided");
        assert_eq!(TokenBindingType::REFERRED.to_string(), "referred");
        assert_eq!(TokenBindingType(77).to_string(), "unknown (77)");
        assert!(!TokenBindingType(2).is_known());
    }

    #[test]
    fn versions_order_and_print() {
        let version = |major, minor| ProtocolVersion { major, minor };
        assert!(
            version(0, 255) < version(1, 0)
                && version(0, 13) < version(0, 14)
                && version(1, 0) < version(1, 1)
        );
        for text in ["0.13", "1.0", "255.255", "0.0"] {
            assert_eq!(text.parse::<ProtocolVersion>().unwrap().to_string(), text);
        }
        assert_eq!("1.0".parse(), Ok(ProtocolVersion::V1_0));
        assert_eq!("0.13".parse(), Ok(ProtocolVersion::OLDEST));
    }

    #[test]
    fn versions_are_read_strictly() {
        for text in [
            "", ".", "1", "1.", ".0", "1.0.0", "01.0", "1.00", "+1.0", "1.+0", "-1.0", "256.0", "0.256",
            " 1.0", "1.0 ",
        ] {
            assert_eq!(text.parse::<ProtocolVersion>(), Err(ParseVersionError), "{text:?}");
        }
    }
}
