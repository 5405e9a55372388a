//! Sealing and unsealing one cookie's value.
//!
//! A sealed value is text that cookies may hold, of fixed shape up to the application's own value:
//!
//! ```text
//! "tb1" ("b" bound | "u" unbound) "m" "." key id (8) "." HMAC-SHA-256 (43) "." value
//! "tb1" ("b" bound | "u" unbound) "e" "." key id (8) "." base64url(salt (16 bytes) || AES-256-GCM(value) || tag (16))
//! ```
//!
//! What is authenticated, each part with its length before it: what this is, the shape's first five letters, the key id,
//! the cookie's name, then the Token Binding ID or the word for none, then (MAC only; the AEAD's own plaintext) the
//! value. No two different inputs give the same bytes.

use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::memcmp;
use openssl::rand::rand_bytes;
use openssl::sign::Signer;
use openssl::symm::{self, encrypt_aead};

use super::keyring::{CryptoFault, KEY_ID_LENGTH, Key, Keyring};

const VERSION: &[u8] = b"tb1";
const PURPOSE: &[u8] = b"mod_token_binding cookie v1";
const MAC_LENGTH: usize = 32;
const MAC_TEXT_LENGTH: usize = 43;
const SALT_LENGTH: usize = 16;
const TAG_LENGTH: usize = 16;

/// Whom a value is sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealedFor<'a> {
    /// The holder of the key with this Token Binding ID.
    Key(&'a [u8]),
    /// Any client that has no Token Binding.
    Unbound,
}

/// Why a value was not unsealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    /// It has none of the shapes of a sealed value.
    NoSeal,
    /// Its secret is not in force here.
    UnknownSecret,
    /// It is sealed for clients without Token Binding, and this one has it.
    ForUnbound,
    /// It is sealed for a client's key, and this request proves none.
    ForBound,
    /// The seal does not hold: another client's, another cookie's, or changed.
    Invalid,
    /// OpenSSL failed.
    Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Mac,
    Encrypt,
}

/// The shape's first letters.
fn shape(mode: Mode, sealed_for: SealedFor<'_>) -> [u8; 5] {
    let [t, b, one] = *b"tb1";
    let whom = if sealed_for == SealedFor::Unbound { b'u' } else { b'b' };
    let how = if mode == Mode::Encrypt { b'e' } else { b'm' };
    [t, b, one, whom, how]
}

/// Seals `value` under the cookie's name.
pub(crate) fn seal(
    keyring: &Keyring,
    encrypt: bool,
    name: &[u8],
    value: &[u8],
    sealed_for: SealedFor<'_>,
) -> Result<Vec<u8>, CryptoFault> {
    let mode = if encrypt { Mode::Encrypt } else { Mode::Mac };
    let key = keyring.sealing();
    let shape = shape(mode, sealed_for);
    let mut authenticated = authenticated(shape, key, name, sealed_for);
    let mut sealed = Vec::with_capacity(value.len() * 4 / 3 + 80);
    sealed.extend(shape);
    sealed.push(b'.');
    sealed.extend(key.id.as_bytes());
    sealed.push(b'.');
    match mode {
        Mode::Mac => {
            lengthen(&mut authenticated, value);
            sealed.extend(token_binding::header::encode(&mac(key, &authenticated)?).as_bytes());
            sealed.push(b'.');
            sealed.extend(value);
        }
        Mode::Encrypt => {
            let mut salt = [0; SALT_LENGTH];
            rand_bytes(&mut salt)?;
            let one = key.for_one_value(&salt)?;
            let (aes, nonce) = one.split_at(32);
            let mut tag = [0; TAG_LENGTH];
            let cipher = symm::Cipher::aes_256_gcm();
            let ciphertext = encrypt_aead(cipher, aes, Some(nonce), &authenticated, value, &mut tag)?;
            let parts = [&salt[..], &ciphertext, &tag].concat();
            sealed.extend(token_binding::header::encode(&parts).as_bytes());
        }
    }
    Ok(sealed)
}

