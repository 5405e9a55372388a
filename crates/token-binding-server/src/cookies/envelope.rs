//! What every seal is made of: bytes encrypted under a key and bound to what they are for, as text.

use std::sync::LazyLock;

use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;
use base64::{Engine as _, decoded_len_estimate};

use super::keyring::Key;
use super::xaes::{NONCE_LENGTH, TAG_LENGTH};

/// As `token_binding::header` encodes, in a quarter of the time.
static BASE64URL: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

/// Something could not be sealed: there are no random numbers, or more bytes than anything can be sealed with.
#[derive(Debug, PartialEq, Eq)]
pub struct NotSealed;

/// Why an encrypted text was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// It is not base64url, or too short.
    Shape,
    /// It was encrypted for something else, or changed.
    Mismatch,
}

/// How many characters an encrypted text has, for so many bytes inside.
pub(super) const fn encrypted_length(content: usize) -> usize {
    (4 * (NONCE_LENGTH + content + TAG_LENGTH)).div_ceil(3)
}

/// Encrypts `content` and binds it to `parts`; appends base64url(nonce (24 bytes) || ciphertext || tag (16)).
pub(crate) fn encrypt<const N: usize>(
    key: &Key,
    parts: [&[u8]; N],
    content: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), NotSealed> {
    let mut nonce = [0; NONCE_LENGTH];
    getrandom::fill(&mut nonce).map_err(|_| NotSealed)?;
    let mut bytes = joined(parts, NONCE_LENGTH + content.len() + TAG_LENGTH);
    let context = bytes.len();
    bytes.extend(nonce);
    bytes.extend(content);
    let (associated, sealed) = bytes.split_at_mut(context);
    let text = sealed.split_at_mut(NONCE_LENGTH).1;
    let tag = key.encryption.seal(&nonce, associated, text).map_err(|_| NotSealed)?;
    bytes.extend(tag);
    encode(bytes.get(context..).unwrap_or_default(), out)
}

/// The bytes that [`encrypt`] has encrypted, if they were for these `parts`.
pub(crate) fn decrypt<const N: usize>(
    key: &Key,
    parts: [&[u8]; N],
    text: &[u8],
) -> Result<Vec<u8>, Unopened> {
    let room = decoded_len_estimate(text.len());
    let mut bytes = joined(parts, room);
    let context = bytes.len();
    bytes.resize(context + room, 0);
    let (associated, place) = bytes.split_at_mut(context);
    let length = BASE64URL.decode_slice(text, place).map_err(|_| Unopened::Shape)?;
    let decoded = place.get_mut(..length).ok_or(Unopened::Shape)?;
    let (nonce, rest) = decoded.split_first_chunk_mut().ok_or(Unopened::Shape)?;
    let (content, tag) = rest.split_last_chunk_mut().ok_or(Unopened::Shape)?;
    key.encryption.open(nonce, associated, content, tag).map_err(|_| Unopened::Mismatch)?;
    let start = context + NONCE_LENGTH;
    let end = start + content.len();
    bytes.truncate(end);
    bytes.drain(..start);
    Ok(bytes)
}

/// The parts, each with its length before it, so that no two different lists give the same bytes; and room for more bytes
/// behind them.
pub(super) fn joined<const N: usize>(parts: [&[u8]; N], room: usize) -> Vec<u8> {
    let length_of_all: usize = parts.iter().map(|part| 8 + part.len()).sum();
    let mut bytes = Vec::with_capacity(length_of_all + room);
    for part in parts {
        bytes.extend(length(part));
        bytes.extend(part);
    }
    bytes
}

pub(super) fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

/// Appends the bytes as base64url.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NotSealed> {
    let start = out.len();
    out.resize(start + (4 * bytes.len()).div_ceil(3), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    let written = BASE64URL.encode_slice(bytes, place).map_err(|_| NotSealed)?;
    if start + written == out.len() { Ok(()) } else { Err(NotSealed) }
}

/// The bytes of a base64url text, if it is one.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}
