//! The keys that are made of the secrets, and the choice among them.

use std::fmt;

use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::pkey::{Id, PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use zeroize::Zeroizing;

use super::secret::Secret;

/// How many characters of a seal say which secret it was made with.
pub(super) const KEY_ID_LENGTH: usize = 8;
/// HKDF's salt: what these keys are for, so that a secret used elsewhere too gives no key of ours.
const PURPOSE: &[u8] = b"mod_token_binding cookie secret v1";

/// The keys of every secret that is in force: the first seals, all unseal.
pub(crate) struct Keyring {
    first: Key,
    others: Vec<Key>,
}

/// The keys that are made of one secret.
pub(super) struct Key {
    /// base64url. A hint which secret to take, and no secret itself.
    pub(super) id: String,
    pub(super) mac: PKey<Private>,
    encryption: Zeroizing<[u8; 32]>,
}

/// OpenSSL failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CryptoFault;

impl From<ErrorStack> for CryptoFault {
    fn from(_: ErrorStack) -> Self {
        Self
    }
}

impl fmt::Display for CryptoFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenSSL could not do it")
    }
}

impl Keyring {
    /// The error is a sentence for the administrator.
    pub(crate) fn new(secrets: &[Secret]) -> Result<Self, String> {
        let mut keys: Vec<Key> = Vec::with_capacity(secrets.len());
        for secret in secrets {
            let key =
                Key::new(secret.bytes()).map_err(|_| "OpenSSL could not derive keys from it".to_owned())?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err("two of the secrets are the same: each line needs a secret of its own".into());
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or("there is no secret")?;
        Ok(Self { first, others: keys.collect() })
    }

    /// The key that seals.
    pub(super) fn sealing(&self) -> &Key {
        &self.first
    }

    /// The key that a seal was made with, if its secret is still in force.
    pub(super) fn find(&self, id: &[u8]) -> Option<&Key> {
        std::iter::once(&self.first).chain(&self.others).find(|key| key.id.as_bytes() == id)
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first).chain(&self.others).map(|key| key.id.as_str())
    }
}

impl Key {
    fn new(secret: &[u8]) -> Result<Self, CryptoFault> {
        let mut id = [0; KEY_ID_LENGTH * 3 / 4];
        hkdf(secret, PURPOSE, b"id", &mut id)?;
        let mut mac = Zeroizing::new([0; 32]);
        hkdf(secret, PURPOSE, b"mac", &mut *mac)?;
        let mut encryption = Zeroizing::new([0; 32]);
        hkdf(secret, PURPOSE, b"encryption", &mut *encryption)?;
        Ok(Self { id: token_binding::header::encode(&id), mac: PKey::hmac(&*mac)?, encryption })
    }

    /// An AES-256 key and a nonce for one value. With a random salt of 128 bits no pair of them comes twice.
    pub(super) fn for_one_value(&self, salt: &[u8]) -> Result<Zeroizing<[u8; 32 + 12]>, CryptoFault> {
        let mut key = Zeroizing::new([0; 44]);
        hkdf(&*self.encryption, salt, b"AES-256-GCM key and nonce", &mut *key)?;
        Ok(key)
    }
}

/// HKDF-SHA-256 (RFC 5869).
fn hkdf(key: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), CryptoFault> {
    let mut context = PkeyCtx::new_id(Id::HKDF)?;
    context.derive_init()?;
    context.set_hkdf_md(Md::sha256())?;
    context.set_hkdf_key(key)?;
    context.set_hkdf_salt(salt)?;
    context.add_hkdf_info(info)?;
    if context.derive(Some(out))? == out.len() { Ok(()) } else { Err(CryptoFault) }
}

/// The ids only.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl PartialEq for Keyring {
    fn eq(&self, other: &Self) -> bool {
        self.ids().eq(other.ids())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(fill: u8) -> Secret {
        Secret::new((0..48).map(|number| number ^ fill).collect::<Vec<u8>>()).unwrap()
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
        let ring = Keyring::new(&[secret(1), secret(2)]).unwrap();
        let (first, second) = (ring.first.id.clone(), ring.others[0].id.clone());
        assert_eq!(ring.sealing().id, first);
        assert_eq!(ring.find(second.as_bytes()).unwrap().id, second);
        assert!(ring.find(b"AAAAAAAA").is_none());
        assert_eq!(first.len(), KEY_ID_LENGTH);
        let alone = Keyring::new(&[secret(2)]).unwrap();
        assert_eq!(alone.first.id, second, "the id comes from the secret alone: a farm agrees on it");
    }

    #[test]
    fn no_secret_and_the_same_twice_are_refused() {
        assert!(Keyring::new(&[]).is_err());
        assert!(Keyring::new(&[secret(1), secret(1)]).unwrap_err().contains("the same"));
    }

    #[test]
    fn it_prints_no_key() {
        let ring = Keyring::new(&[secret(1)]).unwrap();
        assert_eq!(format!("{ring:?}"), format!("[{:?}]", ring.first.id));
    }
}
