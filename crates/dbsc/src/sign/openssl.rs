//! Keys that OpenSSL signs with.

use std::fmt;

use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer as OpenSslSigner;
use zeroize::Zeroizing;

use super::signer::Signer;
use crate::libcrypto::{reason, sha256, with_clean_queue};
use crate::{Algorithm, PublicKey, SignError};

/// A private key of P-256 or RSA. It is never printed, and OpenSSL clears its memory.
#[derive(Clone)]
pub struct SigningKey {
    secret: Secret,
    public: PublicKey,
}

#[derive(Clone)]
enum Secret {
    Rsa(PKey<Private>),
    Ec(EcKey<Private>),
}

impl SigningKey {
    /// Makes a new key. An RSA key has 2048 bits.
    ///
    /// # Errors
    /// [`SignError::Backend`] when OpenSSL failed.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SignError> {
        with_clean_queue(|| {
            let key = match algorithm {
                Algorithm::Es256 => EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
                    .and_then(|group| EcKey::generate(&group))
                    .and_then(PKey::from_ec_key),
                Algorithm::Rs256 => Rsa::generate(2048).and_then(PKey::from_rsa),
            };
            Self::new(key.map_err(failed_to("generate a key"))?)
        })
    }

    /// Reads a key from unencrypted PKCS#8 in PEM.
    ///
    /// # Errors
    /// [`SignError::PrivateKey`] when there is none, [`SignError::Key`] when it is outside the limits.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, SignError> {
        with_clean_queue(|| {
            // Without this callback OpenSSL asks the terminal for the password of an encrypted key.
            let key = PKey::private_key_from_pem_callback(pem.as_bytes(), |_| Ok(0));
            Self::new(key.map_err(|_| SignError::PrivateKey)?)
        })
    }

    /// Writes the key as unencrypted PKCS#8 in PEM.
    ///
    /// # Errors
    /// [`SignError::Backend`] when OpenSSL failed.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SignError> {
        with_clean_queue(|| {
            let pem = self.pkey().and_then(|key| key.private_key_to_pem_pkcs8());
            let pem = Zeroizing::new(pem.map_err(failed_to("write a key"))?);
            let not_text = SignError::Backend { operation: "write a key", reason: "the PEM is not text" };
            str::from_utf8(&pem).map(|pem| Zeroizing::new(pem.to_owned())).map_err(|_| not_text)
        })
    }

    /// Reads a key from unencrypted PKCS#8 in DER.
    ///
    /// # Errors
    /// [`SignError::PrivateKey`] when there is none, [`SignError::Key`] when it is outside the limits.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, SignError> {
        with_clean_queue(|| Self::new(PKey::private_key_from_pkcs8(der).map_err(|_| SignError::PrivateKey)?))
    }

    /// Writes the key as unencrypted PKCS#8 in DER.
    ///
    /// # Errors
    /// [`SignError::Backend`] when OpenSSL failed.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, SignError> {
        with_clean_queue(|| {
            let der = self.pkey().and_then(|key| key.private_key_to_pkcs8());
            der.map(Zeroizing::new).map_err(failed_to("write a key"))
        })
    }

    fn pkey(&self) -> Result<PKey<Private>, ErrorStack> {
        match &self.secret {
            Secret::Rsa(key) => Ok(key.clone()),
            Secret::Ec(key) => PKey::from_ec_key(key.clone()),
        }
    }

    fn new(key: PKey<Private>) -> Result<Self, SignError> {
        if let Ok(rsa) = key.rsa() {
            let public = PublicKey::from_rsa(&rsa.n().to_vec(), &rsa.e().to_vec())?;
            return Ok(Self { secret: Secret::Rsa(key), public });
        }
        let ec = key.ec_key().map_err(|_| SignError::PrivateKey)?;
        let point = ec_point(&ec).map_err(failed_to("read a public key"))?.ok_or(SignError::PrivateKey)?;
        let public = PublicKey::from_point(point)?;
        Ok(Self { secret: Secret::Ec(ec), public })
    }
}

impl Signer for SigningKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, SignError> {
        with_clean_queue(|| match &self.secret {
            Secret::Ec(key) => sign_ecdsa(key, signed),
            Secret::Rsa(key) => OpenSslSigner::new(MessageDigest::sha256(), key)
                .and_then(|mut signer| signer.sign_oneshot_to_vec(signed)),
        })
        .map_err(failed_to("sign"))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// X and Y, if the key is one of P-256.
fn ec_point(key: &EcKey<Private>) -> Result<Option<[u8; 64]>, ErrorStack> {
    if key.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
        return Ok(None);
    }
    let mut context = BigNumContext::new()?;
    let sec1 = key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context)?;
    Ok(sec1.split_first().and_then(|(_, coordinates)| coordinates.try_into().ok()))
}

fn sign_ecdsa(key: &EcKey<Private>, signed: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let signature = EcdsaSig::sign(&sha256(signed), key)?;
    Ok([signature.r().to_vec_padded(32)?, signature.s().to_vec_padded(32)?].concat())
}

fn failed_to(operation: &'static str) -> impl Fn(ErrorStack) -> SignError {
    move |errors| SignError::Backend { operation, reason: reason(&errors) }
}
