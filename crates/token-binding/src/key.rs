//! Public keys as a `TokenBindingID` carries them (RFC 8471 section 3.2).

use crate::codec::Reader;
use crate::{KeyError, KeyParameters};

/// Bytes in a 2048-bit modulus, and in a signature made with it.
pub const RSA2048_LENGTH: usize = 256;
/// Bytes in a P-256 point (X, then Y), and in a signature of that curve (R, then S).
pub const P256_LENGTH: usize = 64;

/// `TokenBindingPublicKey`: a well-formed public key and the algorithm it is for.
///
/// Whether a point is on its curve is not known yet: that takes arithmetic, and the verifying backend does it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKey {
    /// A key for `rsa2048_pkcs1.5`.
    Rsa2048Pkcs1_5(RsaPublicKey),
    /// A key for `rsa2048_pss`.
    Rsa2048Pss(RsaPublicKey),
    /// A key for `ecdsap256`.
    EcdsaP256(TbEcPoint),
}

impl PublicKey {
    /// Reads the `key_length` bytes of a `TokenBindingID`. They must be used up.
    ///
    /// # Errors
    /// Which rule of the key's format they break; [`KeyError::UnknownKeyParameters`] when there is no format to try.
    pub fn parse(key_parameters: KeyParameters, bytes: &[u8]) -> Result<Self, KeyError> {
        match key_parameters {
            KeyParameters::RSA2048_PKCS1_5 | KeyParameters::RSA2048_PSS => {
                Self::of_rsa(key_parameters, RsaPublicKey::parse(bytes)?)
            }
            KeyParameters::ECDSAP256 => TbEcPoint::parse(bytes).map(Self::EcdsaP256),
            _ => Err(KeyError::UnknownKeyParameters),
        }
    }

    /// An RSA key for one of the two algorithms that it is good for.
    pub(crate) fn of_rsa(key_parameters: KeyParameters, key: RsaPublicKey) -> Result<Self, KeyError> {
        match key_parameters {
            KeyParameters::RSA2048_PKCS1_5 => Ok(Self::Rsa2048Pkcs1_5(key)),
            KeyParameters::RSA2048_PSS => Ok(Self::Rsa2048Pss(key)),
            _ => Err(KeyError::UnknownKeyParameters),
        }
    }

    /// The algorithm the key is for.
    #[must_use]
    pub const fn key_parameters(&self) -> KeyParameters {
        match self {
            Self::Rsa2048Pkcs1_5(_) => KeyParameters::RSA2048_PKCS1_5,
            Self::Rsa2048Pss(_) => KeyParameters::RSA2048_PSS,
            Self::EcdsaP256(_) => KeyParameters::ECDSAP256,
        }
    }

    /// How many bytes a signature of the key has.
    #[must_use]
    pub const fn signature_length(&self) -> usize {
        match self {
            Self::Rsa2048Pkcs1_5(_) | Self::Rsa2048Pss(_) => RSA2048_LENGTH,
            Self::EcdsaP256(_) => P256_LENGTH,
        }
    }

    /// The whole `TokenBindingID`: key parameters, `key_length` and the key.
    #[must_use]
    pub fn token_binding_id(&self) -> Vec<u8> {
        let mut id = vec![self.key_parameters().0];
        match self {
            Self::Rsa2048Pkcs1_5(key) | Self::Rsa2048Pss(key) => key.encode(&mut id),
            Self::EcdsaP256(point) => point.encode(&mut id),
        }
        id
    }
}

/// `RSAPublicKey` with a modulus of exactly 2048 bits, odd, and an odd exponent from 3 to 2^32.
///
/// RFC 8471 sets no limit to the exponent, but a large one makes a server work thousands of times longer for one
/// signature, and no key generator makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaPublicKey {
    modulus: [u8; RSA2048_LENGTH],
    exponent: u32,
}