/// The value inside, if the seal holds for this cookie's name and this client. Values sealed with either mode and any
/// secret in force are taken.
pub(crate) fn unseal(
    keyring: &Keyring,
    name: &[u8],
    sealed: &[u8],
    client: SealedFor<'_>,
) -> Result<Vec<u8>, Broken> {
    let parsed = Parsed::of(sealed).ok_or(Broken::NoSeal)?;
    let key = keyring.find(parsed.key_id).ok_or(Broken::UnknownSecret)?;
    match (parsed.is_bound, client) {
        (true, SealedFor::Key(_)) | (false, SealedFor::Unbound) => {}
        (true, SealedFor::Unbound) => return Err(Broken::ForBound),
        (false, SealedFor::Key(_)) => return Err(Broken::ForUnbound),
    }
    let mut authenticated = authenticated(shape(parsed.mode, client), key, name, client);
    match parsed.mode {
        Mode::Mac => {
            let (text, value) = parsed.rest.split_at_checked(MAC_TEXT_LENGTH).ok_or(Broken::NoSeal)?;
            let value = value.strip_prefix(b".").ok_or(Broken::NoSeal)?;
            let given = token_binding::header::decode(text).map_err(|_| Broken::NoSeal)?;
            lengthen(&mut authenticated, value);
            let right = mac(key, &authenticated).map_err(|_| Broken::Fault)?;
            // Both have the same length, or eq would panic.
            if given.len() == right.len() && memcmp::eq(&given, &right) {
                Ok(value.to_vec())
            } else {
                Err(Broken::Invalid)
            }
        }
        Mode::Encrypt => {
            let parts = token_binding::header::decode(parsed.rest).map_err(|_| Broken::NoSeal)?;
            let (salt, rest) = parts.split_at_checked(SALT_LENGTH).ok_or(Broken::NoSeal)?;
            let end = rest.len().checked_sub(TAG_LENGTH).ok_or(Broken::NoSeal)?;
            let (ciphertext, tag) = rest.split_at_checked(end).ok_or(Broken::NoSeal)?;
            let one = key.for_one_value(salt).map_err(|_| Broken::Fault)?;
            let (aes, nonce) = one.split_at(32);
            decrypt(aes, nonce, &authenticated, ciphertext, tag)
        }
    }
}

/// The decrypted value. Only OpenSSL's last step is about the seal; what fails before has nothing to do with it.
fn decrypt(
    aes: &[u8],
    nonce: &[u8],
    authenticated: &[u8],
    ciphertext: &[u8],
    tag: &[u8],
) -> Result<Vec<u8>, Broken> {
    let mut value = Vec::new();
    let mut prepare = || -> Result<CipherCtx, ErrorStack> {
        let mut context = CipherCtx::new()?;
        context.decrypt_init(Some(Cipher::aes_256_gcm()), Some(aes), Some(nonce))?;
        context.set_tag(tag)?;
        context.cipher_update(authenticated, None)?;
        context.cipher_update_vec(ciphertext, &mut value)?;
        Ok(context)
    };
    let mut context = prepare().map_err(|_| Broken::Fault)?;
    context.cipher_final_vec(&mut value).map_err(|_| Broken::Invalid)?;
    Ok(value)
}

/// Seals and unseals in both modes. The error is a sentence for the administrator.
pub(crate) fn try_out(keyring: &Keyring) -> Result<(), String> {
    let (name, value, client) = (b"name", b"value", SealedFor::Unbound);
    for encrypt in [false, true] {
        let sealed = seal(keyring, encrypt, name, value, client);
        let unsealed = sealed.ok().and_then(|sealed| unseal(keyring, name, &sealed, client).ok());
        if unsealed.as_deref() != Some(value) {
            return Err("OpenSSL could not seal and unseal with it".into());
        }
    }
    Ok(())
}

/// A sealed value, taken apart but not yet believed.
struct Parsed<'a> {
    is_bound: bool,
    mode: Mode,
    key_id: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Parsed<'a> {
    fn of(sealed: &'a [u8]) -> Option<Self> {
        let [whom, how, b'.', rest @ ..] = sealed.strip_prefix(VERSION)? else { return None };
        let is_bound = match whom {
            b'b' => true,
            b'u' => false,
            _ => return None,
        };
        let mode = match how {
            b'm' => Mode::Mac,
            b'e' => Mode::Encrypt,
            _ => return None,
        };
        let (key_id, rest) = rest.split_at_checked(KEY_ID_LENGTH)?;
        Some(Self { is_bound, mode, key_id, rest: rest.strip_prefix(b".")? })
    }
}

/// Everything that a seal covers but the value.
fn authenticated(shape: [u8; 5], key: &Key, name: &[u8], sealed_for: SealedFor<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [PURPOSE, &shape, key.id.as_bytes(), name] {
        lengthen(&mut bytes, part);
    }
    match sealed_for {
        SealedFor::Key(id) => {
            bytes.push(1);
            lengthen(&mut bytes, id);
        }
        SealedFor::Unbound => bytes.push(0),
    }
    bytes
}

/// Appends `part` with its length before it.
fn lengthen(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u64).to_be_bytes());
    bytes.extend(part);
}

fn mac(key: &Key, bytes: &[u8]) -> Result<[u8; MAC_LENGTH], CryptoFault> {
    let mut signer = Signer::new(openssl::hash::MessageDigest::sha256(), &key.mac)?;
    let mut mac = [0; MAC_LENGTH];
    let length = signer.sign_oneshot(&mut mac, bytes)?;
    if length == MAC_LENGTH { Ok(mac) } else { Err(CryptoFault) }
}

#[cfg(test)]
mod tests {
    use super::super::secret::Secret;
    use super::*;

