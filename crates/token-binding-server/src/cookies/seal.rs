//! Sealing and unsealing one cookie's value.
//!
//! A sealed value is text that cookies may hold. It has no comma outside the value, and says how long that is:
//!
//! ```text
//! "tb2" whom "e." key id (8) realm's tag (4) "." base64url(nonce (24 bytes) || ciphertext || tag (16))
//! "tb2" whom "m." key id (8) realm's tag (4) "." base64url(MAC (16 bytes)) "." length of the value "." value
//! whom = "b" bound | "u" unbound | "d" a device's key | "p" pending
//! ```
//!
//! The first form encrypts with XAES-256-GCM. The second, for those who need the shorter form, leaves the value readable and
//! authenticates it with AES-256-CMAC. Either covers, each part with its length before it: what this is, the text as far
//! as the second dot, the realm, the cookie's name, the Token Binding ID or the word for none, and the value. No two
//! different inputs give the same bytes.

use cmac::Mac as _;

pub use super::envelope::NotSealed;
use super::envelope::{self, Unopened, decode, encode, encrypted_length, joined, length};
use super::keyring::{KEY_ID_LENGTH, Key, Keyring};
use super::realm;

const VERSION: &[u8; 3] = b"tb2";
const PURPOSE: &[u8] = b"mod_token_binding cookie v2";
/// From the version to the second dot.
const START_LENGTH: usize = 3 + 2 + 1 + KEY_ID_LENGTH + realm::TAG_LENGTH + 1;
const MAC_LENGTH: usize = 16;
const MAC_TEXT_LENGTH: usize = 22;
/// Digits of a value's length.
const MOST_DIGITS: usize = 9;

/// Whom a value is sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedFor<'a> {
    /// The holder of the key with this Token Binding ID.
    Key(&'a [u8]),
    /// Any client that has no Token Binding.
    Unbound,
    /// The holder of the device's key with this thumbprint.
    Device(&'a [u8; 32]),
    /// A client that was asked to register a device's key; the value begins with which registration that was
    /// ([`Pending`](crate::dbsc::pending::Pending)).
    Pending,
}

/// Which kind of [`SealedFor`] a sealed value says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Key,
    Unbound,
    Device,
    Pending,
}

/// How a value is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nobody but this server can read it.
    Encrypted,
    /// Shorter, and readable.
    Readable,
}

/// Why a value was not unsealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// It has none of the shapes of a sealed value.
    NoSeal,
    /// Its secret is not in force here.
    UnknownSecret,
    /// It was sealed for another realm.
    OtherRealm,
    /// It is sealed for clients without Token Binding, and this one has it.
    ForUnbound,
    /// It is sealed for a client's key, and this request proves none.
    ForBound,
    /// It is sealed for a device's key, and this request has no proof of one.
    ForDevice,
    /// The seal does not hold: another client's, another cookie's, or changed.
    Invalid,
}

impl Form {
    /// How long a value of this many bytes is when it is sealed.
    pub fn length(self, value: usize) -> usize {
        match self {
            Self::Encrypted => START_LENGTH + encrypted_length(value),
            Self::Readable => START_LENGTH + MAC_TEXT_LENGTH + 1 + decimal(value).len() + 1 + value,
        }
    }

    const fn letter(self) -> u8 {
        match self {
            Self::Encrypted => b'e',
            Self::Readable => b'm',
        }
    }
}

impl SealedFor<'_> {
    const fn whom(self) -> Whom {
        match self {
            Self::Key(_) => Whom::Key,
            Self::Unbound => Whom::Unbound,
            Self::Device(_) => Whom::Device,
            Self::Pending => Whom::Pending,
        }
    }

    /// What the seal covers of whom it is for; the letter says the rest.
    fn id(&self) -> &[u8] {
        match self {
            Self::Key(id) => id,
            Self::Device(thumbprint) => *thumbprint,
            Self::Unbound | Self::Pending => b"",
        }
    }
}

impl Whom {
    const fn letter(self) -> u8 {
        match self {
            Self::Key => b'b',
            Self::Unbound => b'u',
            Self::Device => b'd',
            Self::Pending => b'p',
        }
    }

    const fn of(letter: u8) -> Option<Self> {
        match letter {
            b'b' => Some(Self::Key),
            b'u' => Some(Self::Unbound),
            b'd' => Some(Self::Device),
            b'p' => Some(Self::Pending),
            _ => None,
        }
    }

    /// What is wrong with a seal of this kind for whoever is of another.
    const fn mismatch(self) -> Broken {
        match self {
            Self::Key => Broken::ForBound,
            Self::Device => Broken::ForDevice,
            Self::Unbound | Self::Pending => Broken::ForUnbound,
        }
    }
}

/// Seals `value` under the cookie's name, and appends it to `out`.
pub fn seal(
    keyring: &Keyring,
    form: Form,
    name: &[u8],
    value: &[u8],
    sealed_for: SealedFor<'_>,
    out: &mut Vec<u8>,
) -> Result<(), NotSealed> {
    let key = keyring.sealing();
    let start = start(sealed_for.whom(), form, key, keyring).ok_or(NotSealed)?;
    out.extend(start);
    match form {
        Form::Encrypted => envelope::encrypt(key, parts(&start, keyring, name, &sealed_for), value, out),
        Form::Readable => {
            let context = joined(parts(&start, keyring, name, &sealed_for), 0);
            encode(&mac(key, &context, value).finalize().into_bytes(), out)?;
            out.push(b'.');
            out.extend(decimal(value.len()).as_bytes());
            out.push(b'.');
            out.extend(value);
            Ok(())
        }
    }
}

