//! Signatures by the system's OpenSSL.

use std::sync::OnceLock;

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcGroupRef, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign::RsaPssSaltlen;

use super::signature::{SignatureBackend, SignatureError};
use crate::KeyError;
use crate::key::{PublicKey, RsaPublicKey, TbEcPoint};
use crate::libcrypto::{blame_input, reason, sha256, with_clean_queue};

/// The libcrypto that the `openssl` crate is linked to.
///
/// The calling thread's OpenSSL error queue is empty afterwards, whatever the verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenSsl;

impl SignatureBackend for OpenSsl {
    fn verify(&self, key: &PublicKey, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        with_clean_queue(|| match key {
            PublicKey::Rsa2048Pkcs1_5(key) => {
                verify_rsa(key, signed, signature, |context| context.set_rsa_padding(Padding::PKCS1))
            }
            // MGF1's digest is the signature's unless it's set.
            PublicKey::Rsa2048Pss(key) => verify_rsa(key, signed, signature, |context| {
                context.set_rsa_padding(Padding::PKCS1_PSS)?;
                context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32))
            }),
            PublicKey::EcdsaP256(key) => verify_ecdsa(key, signed, signature),
        })
    }
}

fn verify_rsa(
    key: &RsaPublicKey,
    signed: &[u8],
    signature: &[u8],
    set_scheme: impl FnOnce(&mut PkeyCtx<Public>) -> Result<(), ErrorStack>,
) -> Result<(), SignatureError> {
    let key = load_rsa(key).map_err(failed_to("load an RSA key"))?;
    let mut context = prepare_rsa(&key, set_scheme).map_err(failed_to("prepare an RSA verification"))?;
    verdict(context.verify(&sha256(signed), signature), "verify an RSA signature")
}

fn load_rsa(key: &RsaPublicKey) -> Result<PKey<Public>, ErrorStack> {
    let modulus = BigNum::from_slice(key.modulus())?;
    let exponent = BigNum::from_u32(key.public_exponent())?;
    PKey::from_rsa(Rsa::from_public_components(modulus, exponent)?)
}

fn prepare_rsa(
    key: &PKey<Public>,
    set_scheme: impl FnOnce(&mut PkeyCtx<Public>) -> Result<(), ErrorStack>,
) -> Result<PkeyCtx<Public>, ErrorStack> {
    let mut context = PkeyCtx::new(key)?;
    context.verify_init()?;
    set_scheme(&mut context)?;
    context.set_signature_md(Md::sha256())?;
    Ok(context)
}

fn verify_ecdsa(key: &TbEcPoint, signed: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let group = p256().map_err(failed_to("load the curve P-256"))?;
    let key = load_ec(group, key)?;
    let signature = load_ecdsa_signature(signature).map_err(failed_to("load an ECDSA signature"))?;
    verdict(signature.verify(&sha256(signed), &key), "verify an ECDSA signature")
}

/// The curve, made once: that takes as long as a fifth of a verification.
fn p256() -> Result<&'static EcGroupRef, ErrorStack> {
    static P256: OnceLock<EcGroup> = OnceLock::new();
    if let Some(group) = P256.get() {
        return Ok(group);
    }
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(P256.get_or_init(|| group))
}

/// A key on the curve. `EC_POINT_oct2point` checks that, and P-256 has no other points than those of its prime order, so
/// the slow `EC_KEY_check_key` would find nothing more.
fn load_ec(group: &EcGroupRef, key: &TbEcPoint) -> Result<EcKey<Public>, SignatureError> {
    let failed = failed_to("load an EC key");
    let mut context = BigNumContext::new().map_err(&failed)?;
    let point = EcPoint::from_bytes(group, &key.to_sec1(), &mut context).map_err(|errors| {
        if blame_input(&errors) { SignatureError::InvalidKey(KeyError::NotOnCurve) } else { failed(errors) }
    })?;
    EcKey::from_public_key(group, &point).map_err(failed)
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
    move |errors| SignatureError::Backend { operation, reason: reason(&errors) }
}
