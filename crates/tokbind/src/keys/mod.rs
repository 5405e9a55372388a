//! The keys that a client keeps: one for each registered domain and each key parameters (RFC 8473 section 2.1).
//!
//! A server that sees the same key again knows its client again. So each registered domain gets a key of its own, made
//! the first time it is needed, and no server can compare notes with another. A key is also used with one algorithm
//! only, whatever its type (RFC 8471 section 7.3).
//!
//! Keys are unencrypted PKCS#8 files that only their owner may read: a directory or file that others can read, or that
//! belongs to somebody else, is refused, as ssh refuses it.
//!
//! ```
//! use tokbind::KeyParameters;
//! use tokbind::keys::KeyStore;
//!
//! # fn main() -> tokbind::Result<()> {
//! let keys = KeyStore::ephemeral(); // KeyStore::open(None)? for keys that stay
//! let key = keys.key("www.example.com", KeyParameters::ECDSAP256)?;
//! let same = keys.key("login.example.com", KeyParameters::ECDSAP256)?;
//! assert!(std::sync::Arc::ptr_eq(&key, &same));
//! # Ok(())
//! # }
//! ```

mod disk;
mod domain;
mod error;
mod key;
#[cfg(test)]
mod tests;
#[cfg(feature = "pkcs11")]
mod token;
#[cfg(feature = "pkcs11")]
mod uri;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use token_binding::sign::Signer;

use self::disk::{Directory, Stamp};
use crate::private_dir::default_path;
use crate::{KeyParameters, PrivateKey};

pub use domain::registered_domain;
pub use error::KeyStoreError;
pub use key::Key;

/// A place for keys: a directory, or memory. Clones are the same place.
///
/// Its methods may wait, for the disk, for another process that makes a key at the same time, and for an RSA key to be
/// found. An asynchronous program calls them where waiting is allowed.
#[derive(Clone, Debug)]
pub struct KeyStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    /// Keys that were used already. Those of a directory are good as long as their file is the same.
    known: Mutex<Known>,
}

/// Where the keys are.
#[derive(Debug)]
enum Place {
    Memory,
    Directory(Directory),
    #[cfg(feature = "pkcs11")]
    Token(token::Token),
}

type Known = HashMap<(String, KeyParameters), (Arc<Key>, Option<Stamp>)>;

/// What can be told about a key without giving it away.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyInfo {
    /// The registered domain that it is for.
    pub domain: String,
    /// The algorithm that it is for.
    pub key_parameters: KeyParameters,
    /// Its file; `None` in memory.
    pub path: Option<PathBuf>,
    /// The `TokenBindingID` that servers know it by, or why the file is refused.
    pub token_binding_id: Result<Vec<u8>, KeyStoreError>,
}

impl KeyStore {
    /// Opens the store in this directory, or in [`default_path`](Self::default_path). The directory is made when the
    /// first key is.
    ///
    /// # Errors
    /// [`KeyStoreError`]: the directory is not only its owner's, or there is no default.
    pub fn open(path: Option<PathBuf>) -> Result<Self, KeyStoreError> {
        let path = path.map_or_else(KeyStore::default_path, Ok)?;
        Ok(KeyStore::new(Place::Directory(Directory::open(path)?)))
    }

    /// Opens a PKCS #11 token as a store (RFC 7512 has the URI: `pkcs11:token=NAME?module-path=FILE&pin-source=file:FILE`). Keys
    /// are made in it, for ecdsap256 only, and can't be copied out of it. `ask` is asked for the PIN of the token of this name,
    /// where it wants one and the URI does not say it.
    ///
    /// A key that another process deletes is still used by this one.
    ///
    /// # Errors
    /// [`KeyStoreError::Token`]
    #[cfg(feature = "pkcs11")]
    pub fn token(
        uri: &str,
        ask: impl FnOnce(&str) -> std::io::Result<zeroize::Zeroizing<String>>,
    ) -> Result<Self, KeyStoreError> {
        Ok(KeyStore::new(Place::Token(token::Token::open(uri, ask)?)))
    }

