//! Sealing and unsealing one cookie's value.
//!
//! A sealed value is text that cookies may hold. It has no comma outside the value, and says how long that is:
//!
//! ```text
//! "tb2" whom "e." key id (8) realm's tag (4) "." base64url(nonce (24 bytes) || ciphertext || tag (16))
//! "tb2" whom "m." key id (8) realm's tag (4) "." base64url(MAC (16 bytes)) "." length of the value "." value
//! whom = "b" bound | "u" unbound
//! ```
//!
//! The first form encrypts with XAES-256-GCM. The second, for those who need the shorter form, leaves the value readable and
//! authenticates it with AES-256-CMAC. Either covers, each part with its length before it: what this is, the text as far
//! as the second dot, the realm, the cookie's name, the Token Binding ID or the word for none, and the value. No two
//! different inputs give the same bytes.

use std::sync::LazyLock;

use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;
use base64::{Engine as _, decoded_len_estimate};
use cmac::Mac as _;

use super::keyring::{KEY_ID_LENGTH, Key, Keyring};
use super::realm;
use super::xaes::{NONCE_LENGTH, TAG_LENGTH};

const VERSION: &[u8; 3] = b"tb2";
const PURPOSE: &[u8] = b"mod_token_binding cookie v2";
/// From the version to the second dot.
const START_LENGTH: usize = 3 + 2 + 1 + KEY_ID_LENGTH + realm::TAG_LENGTH + 1;
const MAC_LENGTH: usize = 16;
const MAC_TEXT_LENGTH: usize = 22;
/// Digits of a value's length.
const MOST_DIGITS: usize = 9;

/// As `token_binding::header` encodes, in a quarter of the time.
static BASE64URL: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

/// Whom a value is sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedFor<'a> {
    /// The holder of the key with this Token Binding ID.
    Key(&'a [u8]),
    /// Any client that has no Token Binding.
    Unbound,
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
    /// The seal does not hold: another client's, another cookie's, or changed.
    Invalid,
}

/// A value could not be sealed: there are no random numbers, or more bytes than anything can be sealed with.
#[derive(Debug, PartialEq, Eq)]
pub struct NotSealed;

