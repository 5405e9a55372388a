//! From a message to what it proves (RFC 8471 section 4.2, RFC 8473 section 2).
//!
//! The rules are here, once. A [`SignatureBackend`] only does the arithmetic of a single signature, so every backend
//! gives the same verdicts.

#[cfg(feature = "openssl")]
mod openssl;
#[cfg(feature = "rustcrypto")]
mod rustcrypto;
mod signature;
mod verified;

use zeroize::Zeroizing;

use crate::key::PublicKey;
use crate::message::{TokenBinding, TokenBindingMessage};
use crate::{EKM_LENGTH, Ekm, Error, KeyParameters, TokenBindingType};

#[cfg(feature = "openssl")]
pub use openssl::OpenSsl;
#[cfg(feature = "rustcrypto")]
pub use rustcrypto::RustCrypto;
pub use signature::{SignatureBackend, SignatureError};
pub use verified::{VerifiedBindings, VerifiedId, VerifiedOther};

/// Bytes that a signature signs: type, key parameters and EKM (RFC 8471 section 3.3).
const SIGNED_LENGTH: usize = 2 + EKM_LENGTH;

/// Verifies the value of a `Sec-Token-Binding` header, with OpenSSL.
///
/// `negotiated` and `ekm` are those of the connection that the request came on. The message is valid for no other.
///
/// # Errors
/// What is wrong with the header, or [`Error::Backend`] when OpenSSL failed.
#[cfg(feature = "openssl")]
pub fn verify_header(header: &[u8], negotiated: KeyParameters, ekm: &Ekm) -> Result<VerifiedBindings, Error> {
    let bytes = crate::header::decode(header)?;
    let message = TokenBindingMessage::parse(&bytes)?;
    verify_message(&OpenSsl, &message, negotiated, ekm)
}

/// Verifies a message. Cheap checks come first, over the whole message; then signatures.
///
/// - There is exactly one provided binding, and its key parameters are the negotiated ones.
/// - There is at most one referred binding. It is not reported when its key parameters are unknown.
/// - The signatures of both are valid.
/// - A binding of an unknown type is reported when its signature can be checked and is valid, and else ignored.
///
/// # Errors
/// Which of these the message breaks, or [`Error::Backend`] when the backend failed.
pub fn verify_message<B: SignatureBackend>(
    backend: &B,
    message: &TokenBindingMessage<'_>,
    negotiated: KeyParameters,
    ekm: &Ekm,
) -> Result<VerifiedBindings, Error> {
    let provided = at_most_one(message, TokenBindingType::PROVIDED, Error::MultipleProvided)?
        .ok_or(Error::NoProvided)?;
    let used = provided.tokenbindingid().key_parameters();
    if used != negotiated {
        return Err(Error::KeyParametersMismatch { negotiated, used });
    }
    let referred = at_most_one(message, TokenBindingType::REFERRED, Error::MultipleReferred)?
        .filter(|binding| binding.tokenbindingid().key_parameters().is_known());

    let provided = Claim::new(provided)?;
    let referred = referred.map(Claim::new).transpose()?;

    let provided = provided.verify(backend, ekm)?;
    let referred = referred.map(|claim| claim.verify(backend, ekm)).transpose()?;
    let others = verify_others(backend, message, ekm)?;
    Ok(VerifiedBindings::new(provided, referred, others))
}

/// Verifies one binding by itself, for a report on a message: the key and the signature of any type of binding.
///
/// Says nothing about the message. Only [`verify_message`] knows whether a server accepts that.
///
/// # Errors
/// [`Error::InvalidKey`], also for unknown key parameters, [`Error::BadSignature`], or [`Error::Backend`].
pub fn verify_binding<B: SignatureBackend>(
    backend: &B,
    binding: &TokenBinding<'_>,
    ekm: &Ekm,
) -> Result<VerifiedId, Error> {
    Claim::new(binding)?.verify(backend, ekm)
}

fn at_most_one<'m, 'a>(
    message: &'m TokenBindingMessage<'a>,
    tokenbinding_type: TokenBindingType,
    several: Error,
) -> Result<Option<&'m TokenBinding<'a>>, Error> {
    let mut of_type =
        message.bindings().iter().filter(|binding| binding.tokenbinding_type() == tokenbinding_type);
    match (of_type.next(), of_type.next()) {
        (_, Some(_)) => Err(several),
        (first, None) => Ok(first),
    }
}

fn verify_others<B: SignatureBackend>(
    backend: &B,
    message: &TokenBindingMessage<'_>,
    ekm: &Ekm,
) -> Result<Vec<VerifiedOther>, Error> {
    let mut others = Vec::new();
    for binding in message.bindings().iter().filter(|binding| !binding.tokenbinding_type().is_known()) {
        match verify_binding(backend, binding, ekm) {
            Ok(id) => others.push(VerifiedOther::new(binding.tokenbinding_type(), id)),
            Err(fault) if fault.is_internal() => return Err(fault),
            Err(_) => {}
        }
    }
    Ok(others)
}

/// A binding whose key is well-formed, so that its signature can be checked.
struct Claim<'m, 'a> {
    binding: &'m TokenBinding<'a>,
    key: PublicKey,
}

impl<'m, 'a> Claim<'m, 'a> {
    fn new(binding: &'m TokenBinding<'a>) -> Result<Self, Error> {
        let id = binding.tokenbindingid();
        Ok(Self { binding, key: PublicKey::parse(id.key_parameters(), id.public_key())? })
    }

    fn verify<B: SignatureBackend>(&self, backend: &B, ekm: &Ekm) -> Result<VerifiedId, Error> {
        match self.check_signature(backend, ekm) {
            Ok(()) => Ok(VerifiedId::new(self.binding.tokenbindingid())),
            Err(SignatureError::InvalidKey(reason)) => Err(Error::InvalidKey(reason)),
            Err(SignatureError::Invalid) => {
                Err(Error::BadSignature { binding: self.binding.tokenbinding_type() })
            }
            Err(SignatureError::Backend { operation, reason }) => Err(Error::Backend { operation, reason }),
        }
    }

    fn check_signature<B: SignatureBackend>(&self, backend: &B, ekm: &Ekm) -> Result<(), SignatureError> {
        let signed = signed_bytes(self.binding.tokenbinding_type(), self.key.key_parameters(), ekm);
        let signature = self.binding.signature();
        if signature.len() != self.key.signature_length() {
            return Err(SignatureError::Invalid);
        }
        backend.verify(&self.key, signed.as_slice(), signature)
    }
}

/// What a signature signs (RFC 8471 section 3.3).
pub(crate) fn signed_bytes(
    tokenbinding_type: TokenBindingType,
    key_parameters: KeyParameters,
    ekm: &Ekm,
) -> Zeroizing<[u8; SIGNED_LENGTH]> {
    let mut signed = Zeroizing::new([0; SIGNED_LENGTH]);
    let [first, second, rest @ ..] = &mut *signed;
    *first = tokenbinding_type.0;
    *second = key_parameters.0;
    *rest = *ekm.as_bytes();
    signed
}