    fn ring(fills: &[u8]) -> Keyring {
        let secrets: Vec<Secret> = fills
            .iter()
            .map(|fill| Secret::new((0..48).map(|number| number ^ fill).collect()).unwrap())
            .collect();
        Keyring::new(&secrets).unwrap()
    }

    const ALICE: SealedFor<'_> = SealedFor::Key(b"alice's key");
    const MALLORY: SealedFor<'_> = SealedFor::Key(b"mallory's key");

    #[test]
    fn the_shape_is_fixed_and_holds_cookie_characters_only() {
        for (encrypt, client, start, length) in [
            (false, ALICE, "tb1bm.", 59 + 5),
            (false, SealedFor::Unbound, "tb1um.", 59 + 5),
            (true, ALICE, "tb1be.", 15 + 50),
            (true, SealedFor::Unbound, "tb1ue.", 15 + 50),
        ] {
            let sealed = seal(&ring(&[1]), encrypt, b"sid", b"value", client).unwrap();
            let text = String::from_utf8(sealed).unwrap();
            assert!(text.starts_with(start) && text.len() == length, "{text}");
            assert!(
                text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
                "{text}"
            );
            assert_eq!(text.contains("value"), !encrypt, "{text}");
        }
    }

    #[test]
    fn it_holds_for_its_client_its_name_and_nobody_else() {
        let keyring = ring(&[1]);
        for encrypt in [false, true] {
            for client in [ALICE, SealedFor::Unbound] {
                let sealed = seal(&keyring, encrypt, b"sid", b"value", client).unwrap();
                assert_eq!(unseal(&keyring, b"sid", &sealed, client).unwrap(), b"value");
                assert_eq!(unseal(&keyring, b"SID", &sealed, client), Err(Broken::Invalid));
                let others = match client {
                    SealedFor::Unbound => [(MALLORY, Broken::ForUnbound), (ALICE, Broken::ForUnbound)],
                    SealedFor::Key(_) => [(MALLORY, Broken::Invalid), (SealedFor::Unbound, Broken::ForBound)],
                };
                for (other, broken) in others {
                    assert_eq!(unseal(&keyring, b"sid", &sealed, other), Err(broken));
                }
            }
        }
    }

    /// Neither letter can be turned into the other, and an empty ID is not "none".
    #[test]
    fn a_bound_value_can_not_be_made_an_unbound_one() {
        let keyring = ring(&[1]);
        for encrypt in [false, true] {
            for (client, other) in
                [(SealedFor::Key(b""), SealedFor::Unbound), (SealedFor::Unbound, SealedFor::Key(b""))]
            {
                let mut sealed = seal(&keyring, encrypt, b"sid", b"value", client).unwrap();
                sealed[3] = if sealed[3] == b'b' { b'u' } else { b'b' };
                assert_eq!(unseal(&keyring, b"sid", &sealed, other), Err(Broken::Invalid));
            }
        }
    }

    #[test]
    fn rotation() {
        let (old, both, new) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
        for encrypt in [false, true] {
            let sealed = seal(&old, encrypt, b"sid", b"value", ALICE).unwrap();
            assert_eq!(unseal(&both, b"sid", &sealed, ALICE).unwrap(), b"value");
            assert_eq!(unseal(&new, b"sid", &sealed, ALICE), Err(Broken::UnknownSecret));
            let sealed = seal(&both, encrypt, b"sid", b"value", ALICE).unwrap();
            assert_eq!(unseal(&new, b"sid", &sealed, ALICE).unwrap(), b"value");
        }
    }

    /// The key id is covered: it can't be changed to another secret's that is in force.
    #[test]
    fn the_key_id_can_not_be_exchanged() {
        let both = ring(&[1, 2]);
        let mut sealed = seal(&both, false, b"sid", b"value", ALICE).unwrap();
        let other = seal(&ring(&[2]), false, b"sid", b"value", ALICE).unwrap();
        sealed[6..14].copy_from_slice(&other[6..14]);
        assert_eq!(unseal(&both, b"sid", &sealed, ALICE), Err(Broken::Invalid));
    }

    #[test]
    fn encryption_shows_nothing_twice() {
        let keyring = ring(&[1]);
        let sealed = || seal(&keyring, true, b"sid", b"value", ALICE).unwrap();
        assert_ne!(sealed(), sealed());
    }

    #[test]
    fn what_is_no_seal() {
        let keyring = ring(&[1]);
        for value in [
            &b""[..],
            b"abc",
            b"tb1",
            b"tb1bm.",
            b"tb2bm.AAAAAAAA.",
            b"tb1xm.AAAAAAAA.x",
            b"tb1bx.AAAAAAAA.x",
        ] {
            assert_eq!(
                unseal(&keyring, b"sid", value, ALICE),
                Err(Broken::NoSeal),
                "{}",
                value.escape_ascii()
            );
        }
    }
}
