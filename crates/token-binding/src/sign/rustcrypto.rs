//! Keys that sign without OpenSSL.

use std::fmt;

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate;
use p256::elliptic_curve::common::getrandom::SysRng;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rsa::sha2::Sha256;
use rsa::traits::PublicKeyParts;
use zeroize::Zeroizing;

use super::Signer;
use crate::key::{PublicKey, RsaPublicKey, TbEcPoint};
use crate::{Error, KeyParameters};

/// A private key for any of the known key parameters. It is never printed.
#[derive(Clone)]
pub struct PrivateKey {
    secret: Secret,
    public: PublicKey,
}

#[derive(Clone)]
enum Secret {
    Rsa(Box<rsa::PrivateKey>),
    Ec(SecretKey),
}

impl PrivateKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`Error::PrivateKey`] when the key parameters are unknown, [`Error::Backend`] when there is no randomness.
    pub fn generate(key_parameters: KeyParameters) -> Result<Self, Error> {
        const OPERATION: &str = "generate a key";
        match key_parameters {
            KeyParameters::ECDSAP256 => {
                Self::from_ec(SecretKey::try_generate().map_err(|_| no_randomness(OPERATION))?)
            }
            KeyParameters::RSA2048_PKCS1_5 | KeyParameters::RSA2048_PSS => {
                let key = rsa::PrivateKey::new(&mut SysRng, 2048).map_err(|_| no_randomness(OPERATION))?;
                Self::from_rsa(key_parameters, key)
            }
            _ => Err(Error::PrivateKey { key_parameters }),
        }
    }

    /// Reads a key from unencrypted PKCS#8 in PEM. An RSA key is good for either RSA algorithm, so that
    /// `key_parameters` chooses.
    ///
    /// # Errors
    /// [`Error::PrivateKey`] when there is no such key, or it's not good for `key_parameters`.
    pub fn from_pkcs8_pem(key_parameters: KeyParameters, pem: &str) -> Result<Self, Error> {
        let unfit = Error::PrivateKey { key_parameters };
        if key_parameters == KeyParameters::ECDSAP256 {
            Self::from_ec(SecretKey::from_pkcs8_pem(pem).map_err(|_| unfit)?)
        } else {
            Self::from_rsa(key_parameters, rsa::PrivateKey::from_pkcs8_pem(pem).map_err(|_| unfit)?)
        }
    }

    /// Writes the key as unencrypted PKCS#8 in PEM.
    ///
    /// # Errors
    /// [`Error::Backend`] when the key can't be encoded.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, Error> {
        let pem = match &self.secret {
            Secret::Rsa(key) => key.to_pkcs8_pem(LineEnding::LF),
            Secret::Ec(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map_err(|_| Error::Backend { operation: "write a key", reason: "it can't be encoded" })
    }

    fn from_ec(key: SecretKey) -> Result<Self, Error> {
        let unfit = Error::PrivateKey { key_parameters: KeyParameters::ECDSAP256 };
        let sec1 = key.public_key().to_sec1_bytes();
        let coordinates = sec1.split_first().and_then(|(_, coordinates)| coordinates.try_into().ok());
        let public = PublicKey::EcdsaP256(TbEcPoint::new(coordinates.ok_or(unfit)?));
        Ok(Self { secret: Secret::Ec(key), public })
    }

    fn from_rsa(key_parameters: KeyParameters, key: rsa::PrivateKey) -> Result<Self, Error> {
        let unfit = Error::PrivateKey { key_parameters };
        let public = RsaPublicKey::new(&key.n_bytes(), &key.e_bytes());
        let public = public.and_then(|key| PublicKey::of_rsa(key_parameters, key)).map_err(|_| unfit)?;
        Ok(Self { secret: Secret::Rsa(Box::new(key)), public })
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, Error> {
        const OPERATION: &str = "sign";
        match &self.secret {
            Secret::Ec(key) => {
                let signature: Signature =
                    SigningKey::from(key).try_sign(signed).map_err(|_| no_randomness(OPERATION))?;
                Ok(signature.to_bytes().to_vec())
            }
            Secret::Rsa(key) if self.key_parameters() == KeyParameters::RSA2048_PSS => {
                key.pss_sign::<Sha256>(signed).map_err(|_| no_randomness(OPERATION))
            }
            Secret::Rsa(key) => key.pkcs1v15_sign::<Sha256>(signed).map_err(|_| no_randomness(OPERATION)),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("key_parameters", &self.key_parameters()).finish_non_exhaustive()
    }
}

/// With a key that has been checked, randomness is the one thing that can be missing.
const fn no_randomness(operation: &'static str) -> Error {
    Error::Backend { operation, reason: "no randomness" }
}