impl RsaPublicKey {
    /// Takes modulus and exponent as big-endian numbers without leading zero bytes.
    ///
    /// # Errors
    /// Which of the two is outside the limits of this type, or has leading zero bytes.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let modulus: [u8; RSA2048_LENGTH] = modulus.try_into().map_err(|_| KeyError::ModulusSize)?;
        let [first, .., last] = modulus;
        if first < 0x80 {
            return Err(KeyError::ModulusSize);
        }
        if last % 2 == 0 {
            return Err(KeyError::ModulusEven);
        }
        Ok(Self { modulus, exponent: read_exponent(exponent)? })
    }

    fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let fields = Reader::read_all(bytes, "RSAPublicKey", |reader| {
            Ok((reader.opaque16("RSAPublicKey.modulus")?, reader.opaque8("RSAPublicKey.publicexponent")?))
        });
        let (modulus, exponent) = fields.map_err(|_| KeyError::Encoding)?;
        Self::new(modulus, exponent)
    }

    /// The modulus, big-endian. Its highest and its lowest bit are set.
    #[must_use]
    pub const fn modulus(&self) -> &[u8; RSA2048_LENGTH] {
        &self.modulus
    }

    /// The public exponent.
    #[must_use]
    pub const fn public_exponent(&self) -> u32 {
        self.exponent
    }

    fn encode(&self, out: &mut Vec<u8>) {
        const MODULUS_LENGTH: u16 = RSA2048_LENGTH as u16;
        let exponent = self.exponent.to_be_bytes();
        let leading_zeros = (self.exponent.leading_zeros() / 8) as u8;
        let exponent_length = exponent.len() as u8 - leading_zeros;
        let key_length = 2 + MODULUS_LENGTH + 1 + u16::from(exponent_length);
        out.extend(key_length.to_be_bytes());
        out.extend(MODULUS_LENGTH.to_be_bytes());
        out.extend(self.modulus);
        out.push(exponent_length);
        out.extend(exponent.into_iter().skip(leading_zeros.into()));
    }
}

/// An odd number from 3 to 2^32, which therefore has at most four bytes.
fn read_exponent(bytes: &[u8]) -> Result<u32, KeyError> {
    if matches!(bytes, [] | [0, ..]) {
        return Err(KeyError::ExponentEncoding);
    }
    if bytes.len() > size_of::<u32>() {
        return Err(KeyError::ExponentRange);
    }
    let exponent = bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    if exponent >= 3 && exponent % 2 == 1 { Ok(exponent) } else { Err(KeyError::ExponentRange) }
}

/// `TB_ECPoint` of the curve P-256: the X coordinate, then the Y coordinate, 32 bytes each, big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TbEcPoint([u8; P256_LENGTH]);

impl TbEcPoint {
    /// Takes X and Y. Whether they are a point of the curve is not checked here.
    #[must_use]
    pub const fn new(coordinates: [u8; P256_LENGTH]) -> Self {
        Self(coordinates)
    }

    fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let point = Reader::read_all(bytes, "TB_ECPoint", |reader| reader.opaque8("TB_ECPoint.point"));
        let point = point.map_err(|_| KeyError::Encoding)?;
        point.try_into().map(Self).map_err(|_| KeyError::PointSize)
    }

    /// X, then Y.
    #[must_use]
    pub const fn coordinates(&self) -> &[u8; P256_LENGTH] {
        &self.0
    }

    /// The point in SEC 1's uncompressed form, as cryptographic libraries read it.
    #[must_use]
    pub fn to_sec1(&self) -> [u8; 1 + P256_LENGTH] {
        const UNCOMPRESSED: u8 = 4;
        let mut sec1 = [UNCOMPRESSED; 1 + P256_LENGTH];
        let [_, coordinates @ ..] = &mut sec1;
        *coordinates = self.0;
        sec1
    }

    fn encode(&self, out: &mut Vec<u8>) {
        const POINT_LENGTH: u8 = P256_LENGTH as u8;
        let key_length = 1 + u16::from(POINT_LENGTH);
        out.extend(key_length.to_be_bytes());
        out.push(POINT_LENGTH);
        out.extend(self.0);
    }
}
