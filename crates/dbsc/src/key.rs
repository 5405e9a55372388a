//! A session's public key, and the names and forms it goes by.

use std::fmt;

use crate::arithmetic::check_point;
use crate::{Algorithm, KeyError, base64url};

const P256_TAG: u8 = 1;
const RSA_TAG: u8 = 2;

const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A session's public key: a point of P-256 for ES256, or an RSA key for RS256.
///
/// The point is on the curve. The modulus is odd and has 2048 to 4096 bits; the exponent is odd, from 3 to 2^32. RFC 7518
/// sets no limit to either, but a large one makes a server work thousands of times longer for one signature.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey(Form);

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// X, then Y, big-endian.
    P256([u8; 64]),
    /// The modulus is big-endian and begins with no zero byte.
    Rsa { modulus: Box<[u8]>, exponent: u32 },
}

impl PublicKey {
    pub(crate) fn from_point(coordinates: [u8; 64]) -> Result<Self, KeyError> {
        check_point(&coordinates)?;
        Ok(Self(Form::P256(coordinates)))
    }

    /// Takes modulus and exponent as big-endian numbers without leading zero bytes.
    pub(crate) fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let bits = match modulus {
            [] | [0, ..] => return Err(KeyError::NotMinimal { member: "n" }),
            [first, ..] => modulus.len() * 8 - first.leading_zeros() as usize,
        };
        if !MODULUS_BITS.contains(&bits) {
            return Err(KeyError::ModulusSize);
        }
        if modulus.last().is_none_or(|last| last % 2 == 0) {
            return Err(KeyError::ModulusEven);
        }
        Ok(Self(Form::Rsa { modulus: modulus.into(), exponent: read_exponent(exponent)? }))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, and checks all of it again.
    ///
    /// # Errors
    /// [`KeyError::Bytes`], which rule the key breaks, or [`KeyError::Undecided`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes {
            [P256_TAG, coordinates @ ..] => {
                Self::from_point(coordinates.try_into().map_err(|_| KeyError::Bytes)?)
            }
            [RSA_TAG, a, b, c, d, modulus @ ..] => {
                let exponent = [*a, *b, *c, *d];
                let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
                Self::from_rsa(modulus, exponent.get(zeros..).unwrap_or_default())
            }
            _ => Err(KeyError::Bytes),
        }
    }

    /// The key in few bytes, to be kept in a session identifier: 65 for P-256; 5 and the modulus for RSA. This crate's
    /// own form: a 1, X and Y; or a 2, the exponent in four bytes, and the modulus.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Form::P256(coordinates) => [&[P256_TAG], &coordinates[..]].concat(),
            Form::Rsa { modulus, exponent } => [&[RSA_TAG], &exponent.to_be_bytes()[..], modulus].concat(),
        }
    }

    /// The algorithm that the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match &self.0 {
            Form::P256(_) => Algorithm::Es256,
            Form::Rsa { .. } => Algorithm::Rs256,
        }
    }

    /// How many bytes a signature of the key has (RFC 7518 section 3.4, RFC 8017 section 8.2.1).
    #[must_use]
    pub fn signature_length(&self) -> usize {
        match &self.0 {
            Form::P256(_) => 64,
            Form::Rsa { modulus, .. } => modulus.len(),
        }
    }

    pub(crate) const fn form(&self) -> &Form {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey")
            .field("algorithm", &self.algorithm())
            .field("bytes", &base64url::encode(self.to_bytes()))
            .finish()
    }
}

/// An odd number from 3 to 2^32, which therefore has at most four bytes.
fn read_exponent(bytes: &[u8]) -> Result<u32, KeyError> {
    if matches!(bytes, [] | [0, ..]) {
        return Err(KeyError::NotMinimal { member: "e" });
    }
    if bytes.len() > size_of::<u32>() {
        return Err(KeyError::ExponentRange);
    }
    let exponent = bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    if exponent >= 3 && exponent % 2 == 1 { Ok(exponent) } else { Err(KeyError::ExponentRange) }
}

/// A key's name: the SHA-256 of its JWK (RFC 7638). It is public, and displayed as base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Takes a thumbprint that was kept.
    #[must_use]
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base64url::encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modulus(bits: usize) -> Vec<u8> {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] >>= modulus.len() * 8 - bits;
        modulus
    }

    #[test]
    fn a_modulus_has_limits() {
        for bits in [2048, 2049, 2055, 3072, 4095, 4096] {
            let key = PublicKey::from_rsa(&modulus(bits), &[1, 0, 1]).unwrap();
            assert_eq!(key.signature_length(), bits.div_ceil(8));
            assert_eq!(key.algorithm(), Algorithm::Rs256);
            assert_eq!(PublicKey::from_bytes(&key.to_bytes()), Ok(key));
        }
        for bits in [8, 1024, 2047, 4097, 8192] {
            assert_eq!(PublicKey::from_rsa(&modulus(bits), &[3]), Err(KeyError::ModulusSize));
        }
        for wrong in [vec![], [vec![0], modulus(2048)].concat()] {
            assert_eq!(PublicKey::from_rsa(&wrong, &[3]), Err(KeyError::NotMinimal { member: "n" }));
        }
        let mut even = modulus(2048);
        even[255] = 0xfe;
        assert_eq!(PublicKey::from_rsa(&even, &[3]), Err(KeyError::ModulusEven));
    }

    #[test]
    fn an_exponent_has_limits() {
        for exponent in [&[3][..], &[1, 0, 1], &[0xff; 4]] {
            let key = PublicKey::from_rsa(&modulus(2048), exponent).unwrap();
            assert_eq!(PublicKey::from_bytes(&key.to_bytes()), Ok(key));
        }
        for exponent in [&[1][..], &[2], &[4], &[1, 0, 0], &[1, 0, 0, 0, 0], &[1, 0, 0, 0, 1]] {
            assert_eq!(PublicKey::from_rsa(&modulus(2048), exponent), Err(KeyError::ExponentRange));
        }
        for exponent in [&[][..], &[0], &[0, 3]] {
            let expected = Err(KeyError::NotMinimal { member: "e" });
            assert_eq!(PublicKey::from_rsa(&modulus(2048), exponent), expected);
        }
    }

    #[test]
    fn bytes_that_are_no_key() {
        for bytes in [&[][..], &[0; 65], &[3; 65], &[P256_TAG; 64], &[P256_TAG; 66], &[RSA_TAG, 0, 1, 0]] {
            assert_eq!(PublicKey::from_bytes(bytes), Err(KeyError::Bytes));
        }
        assert_eq!(PublicKey::from_bytes(&[P256_TAG; 65]), Err(KeyError::NotOnCurve));
        assert_eq!(PublicKey::from_bytes(&[RSA_TAG, 0, 0, 0, 0]), Err(KeyError::NotMinimal { member: "n" }));
    }
}