    /// A store in memory: its keys are gone with its last clone, and no server can tell that their owner comes back.
    #[must_use]
    pub fn ephemeral() -> Self {
        KeyStore::new(Place::Memory)
    }

    fn new(place: Place) -> Self {
        KeyStore { inner: Arc::new(Inner { place, known: Mutex::default() }) }
    }

    /// `$TOKBIND_KEYS`, else `$XDG_DATA_HOME/tokbind/keys`, else `~/.local/share/tokbind/keys`.
    ///
    /// # Errors
    /// [`KeyStoreError::NoPlace`] when none of the variables is set.
    pub fn default_path() -> Result<PathBuf, KeyStoreError> {
        default_path("TOKBIND_KEYS", "keys").ok_or(KeyStoreError::NoPlace)
    }

    /// The directory; `None` in memory and in a token.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.inner.place {
            Place::Directory(directory) => Some(directory.path()),
            _ => None,
        }
    }

    /// The token's name; `None` elsewhere.
    #[cfg(feature = "pkcs11")]
    #[must_use]
    pub fn token_name(&self) -> Option<&str> {
        match &self.inner.place {
            Place::Token(token) => Some(token.name()),
            _ => None,
        }
    }

    /// The key for the host's registered domain. It is made if there is none yet; of two processes that want it at the
    /// same time, one makes it and the other gets the same.
    ///
    /// # Errors
    /// [`KeyStoreError`]; [`KeyStoreError::Key`] when the key can't be made.
    pub fn key(&self, host: &str, key_parameters: KeyParameters) -> Result<Arc<Key>, KeyStoreError> {
        self.obtain(host, key_parameters, true)?.ok_or_else(|| unnameable(host, key_parameters))
    }

    /// Like [`key`](Self::key), but `None` when there is no key yet.
    ///
    /// # Errors
    /// [`KeyStoreError`]
    pub fn existing_key(
        &self,
        host: &str,
        key_parameters: KeyParameters,
    ) -> Result<Option<Arc<Key>>, KeyStoreError> {
        self.obtain(host, key_parameters, false)
    }

    /// All keys, by domain. A file that is refused is listed with the reason.
    ///
    /// # Errors
    /// [`KeyStoreError`] when the directory is refused or can't be read.
    pub fn list(&self) -> Result<Vec<KeyInfo>, KeyStoreError> {
        let directory = match &self.inner.place {
            Place::Memory => return Ok(self.list_known()),
            Place::Directory(directory) => directory,
            #[cfg(feature = "pkcs11")]
            Place::Token(token) => {
                let info = |(domain, public): (String, token_binding::key::PublicKey)| KeyInfo {
                    domain,
                    key_parameters: public.key_parameters(),
                    path: None,
                    token_binding_id: Ok(public.token_binding_id()),
                };
                return Ok(token.list()?.into_iter().map(info).collect());
            }
        };
        let mut list = Vec::new();
        for (domain, name, key_parameters) in directory.names()? {
            let token_binding_id = match directory.read(&name, key_parameters) {
                Ok(Some((key, _))) => Ok(key.token_binding_id()),
                // Deleted meanwhile.
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            let path = Some(directory.path().join(name));
            list.push(KeyInfo { domain, key_parameters, path, token_binding_id });
        }
        Ok(list)
    }

    fn list_known(&self) -> Vec<KeyInfo> {
        let known = self.known();
        let mut list: Vec<_> = known
            .iter()
            .map(|((domain, key_parameters), (key, _))| KeyInfo {
                domain: domain.clone(),
                key_parameters: *key_parameters,
                path: None,
                token_binding_id: Ok(key.token_binding_id()),
            })
            .collect();
        list.sort_unstable_by(|a, b| (&a.domain, a.key_parameters.0).cmp(&(&b.domain, b.key_parameters.0)));
        list
    }

    /// Deletes the key for the host's registered domain; `false` when there is none. Whatever servers bound to it is
    /// then of no use. A file that [`key`](Self::key) would refuse is deleted as well.
    ///
    /// # Errors
    /// [`KeyStoreError`]
    pub fn delete(&self, host: &str, key_parameters: KeyParameters) -> Result<bool, KeyStoreError> {
        let (domain, name) = names(host, key_parameters)?;
        let mut known = self.known();
        let was_known = known.remove(&(domain.clone(), key_parameters)).is_some();
        match &self.inner.place {
            Place::Memory => Ok(was_known),
            Place::Directory(directory) if !directory.exists()? => Ok(false),
            Place::Directory(directory) => directory.remove(&name, &directory.lock()?),
            #[cfg(feature = "pkcs11")]
            Place::Token(token) => token.delete(&domain, key_parameters),
        }
    }

    fn obtain(
        &self,
        host: &str,
        key_parameters: KeyParameters,
        make: bool,
    ) -> Result<Option<Arc<Key>>, KeyStoreError> {
        let (domain, name) = names(host, key_parameters)?;
        let place = (domain, key_parameters);
        let directory = match &self.inner.place {
            Place::Directory(directory) => directory,
            Place::Memory => {
                return self.known_or(place, |_| {
                    Ok(if make { Some(PrivateKey::generate(key_parameters)?.into()) } else { None })
                });
            }
            #[cfg(feature = "pkcs11")]
            Place::Token(token) => {
                return self
                    .known_or(place, |domain| Ok(token.key(domain, key_parameters, make)?.map(Key::from)));
            }
        };

        // A key that was deleted or replaced by another process must not live on here.
        let stamp = directory.stamp(&name)?;
        if stamp.is_some()
            && directory.exists()?
            && let Some((key, of)) = self.known().get(&place)
            && *of == stamp
        {
            return Ok(Some(Arc::clone(key)));
        }
        let (key, stamp) = match directory.read(&name, key_parameters)? {
            Some(found) => found,
            None if !make => return Ok(None),
            None => {
                let lock = directory.lock()?;
                match directory.read(&name, key_parameters)? {
                    Some(found) => found,
                    None => {
                        let key = PrivateKey::generate(key_parameters)?;
                        let stamp = directory.write(&name, &key, &lock)?;
                        (key, stamp)
                    }
                }
            }
        };
        let mut known = self.known();
        match known.get(&place) {
            // Another thread was faster.
            Some((key, of)) if *of == Some(stamp) => Ok(Some(Arc::clone(key))),
            _ => {
                let key = Arc::new(Key::from(key));
                known.insert(place, (Arc::clone(&key), Some(stamp)));
                Ok(Some(key))
            }
        }
    }

    /// A key that was used already, or what `find` finds or makes for the domain.
    fn known_or(
        &self,
        place: (String, KeyParameters),
        find: impl FnOnce(&str) -> Result<Option<Key>, KeyStoreError>,
    ) -> Result<Option<Arc<Key>>, KeyStoreError> {
        let mut known = self.known();
        if let Some((key, _)) = known.get(&place) {
            return Ok(Some(Arc::clone(key)));
        }
        let Some(key) = find(&place.0)?.map(Arc::new) else { return Ok(None) };
        known.insert(place, (Arc::clone(&key), None));
        Ok(Some(key))
    }

    /// The keys that were used already. Nothing leaves them half changed, so a panic elsewhere does no harm.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The scope of the host's key and the name of its file.
fn names(host: &str, key_parameters: KeyParameters) -> Result<(String, String), KeyStoreError> {
    let domain = registered_domain(host);
    let name = domain::file_name(&domain, key_parameters).ok_or_else(|| unnameable(host, key_parameters))?;
    Ok((domain, name))
}

fn unnameable(host: &str, key_parameters: KeyParameters) -> KeyStoreError {
    KeyStoreError::Unnameable { host: host.to_owned(), key_parameters }
}
