//! A key of a store.

use token_binding::key::PublicKey;
use token_binding::sign::Signer;

#[cfg(feature = "pkcs11")]
use super::token::TokenKey;
use crate::PrivateKey;

/// A key of a store. It signs; whether it is in this process or in a token is its own business.
#[derive(Debug)]
pub struct Key(Kind);

#[derive(Debug)]
enum Kind {
    Here(PrivateKey),
    #[cfg(feature = "pkcs11")]
    Token(TokenKey),
}

impl From<PrivateKey> for Key {
    fn from(key: PrivateKey) -> Self {
        Key(Kind::Here(key))
    }
}

#[cfg(feature = "pkcs11")]
impl From<TokenKey> for Key {
    fn from(key: TokenKey) -> Self {
        Key(Kind::Token(key))
    }
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        match &self.0 {
            Kind::Here(key) => key.public_key(),
            #[cfg(feature = "pkcs11")]
            Kind::Token(key) => key.public_key(),
        }
    }

    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, token_binding::Error> {
        match &self.0 {
            Kind::Here(key) => key.sign(signed),
            #[cfg(feature = "pkcs11")]
            Kind::Token(key) => key.sign(signed),
        }
    }
}
