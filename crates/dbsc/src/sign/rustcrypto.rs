//! Keys that sign without OpenSSL. RSA signatures take a time that depends on the key (RUSTSEC-2023-0071).

use std::fmt;

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::Generate;
use p256::elliptic_curve::common::getrandom::SysRng;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rsa::sha2::Sha256;
use rsa::traits::PublicKeyParts;
use zeroize::Zeroizing;

use super::signer::Signer;
use crate::{Algorithm, PublicKey, SignError};

/// A private key of P-256 or RSA. It is never printed, and its memory is cleared.
#[derive(Clone)]
pub struct SigningKey {
    secret: Secret,
    public: PublicKey,
}

#[derive(Clone)]
enum Secret {
    Rsa(Box<rsa::PrivateKey>),
    Ec(SecretKey),
}

impl SigningKey {
    /// Makes a new key. An RSA key has 2048 bits.
    ///
    /// # Errors
    /// [`SignError::Backend`] when there is no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SignError> {
        let failed = no_randomness("generate a key");
        match algorithm {
            Algorithm::Es256 => Self::from_ec(SecretKey::try_generate().map_err(|_| failed)?),
            Algorithm::Rs256 => Self::from_rsa(rsa::PrivateKey::new(&mut SysRng, 2048).map_err(|_| failed)?),
        }
    }

    /// Reads a key from unencrypted PKCS#8 in PEM.
    ///
    /// # Errors
    /// [`SignError::PrivateKey`] when there is none, [`SignError::Key`] when it is outside the limits.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, SignError> {
        if let Ok(key) = SecretKey::from_pkcs8_pem(pem) {
            return Self::from_ec(key);
        }
        Self::from_rsa(rsa::PrivateKey::from_pkcs8_pem(pem).map_err(|_| SignError::PrivateKey)?)
    }

    /// Writes the key as unencrypted PKCS#8 in PEM.
    ///
    /// # Errors
    /// [`SignError::Backend`] when the key can't be encoded.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SignError> {
        let pem = match &self.secret {
            Secret::Rsa(key) => key.to_pkcs8_pem(LineEnding::LF),
            Secret::Ec(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map_err(|_| NOT_ENCODED)
    }

    /// Reads a key from unencrypted PKCS#8 in DER.
    ///
    /// # Errors
    /// [`SignError::PrivateKey`] when there is none, [`SignError::Key`] when it is outside the limits.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, SignError> {
        if let Ok(key) = SecretKey::from_pkcs8_der(der) {
            return Self::from_ec(key);
        }
        Self::from_rsa(rsa::PrivateKey::from_pkcs8_der(der).map_err(|_| SignError::PrivateKey)?)
    }

    /// Writes the key as unencrypted PKCS#8 in DER.
    ///
    /// # Errors
    /// [`SignError::Backend`] when the key can't be encoded.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, SignError> {
        let der = match &self.secret {
            Secret::Rsa(key) => key.to_pkcs8_der(),
            Secret::Ec(key) => key.to_pkcs8_der(),
        };
        Ok(der.map_err(|_| NOT_ENCODED)?.to_bytes())
    }

    fn from_ec(key: SecretKey) -> Result<Self, SignError> {
        let sec1 = key.public_key().to_sec1_bytes();
        let coordinates = sec1.split_first().and_then(|(_, coordinates)| coordinates.try_into().ok());
        let public = PublicKey::from_point(coordinates.ok_or(SignError::PrivateKey)?)?;
        Ok(Self { secret: Secret::Ec(key), public })
    }

    fn from_rsa(key: rsa::PrivateKey) -> Result<Self, SignError> {
        let public = PublicKey::from_rsa(&key.n_bytes(), &key.e_bytes())?;
        Ok(Self { secret: Secret::Rsa(Box::new(key)), public })
    }
}

impl Signer for SigningKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = no_randomness("sign");
        match &self.secret {
            Secret::Ec(key) => {
                let signature: p256::ecdsa::Signature =
                    p256::ecdsa::SigningKey::from(key).try_sign(signed).map_err(|_| failed)?;
                Ok(signature.to_bytes().to_vec())
            }
            Secret::Rsa(key) => key.pkcs1v15_sign::<Sha256>(signed).map_err(|_| failed),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

const NOT_ENCODED: SignError = SignError::Backend { operation: "write a key", reason: "it can't be encoded" };

/// With a key that has been checked, randomness is the one thing that can be missing.
const fn no_randomness(operation: &'static str) -> SignError {
    SignError::Backend { operation, reason: "no randomness" }
}
