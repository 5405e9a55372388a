//! The texts that a browser keeps for the server. Each is encrypted, and bound to what it is and to the realm:
//!
//! ```text
//! key id (8) realm's tag (4) base64url(nonce (24 bytes) || ciphertext || tag (16))
//! ```

use std::cmp::Ordering;
use std::ffi::CString;
use std::fmt;

use ::dbsc::{PublicKey, Thumbprint};

use super::{SKEW, is_younger};
use crate::cookies::envelope::{NotSealed, Unopened, decrypt, encode, encrypt};
use crate::cookies::keyring::{KEY_ID_LENGTH, Keyring};
use crate::cookies::realm;

const PURPOSE: &[u8] = b"mod_token_binding dbsc v1";

/// How long a challenge may be answered, in seconds.
pub const CHALLENGE_LIFETIME: u64 = 60;

/// Which of an answer's offers a registration, and the cookies that wait for it, belong to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId([u8; 12]);

impl RegistrationId {
    pub const LENGTH: usize = 12;

    pub fn random() -> Result<Self, NotSealed> {
        let mut bytes = [0; Self::LENGTH];
        getrandom::fill(&mut bytes).map_err(|_| NotSealed)?;
        Ok(Self(bytes))
    }

    pub(crate) const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

/// Whoever knows it can't do anything with it; it is a name without meaning.
impl fmt::Debug for RegistrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistrationId")
    }
}

/// A registration that has taken place. The later one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    pub id: RegistrationId,
    /// Seconds since 1970.
    pub at: u64,
}

impl Registered {
    const LABEL: &[u8] = b"newest registration";

    /// The text that tells the endpoints later which registration of a browser is the newest.
    pub fn seal(&self, keyring: &Keyring) -> Result<String, NotSealed> {
        seal(keyring, Self::LABEL, &[&self.at.to_be_bytes()[..], self.id.as_bytes()].concat())
    }

    pub fn open(keyring: &Keyring, text: &[u8]) -> Result<Self, Unreadable> {
        let bytes = open(keyring, Self::LABEL, text)?;
        let mut reader = Reader(&bytes);
        let (at, id) = (reader.number()?, reader.registration()?);
        reader.end(Self { id, at })
    }
}

impl Ord for Registered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at).then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Registered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a text was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It has none of the shape of these texts.
    Malformed,
    /// Its secret is not in force here.
    UnknownSecret,
    /// It is of another realm.
    OtherRealm,
    /// It was made for something else, or changed.
    Forged,
    /// A server with the same secret has made it, in a form that this version does not know.
    UnknownForm,
}

/// What a registration has to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    pub registration: RegistrationId,
    /// Seconds since 1970.
    pub at: u64,
}

/// What a refresh has to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    pub thumbprint: Thumbprint,
    /// Seconds since 1970.
    pub at: u64,
}

/// A session, by its identifier: the whole of it is in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub key: PublicKey,
    pub registered: Registered,
}

/// The short-lived cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortLived {
    pub thumbprint: Thumbprint,
    pub registered: Registered,
    /// Seconds since 1970.
    pub expires: u64,
    /// Whether a refresh gave it. The one that a registration gives opens nothing.
    pub is_proved: bool,
}

impl Offered {
    const LABEL: &[u8] = b"registration challenge";

    pub fn seal(&self, keyring: &Keyring) -> Result<String, NotSealed> {
        seal(keyring, Self::LABEL, &[&self.at.to_be_bytes()[..], self.registration.as_bytes()].concat())
    }

    pub fn open(keyring: &Keyring, text: &str) -> Result<Self, Unreadable> {
        let bytes = open(keyring, Self::LABEL, text.as_bytes())?;
        let mut reader = Reader(&bytes);
        let (at, registration) = (reader.number()?, reader.registration()?);
        reader.end(Self { registration, at })
    }

    pub fn is_live(&self, now: u64) -> bool {
        is_younger(self.at, now, CHALLENGE_LIFETIME)
    }
}

impl Challenge {
    const LABEL: &[u8] = b"refresh challenge";

    pub fn seal(&self, keyring: &Keyring) -> Result<String, NotSealed> {
        seal(keyring, Self::LABEL, &[&self.at.to_be_bytes()[..], self.thumbprint.as_bytes()].concat())
    }

    pub fn open(keyring: &Keyring, text: &str) -> Result<Self, Unreadable> {
        let bytes = open(keyring, Self::LABEL, text.as_bytes())?;
        let mut reader = Reader(&bytes);
        let (at, thumbprint) = (reader.number()?, reader.thumbprint()?);
        reader.end(Self { thumbprint, at })
    }

