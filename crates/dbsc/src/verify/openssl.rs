//! Signatures by the system's OpenSSL.

use openssl::bn::BigNum;
use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::{PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};

use super::backend::{SignatureBackend, SignatureError};
use crate::KeyError;
use crate::key::{Form, PublicKey};
use crate::libcrypto::{blame_input, load_point, reason, sha256, with_clean_queue};

/// The libcrypto that the `openssl` crate is linked to.
///
/// The calling thread's OpenSSL error queue is empty afterwards, whatever the verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenSsl;

impl SignatureBackend for OpenSsl {
    fn verify(&self, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        with_clean_queue(|| match key.form() {
            Form::P256(coordinates) => verify_ecdsa(&load_ec(coordinates)?, signed, signature),
            Form::Rsa { modulus, exponent } => {
                let key = load_rsa(modulus, *exponent).map_err(failed_to("load an RSA key"))?;
                verify_rsa(&key, signed, signature)
            }
        })
    }
}

fn verify_rsa(key: &PKey<Public>, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let mut context = prepare_rsa(key).map_err(failed_to("prepare an RSA verification"))?;
    verdict(context.verify(&sha256(signed), signature), "verify an RSA signature")
}

fn load_rsa(modulus: &[u8], exponent: u32) -> Result<PKey<Public>, ErrorStack> {
    PKey::from_rsa(Rsa::from_public_components(BigNum::from_slice(modulus)?, BigNum::from_u32(exponent)?)?)
}

fn prepare_rsa(key: &PKey<Public>) -> Result<PkeyCtx<Public>, ErrorStack> {
    let mut context = PkeyCtx::new(key)?;
    context.verify_init()?;
    context.set_rsa_padding(Padding::PKCS1)?;
    context.set_signature_md(Md::sha256())?;
    Ok(context)
}

/// The key's point is on the curve: that is what [`PublicKey`] means. OpenSSL looks again.
fn load_ec(coordinates: &[u8; 64]) -> Result<EcKey<Public>, SignatureError> {
    load_point(coordinates).map_err(|error| match error {
        KeyError::Undecided { operation, reason } => SignatureError::Undecided { operation, reason },
        _ => SignatureError::Invalid,
    })
}

fn verify_ecdsa(key: &EcKey<Public>, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let signature = load_ecdsa_signature(signature).map_err(failed_to("load an ECDSA signature"))?;
    verdict(signature.verify(&sha256(signed), key), "verify an ECDSA signature")
}

fn load_ecdsa_signature(signature: &[u8]) -> Result<EcdsaSig, ErrorStack> {
    let (r, s) = signature.split_at(signature.len() / 2);
    EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)
}

/// OpenSSL answers an invalid signature with "no", or with an error that says what it dislikes about it: an RSA padding,
/// or an ECDSA sum that is the point at infinity.
fn verdict(answer: Result<bool, ErrorStack>, operation: &'static str) -> Result<(), SignatureError> {
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => Err(SignatureError::Invalid),
        Err(errors) if blame_input(&errors) => Err(SignatureError::Invalid),
        Err(errors) => Err(failed_to(operation)(errors)),
    }
}

fn failed_to(operation: &'static str) -> impl Fn(ErrorStack) -> SignatureError {
    move |errors| SignatureError::Undecided { operation, reason: reason(&errors) }
}
