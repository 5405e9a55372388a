//! The keys that are made of the secrets, and the choice among them.

use std::fmt;
use std::sync::Arc;

use aes::Aes256Enc;
use cmac::{Cmac, KeyInit as _};
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::Id;
use openssl::pkey_ctx::PkeyCtx;
use thiserror::Error;
use zeroize::Zeroizing;

use super::realm::Realm;
use super::secret::Secret;
use super::xaes::Xaes256Gcm;

/// How many characters of a seal say which secret it was made with.
pub(crate) const KEY_ID_LENGTH: usize = 8;
/// HKDF's salt, which names the purpose: the same secret used elsewhere gives other keys.
const PURPOSE: &[u8] = b"mod_token_binding cookie secret v2";

/// What a virtual host seals and unseals with.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyring {
    keys: Arc<Keys>,
    pub(crate) realm: Realm,
}

/// The keys of every secret that is in force: the first seals, all unseal.
pub struct Keys {
    first: Key,
    others: Vec<Key>,
}

/// Why no keys can be made of some secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoKeyring {
    #[error("there is no secret")]
    NoSecret,
    #[error("two of the secrets are the same: each line needs a secret of its own")]
    SameTwice,
    #[error("OpenSSL could not derive keys from it")]
    Derivation,
}

/// The keys that are made of one secret.
pub(crate) struct Key {
    /// base64url. Says which secret a seal was made with; not secret itself.
    pub(crate) id: String,
    pub(super) encryption: Xaes256Gcm,
    /// AES-256-CMAC (NIST SP 800-38B).
    pub(super) mac: Cmac<Aes256Enc>,
}

impl Keys {
    pub fn new(secrets: &[Secret]) -> Result<Self, NoKeyring> {
        let mut keys: Vec<Key> = Vec::with_capacity(secrets.len());
        for secret in secrets {
            let key = Key::new(secret.bytes()).map_err(|_| NoKeyring::Derivation)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(NoKeyring::SameTwice);
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(NoKeyring::NoSecret)?;
        Ok(Self { first, others: keys.collect() })
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Keyring {
    pub fn new(keys: Arc<Keys>, realm: Realm) -> Self {
        Self { keys, realm }
    }

    /// The key that seals.
    pub(crate) fn sealing(&self) -> &Key {
        &self.keys.first
    }

    /// The key that a seal was made with, if its secret is still in force.
    pub(crate) fn find(&self, id: &[u8]) -> Option<&Key> {
        self.keys.all().find(|key| key.id.as_bytes() == id)
    }
}

impl Key {
    fn new(secret: &[u8]) -> Result<Self, ErrorStack> {
        let mut id = [0; KEY_ID_LENGTH * 3 / 4];
        hkdf(secret, PURPOSE, b"id", &mut id)?;
        let mut encryption = Zeroizing::new([0; 32]);
        hkdf(secret, PURPOSE, b"encryption", &mut *encryption)?;
        let mut mac = Zeroizing::new([0; 32]);
        hkdf(secret, PURPOSE, b"mac", &mut *mac)?;
        Ok(Self {
            id: token_binding::header::encode(&id),
            encryption: Xaes256Gcm::new(&encryption),
            mac: Cmac::new((&*mac).into()),
        })
    }
}

/// HKDF-SHA-256 (RFC 5869).
fn hkdf(key: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), ErrorStack> {
    let mut context = PkeyCtx::new_id(Id::HKDF)?;
    context.derive_init()?;
    context.set_hkdf_md(Md::sha256())?;
    context.set_hkdf_key(key)?;
    context.set_hkdf_salt(salt)?;
    context.add_hkdf_info(info)?;
    context.derive(Some(out)).map(drop)
}

/// The ids only.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().map(|key| &key.id)).finish()
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.all().map(|key| &key.id).eq(other.all().map(|key| &key.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(fill: u8) -> Secret {
        Secret::new((0..48).map(|number| number ^ fill).collect::<Vec<u8>>()).unwrap()
    }

    fn ring(fills: &[u8]) -> Result<Keyring, NoKeyring> {
        let secrets: Vec<Secret> = fills.iter().copied().map(secret).collect();
        Keys::new(&secrets).map(|keys| Keyring::new(Arc::new(keys), Realm::of_host(b"a.test")))
    }

    /// RFC 5869, test case 1.
    #[test]
    fn hkdf_is_that_of_the_rfc() {
        let mut out = [0; 42];
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        hkdf(&[0x0b; 22], &salt, &info, &mut out).unwrap();
        assert_eq!(out[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
        assert_eq!(out[34..], [0x34, 0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65][2..]);
    }

    #[test]
    fn the_first_seals_and_all_are_found() {
        let ring_of_two = ring(&[1, 2]).unwrap();
        let (first, second) = (ring_of_two.keys.first.id.clone(), ring_of_two.keys.others[0].id.clone());
        assert_eq!(ring_of_two.sealing().id, first);
        assert_eq!(ring_of_two.find(second.as_bytes()).unwrap().id, second);
        assert!(ring_of_two.find(b"AAAAAAAA").is_none());
        assert_eq!(first.len(), KEY_ID_LENGTH);
        let alone = ring(&[2]).unwrap();
        assert_eq!(alone.keys.first.id, second, "the id comes from the secret alone: a farm agrees on it");
    }

    #[test]
    fn no_secret_and_the_same_twice_are_refused() {
        assert_eq!(ring(&[]).unwrap_err(), NoKeyring::NoSecret);
        assert_eq!(ring(&[1, 1]).unwrap_err(), NoKeyring::SameTwice);
    }

    #[test]
    fn it_prints_no_key() {
        let ring = ring(&[1]).unwrap();
        assert_eq!(format!("{:?}", ring.keys), format!("[{:?}]", ring.keys.first.id));
    }
}