    pub fn is_live(&self, now: u64) -> bool {
        is_younger(self.at, now, CHALLENGE_LIFETIME)
    }
}

impl Session {
    const LABEL: &[u8] = b"session";

    pub fn seal(&self, keyring: &Keyring) -> Result<String, NotSealed> {
        let key = self.key.to_bytes();
        seal(
            keyring,
            Self::LABEL,
            &[&self.registered.at.to_be_bytes()[..], self.registered.id.as_bytes(), &key].concat(),
        )
    }

    pub fn open(keyring: &Keyring, text: &str) -> Result<Self, Unreadable> {
        let bytes = open(keyring, Self::LABEL, text.as_bytes())?;
        let mut reader = Reader(&bytes);
        let (at, id) = (reader.number()?, reader.registration()?);
        let key = PublicKey::from_bytes(reader.0).map_err(|_| Unreadable::UnknownForm)?;
        Ok(Self { key, registered: Registered { id, at } })
    }
}

impl ShortLived {
    const LABEL: &[u8] = b"short-lived cookie";

    pub fn seal(&self, keyring: &Keyring) -> Result<String, NotSealed> {
        let bytes = [
            &[u8::from(self.is_proved)][..],
            &self.expires.to_be_bytes(),
            &self.registered.at.to_be_bytes(),
            self.registered.id.as_bytes(),
            self.thumbprint.as_bytes(),
        ];
        seal(keyring, Self::LABEL, &bytes.concat())
    }

    pub fn open(keyring: &Keyring, text: &[u8]) -> Result<Self, Unreadable> {
        let bytes = open(keyring, Self::LABEL, text)?;
        let mut reader = Reader(&bytes);
        let is_proved = reader.take::<1>()? == [1];
        let (expires, at) = (reader.number()?, reader.number()?);
        let (id, thumbprint) = (reader.registration()?, reader.thumbprint()?);
        reader.end(Self { thumbprint, registered: Registered { id, at }, expires, is_proved })
    }

    pub fn is_live(&self, now: u64) -> bool {
        now <= self.expires.saturating_add(SKEW)
    }

    /// The key's name, as it is passed on: base64url.
    pub fn key_text(&self) -> CString {
        let mut text = Vec::new();
        // base64url has no NUL, and 32 bytes always fit.
        let _ = encode(self.thumbprint.as_bytes(), &mut text);
        CString::new(text).unwrap_or_default()
    }
}

fn seal(keyring: &Keyring, label: &[u8], content: &[u8]) -> Result<String, NotSealed> {
    let key = keyring.sealing();
    let mut text = Vec::new();
    text.extend(key.id.as_bytes());
    text.extend(keyring.realm.tag());
    let start = text.clone();
    encrypt(key, [PURPOSE, label, &start, keyring.realm.name()], content, &mut text)?;
    // Ids, tags and base64url are ASCII.
    String::from_utf8(text).map_err(|_| NotSealed)
}

fn open(keyring: &Keyring, label: &[u8], text: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let (start, content) =
        text.split_at_checked(KEY_ID_LENGTH + realm::TAG_LENGTH).ok_or(Unreadable::Malformed)?;
    let (key_id, tag) = start.split_at_checked(KEY_ID_LENGTH).ok_or(Unreadable::Malformed)?;
    let key = keyring.find(key_id).ok_or(Unreadable::UnknownSecret)?;
    if tag != keyring.realm.tag() {
        return Err(Unreadable::OtherRealm);
    }
    decrypt(key, [PURPOSE, label, start, keyring.realm.name()], content).map_err(|unopened| match unopened {
        Unopened::Shape => Unreadable::Malformed,
        Unopened::Mismatch => Unreadable::Forged,
    })
}

/// Reads what was sealed. It is as it was written, unless a later version of this module has written it.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Unreadable::UnknownForm)?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        self.take().map(u64::from_be_bytes)
    }

    fn registration(&mut self) -> Result<RegistrationId, Unreadable> {
        self.take().map(RegistrationId::from_bytes)
    }

    fn thumbprint(&mut self) -> Result<Thumbprint, Unreadable> {
        self.take().map(Thumbprint::new)
    }

    fn end<T>(self, value: T) -> Result<T, Unreadable> {
        if self.0.is_empty() { Ok(value) } else { Err(Unreadable::UnknownForm) }
    }
}

#[cfg(test)]
mod tests;
