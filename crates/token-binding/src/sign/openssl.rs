//! Keys that OpenSSL signs with.

use std::fmt;

use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer as OpenSslSigner};
use zeroize::Zeroizing;

use super::Signer;
use crate::key::{P256_LENGTH, PublicKey, RsaPublicKey, TbEcPoint};
use crate::libcrypto::{reason, sha256, with_clean_queue};
use crate::{Error, KeyParameters};

/// A private key for any of the known key parameters. It is never printed.
#[derive(Clone)]
pub struct PrivateKey {
    secret: Secret,
    public: PublicKey,
}

#[derive(Clone)]
enum Secret {
    Rsa(PKey<Private>),
    Ec(EcKey<Private>),
}

impl PrivateKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`Error::PrivateKey`] when the key parameters are unknown, [`Error::Backend`] when OpenSSL failed.
    pub fn generate(key_parameters: KeyParameters) -> Result<Self, Error> {
        with_clean_queue(|| {
            let key = match key_parameters {
                KeyParameters::ECDSAP256 => EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
                    .and_then(|group| EcKey::generate(&group))
                    .and_then(PKey::from_ec_key),
                KeyParameters::RSA2048_PKCS1_5 | KeyParameters::RSA2048_PSS => {
                    Rsa::generate(2048).and_then(PKey::from_rsa)
                }
                _ => return Err(Error::PrivateKey { key_parameters }),
            };
            Self::new(key_parameters, key.map_err(failed_to("generate a key"))?)
        })
    }

    /// Reads a key from unencrypted PKCS#8 in PEM. An RSA key is good for either RSA algorithm, so that
    /// `key_parameters` chooses.
    ///
    /// # Errors
    /// [`Error::PrivateKey`] when there is no such key, or it's not good for `key_parameters`.
    pub fn from_pkcs8_pem(key_parameters: KeyParameters, pem: &str) -> Result<Self, Error> {
        with_clean_queue(|| {
            // Without this callback OpenSSL asks the terminal for the password of an encrypted key.
            let key = PKey::private_key_from_pem_callback(pem.as_bytes(), |_| Ok(0));
            Self::new(key_parameters, key.map_err(|_| Error::PrivateKey { key_parameters })?)
        })
    }

    /// Writes the key as unencrypted PKCS#8 in PEM.
    ///
    /// # Errors
    /// [`Error::Backend`] when OpenSSL failed.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, Error> {
        with_clean_queue(|| {
            let pem = match &self.secret {
                Secret::Rsa(key) => key.private_key_to_pem_pkcs8(),
                Secret::Ec(key) => {
                    PKey::from_ec_key(key.clone()).and_then(|key| key.private_key_to_pem_pkcs8())
                }
            };
            let pem = Zeroizing::new(pem.map_err(failed_to("write a key"))?);
            let not_text = Error::Backend { operation: "write a key", reason: "the PEM is not text" };
            str::from_utf8(&pem).map(|pem| Zeroizing::new(pem.to_owned())).map_err(|_| not_text)
        })
    }

    fn new(key_parameters: KeyParameters, key: PKey<Private>) -> Result<Self, Error> {
        let unfit = Error::PrivateKey { key_parameters };
        let (secret, public) = if key_parameters == KeyParameters::ECDSAP256 {
            let ec = key.ec_key().map_err(|_| unfit)?;
            let point = ec_point(&ec).map_err(failed_to("read a public key"))?.ok_or(unfit)?;
            (Secret::Ec(ec), PublicKey::EcdsaP256(point))
        } else {
            let rsa = key.rsa().map_err(|_| unfit)?;
            let public = RsaPublicKey::new(&rsa.n().to_vec(), &rsa.e().to_vec());
            let public = public.and_then(|key| PublicKey::of_rsa(key_parameters, key)).map_err(|_| unfit)?;
            (Secret::Rsa(key), public)
        };
        Ok(Self { secret, public })
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, Error> {
        with_clean_queue(|| match &self.secret {
            Secret::Ec(key) => sign_ecdsa(key, signed),
            Secret::Rsa(key) => sign_rsa(key, self.key_parameters(), signed),
        })
        .map_err(failed_to("sign"))
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("key_parameters", &self.key_parameters()).finish_non_exhaustive()
    }
}

/// The public point, if it's of P-256.
fn ec_point(key: &EcKey<Private>) -> Result<Option<TbEcPoint>, ErrorStack> {
    if key.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
        return Ok(None);
    }
    let mut context = BigNumContext::new()?;
    let sec1 = key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context)?;
    Ok(sec1.split_first().and_then(|(_, coordinates)| coordinates.try_into().ok()).map(TbEcPoint::new))
}

fn sign_ecdsa(key: &EcKey<Private>, signed: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    const HALF: i32 = P256_LENGTH as i32 / 2;
    let signature = EcdsaSig::sign(&sha256(signed), key)?;
    Ok([signature.r().to_vec_padded(HALF)?, signature.s().to_vec_padded(HALF)?].concat())
}

fn sign_rsa(
    key: &PKey<Private>,
    key_parameters: KeyParameters,
    signed: &[u8],
) -> Result<Vec<u8>, ErrorStack> {
    let mut signer = OpenSslSigner::new(MessageDigest::sha256(), key)?;
    if key_parameters == KeyParameters::RSA2048_PSS {
        signer.set_rsa_padding(Padding::PKCS1_PSS)?;
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32))?;
    }
    signer.sign_oneshot_to_vec(signed)
}

fn failed_to(operation: &'static str) -> impl Fn(ErrorStack) -> Error {
    move |errors| Error::Backend { operation, reason: reason(&errors) }
}
