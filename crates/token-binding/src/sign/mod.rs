//! From private keys to a Token Binding message (RFC 8471 section 4.1).

#[cfg(feature = "openssl")]
pub mod openssl;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;

use crate::codec::put_opaque16;
use crate::key::PublicKey;
use crate::verify::signed_bytes;
use crate::{Ekm, Error, KeyParameters, TokenBindingType, header};

/// A key pair that a client binds tokens to.
pub trait Signer {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs `signed` with the algorithm of the key parameters. The signature is encoded as the message carries it.
    ///
    /// # Errors
    /// [`Error::Backend`] when the cryptographic library failed.
    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, Error>;

    /// The algorithm that the key is for.
    fn key_parameters(&self) -> KeyParameters {
        self.public_key().key_parameters()
    }

    /// The `TokenBindingID` that names this key.
    fn token_binding_id(&self) -> Vec<u8> {
        self.public_key().token_binding_id()
    }
}

/// Writes a `TokenBindingMessage`, binding by binding, in the order they are added.
///
/// It does not judge the message: tests write some that a server must refuse.
#[derive(Clone, Debug, Default)]
pub struct MessageBuilder {
    tokenbindings: Vec<u8>,
}

impl MessageBuilder {
    /// A message without bindings.
    #[must_use]
    pub const fn new() -> Self {
        Self { tokenbindings: Vec::new() }
    }

    /// Adds a binding of `signer`'s key to the connection that `ekm` is of.
    ///
    /// # Errors
    /// [`Error::Backend`] when signing failed, [`Error::LengthMismatch`] when the message would get too long.
    pub fn add(
        &mut self,
        tokenbinding_type: TokenBindingType,
        signer: &(impl Signer + ?Sized),
        ekm: &Ekm,
    ) -> Result<&mut Self, Error> {
        let signature =
            signer.sign(signed_bytes(tokenbinding_type, signer.key_parameters(), ekm).as_slice())?;
        self.add_raw(tokenbinding_type, &signer.token_binding_id(), &signature, &[])
    }

    /// Adds a binding made of any bytes. `id` is a whole `TokenBindingID`; `signature` and `extensions` get their length
    /// fields here.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] when the signature, the extensions or the message has more than 65,535 bytes. Nothing
    /// is added then.
    pub fn add_raw(
        &mut self,
        tokenbinding_type: TokenBindingType,
        id: &[u8],
        signature: &[u8],
        extensions: &[u8],
    ) -> Result<&mut Self, Error> {
        let mut binding = vec![tokenbinding_type.0];
        binding.extend_from_slice(id);
        put_opaque16(&mut binding, signature, "TokenBinding.signature")?;
        put_opaque16(&mut binding, extensions, "TokenBinding.extensions")?;
        if self.tokenbindings.len() + binding.len() > usize::from(u16::MAX) {
            return Err(Error::LengthMismatch { field: "TokenBindingMessage.tokenbindings" });
        }
        self.tokenbindings.append(&mut binding);
        Ok(self)
    }

    /// The message.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        // Adding a binding sees to it that the length fits in two bytes.
        let length = self.tokenbindings.len() as u16;
        let mut message = length.to_be_bytes().to_vec();
        message.extend_from_slice(&self.tokenbindings);
        message
    }

    /// The message as the value of a `Sec-Token-Binding` header.
    #[must_use]
    pub fn finish_header(&self) -> String {
        header::encode(&self.finish())
    }
}