impl Form {
    /// How long a value of this many bytes is when it is sealed.
    pub fn length(self, value: usize) -> usize {
        match self {
            Self::Encrypted => START_LENGTH + (4 * (NONCE_LENGTH + value + TAG_LENGTH)).div_ceil(3),
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
    const fn letter(self) -> u8 {
        match self {
            Self::Key(_) => b'b',
            Self::Unbound => b'u',
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
    let before = out.len();
    out.extend(VERSION);
    out.extend([sealed_for.letter(), form.letter(), b'.']);
    out.extend(key.id.as_bytes());
    out.extend(keyring.realm.tag());
    out.push(b'.');
    let start = out.get(before..).unwrap_or_default();
    match form {
        Form::Encrypted => {
            let mut nonce = [0; NONCE_LENGTH];
            getrandom::fill(&mut nonce).map_err(|_| NotSealed)?;
            let room = NONCE_LENGTH + value.len() + TAG_LENGTH;
            let mut bytes = context(start, keyring, name, sealed_for, room);
            let context = bytes.len();
            bytes.extend(nonce);
            bytes.extend(value);
            let (associated, sealed) = bytes.split_at_mut(context);
            let text = sealed.split_at_mut(NONCE_LENGTH).1;
            let tag = key.encryption.seal(&nonce, associated, text).map_err(|_| NotSealed)?;
            bytes.extend(tag);
            encode(bytes.get(context..).unwrap_or_default(), out)
        }
        Form::Readable => {
            let context = context(start, keyring, name, sealed_for, 0);
            encode(&mac(key, &context, value).finalize().into_bytes(), out)?;
            out.push(b'.');
            out.extend(decimal(value.len()).as_bytes());
            out.push(b'.');
            out.extend(value);
            Ok(())
        }
    }
}

/// Appends the bytes as base64url.
fn encode(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NotSealed> {
    let start = out.len();
    out.resize(start + (4 * bytes.len()).div_ceil(3), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    let written = BASE64URL.encode_slice(bytes, place).map_err(|_| NotSealed)?;
    if start + written == out.len() { Ok(()) } else { Err(NotSealed) }
}

/// A sealed value, taken apart but not yet believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// As far as the second dot.
    start: &'a [u8],
    is_bound: bool,
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
        let is_bound = match whom {
            b'b' => true,
            b'u' => false,
            _ => return None,
        };
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
        Some((Self { start, is_bound, key_id, realm, content }, rest))
    }

    /// The value inside, if the seal holds for this cookie's name and this client. Values sealed in either form and with any
    /// secret in force are taken.
    pub fn open(self, keyring: &Keyring, name: &[u8], client: SealedFor<'_>) -> Result<Vec<u8>, Broken> {
        let key = keyring.find(self.key_id).ok_or(Broken::UnknownSecret)?;
        if self.realm != keyring.realm.tag() {
            return Err(Broken::OtherRealm);
        }
        match (self.is_bound, client) {
            (true, SealedFor::Key(_)) | (false, SealedFor::Unbound) => {}
            (true, SealedFor::Unbound) => return Err(Broken::ForBound),
            (false, SealedFor::Key(_)) => return Err(Broken::ForUnbound),
        }
        match self.content {
            Content::Encrypted(text) => {
                let room = decoded_len_estimate(text.len());
                let mut bytes = context(self.start, keyring, name, client, room);
                let context = bytes.len();
                bytes.resize(context + room, 0);
                let (associated, place) = bytes.split_at_mut(context);
                let length = BASE64URL.decode_slice(text, place).map_err(|_| Broken::NoSeal)?;
                let decoded = place.get_mut(..length).ok_or(Broken::NoSeal)?;
                let (nonce, rest) = decoded.split_first_chunk_mut().ok_or(Broken::NoSeal)?;
                let (value, tag) = rest.split_last_chunk_mut().ok_or(Broken::NoSeal)?;
                key.encryption.open(nonce, associated, value, tag).map_err(|_| Broken::Invalid)?;
                let start = context + NONCE_LENGTH;
                let end = start + value.len();
                bytes.truncate(end);
                bytes.drain(..start);
                Ok(bytes)
            }
            Content::Readable { mac: given, value } => {
                let context = context(self.start, keyring, name, client, 0);
                let given = BASE64URL.decode(given).map_err(|_| Broken::NoSeal)?;
                let given: [u8; MAC_LENGTH] = given.try_into().map_err(|_| Broken::NoSeal)?;
                // In constant time.
                mac(key, &context, value).verify(&given.into()).map_err(|_| Broken::Invalid)?;
                Ok(value.to_vec())
            }
        }
    }
}

/// Everything that a seal covers but the value, with room for more bytes behind it.
fn context(start: &[u8], keyring: &Keyring, name: &[u8], sealed_for: SealedFor<'_>, room: usize) -> Vec<u8> {
    let id = match sealed_for {
        SealedFor::Key(id) => id,
        // `start` says that there is none.
        SealedFor::Unbound => b"",
    };
    let parts = [PURPOSE, start, keyring.realm.name(), name, id];
    let length_of_all: usize = parts.iter().map(|part| 8 + part.len()).sum();
    let mut bytes = Vec::with_capacity(length_of_all + room);
    for part in parts {
        bytes.extend(length(part));
        bytes.extend(part);
    }
    bytes
}

fn mac(key: &Key, context: &[u8], value: &[u8]) -> cmac::Cmac<aes::Aes256Enc> {
    key.mac.clone().chain_update(context).chain_update(length(value)).chain_update(value)
}

fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

fn decimal(number: usize) -> String {
    number.to_string()
}

#[cfg(test)]
mod tests;