/// What a sealed value begins with, as far as the second dot.
fn start(whom: Whom, form: Form, key: &Key, keyring: &Keyring) -> Option<[u8; START_LENGTH]> {
    let mut start = [b'.'; START_LENGTH];
    let (kind, ids) = start.split_first_chunk_mut()?;
    let [a, b, c] = *VERSION;
    *kind = [a, b, c, whom.letter(), form.letter(), b'.'];
    let (id, rest) = ids.split_at_mut_checked(KEY_ID_LENGTH)?;
    id.copy_from_slice(key.id.as_bytes().get(..KEY_ID_LENGTH)?);
    *rest.first_chunk_mut()? = *keyring.realm.tag();
    Some(start)
}

/// A sealed value, taken apart but not yet believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// As far as the second dot.
    start: &'a [u8],
    whom: Whom,
    key_id: &'a [u8],
    realm: &'a [u8],
    content: Content<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content<'a> {
    /// base64url, if the seal is one.
    Encrypted(&'a [u8]),
    Readable {
        mac: &'a [u8],
        value: &'a [u8],
    },
}

impl<'a> Sealed<'a> {
    /// The sealed value that `text` begins with, and what follows it: nothing, or a comma and more. Takes time in proportion to
    /// what it returns.
    pub fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (start, content) = text.split_at_checked(START_LENGTH)?;
        let [whom, how, b'.', ids @ .., b'.'] = start.strip_prefix(VERSION)? else { return None };
        let whom = Whom::of(*whom)?;
        let (key_id, realm) = ids.split_at_checked(KEY_ID_LENGTH)?;
        let (content, rest) = match how {
            b'e' => {
                // base64url has no comma. What else it does not have is found out when it is decoded.
                let end = memchr::memchr(b',', content).unwrap_or(content.len());
                let (content, rest) = content.split_at_checked(end)?;
                (Content::Encrypted(content), rest)
            }
            b'm' => {
                let (mac, rest) = content.split_at_checked(MAC_TEXT_LENGTH)?;
                let rest = rest.strip_prefix(b".")?;
                let digits = rest.iter().take(MOST_DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
                let (digits, rest) = rest.split_at_checked(digits)?;
                let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
                if decimal(length).as_bytes() != digits {
                    return None;
                }
                let (value, rest) = rest.strip_prefix(b".")?.split_at_checked(length)?;
                (Content::Readable { mac, value }, rest)
            }
            _ => return None,
        };
        Some((Self { start, whom, key_id, realm, content }, rest))
    }

    /// The value, if it can be read without the seal: nothing is known of who wrote it.
    pub fn readable(&self) -> Option<&'a [u8]> {
        match self.content {
            Content::Encrypted(_) => None,
            Content::Readable { value, .. } => Some(value),
        }
    }

    /// Whom it says that it is sealed for.
    pub fn whom(&self) -> Whom {
        self.whom
    }

    /// The value inside, if the seal holds for this cookie's name and this client. Values sealed in either form and with any
    /// secret in force are taken.
    pub fn open(self, keyring: &Keyring, name: &[u8], client: SealedFor<'_>) -> Result<Vec<u8>, Broken> {
        let key = keyring.find(self.key_id).ok_or(Broken::UnknownSecret)?;
        if self.realm != keyring.realm.tag() {
            return Err(Broken::OtherRealm);
        }
        if self.whom != client.whom() {
            return Err(self.whom.mismatch());
        }
        let parts = parts(self.start, keyring, name, &client);
        match self.content {
            Content::Encrypted(text) => {
                envelope::decrypt(key, parts, text).map_err(|unopened| match unopened {
                    Unopened::Shape => Broken::NoSeal,
                    Unopened::Mismatch => Broken::Invalid,
                })
            }
            Content::Readable { mac: given, value } => {
                let context = joined(parts, 0);
                let given = decode(given).ok_or(Broken::NoSeal)?;
                let given: [u8; MAC_LENGTH] = given.try_into().map_err(|_| Broken::NoSeal)?;
                // In constant time.
                mac(key, &context, value).verify(&given.into()).map_err(|_| Broken::Invalid)?;
                Ok(value.to_vec())
            }
        }
    }
}

/// Everything that a seal covers but the value.
fn parts<'p>(
    start: &'p [u8],
    keyring: &'p Keyring,
    name: &'p [u8],
    sealed_for: &'p SealedFor<'_>,
) -> [&'p [u8]; 5] {
    [PURPOSE, start, keyring.realm.name(), name, sealed_for.id()]
}

fn mac(key: &Key, context: &[u8], value: &[u8]) -> cmac::Cmac<aes::Aes256Enc> {
    key.mac.clone().chain_update(context).chain_update(length(value)).chain_update(value)
}

fn decimal(number: usize) -> String {
    number.to_string()
}

#[cfg(test)]
mod tests;
