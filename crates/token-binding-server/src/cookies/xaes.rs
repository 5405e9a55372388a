//! XAES-256-GCM (C2SP, c2sp.org/XAES-256-GCM): AES-256-GCM with a key per nonce, so that random nonces never run out.
//!
//! The derived key is the output of NIST SP 800-108's KDF in counter mode with CMAC (SP 800-38B), over inputs of one block
//! each: two blocks of AES, with CMAC's subkey made before. Everything else is the `aes-gcm` crate's.

use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt as _};
use aes_gcm::aead::AeadInOut as _;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use zeroize::Zeroizing;

/// Bytes.
pub(super) const NONCE_LENGTH: usize = 24;
/// Bytes.
pub(super) const TAG_LENGTH: usize = 16;

/// How much of the nonce goes into the key; the rest is AES-GCM's nonce.
const FOR_KEY: usize = 12;

/// A key for any number of values.
pub(super) struct Xaes256Gcm {
    cipher: Aes256Enc,
    /// CMAC's K1.
    subkey: Zeroizing<u128>,
}

/// The text is not what was sealed under this key, nonce and associated data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

impl Xaes256Gcm {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let cipher = Aes256Enc::new(key.into());
        let zero = Zeroizing::new(encrypt(&cipher, 0));
        let carry = if *zero >> 127 == 1 { 0x87 } else { 0 };
        Self { cipher, subkey: Zeroizing::new((*zero << 1) ^ carry) }
    }

    /// Encrypts in place.
    pub(super) fn seal(
        &self,
        nonce: &[u8; NONCE_LENGTH],
        associated: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_LENGTH], Mismatch> {
        let (key, rest) = self.derive(nonce);
        Aes256Gcm::new((&*key).into())
            .encrypt_inout_detached(&rest.into(), associated, InOutBuf::from(text))
            .map(Into::into)
            .map_err(|_| Mismatch)
    }

    /// Decrypts in place, if the tag is right. It is compared in constant time.
    pub(super) fn open(
        &self,
        nonce: &[u8; NONCE_LENGTH],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LENGTH],
    ) -> Result<(), Mismatch> {
        let (key, rest) = self.derive(nonce);
        Aes256Gcm::new((&*key).into())
            .decrypt_inout_detached(&rest.into(), associated, InOutBuf::from(text), tag.into())
            .map_err(|_| Mismatch)
    }

    /// AES-256-GCM's key and nonce for this nonce.
    fn derive(&self, nonce: &[u8; NONCE_LENGTH]) -> (Zeroizing<[u8; 32]>, [u8; NONCE_LENGTH - FOR_KEY]) {
        let (mut for_key, mut rest) = ([0; 16], [0; NONCE_LENGTH - FOR_KEY]);
        let (first, last) = nonce.split_at(FOR_KEY);
        for_key.split_at_mut(16 - FOR_KEY).1.copy_from_slice(first);
        rest.copy_from_slice(last);
        let for_key = u128::from_be_bytes(for_key);
        let half = |counter: u8| {
            let start = u32::from_be_bytes([0, counter, b'X', 0]);
            encrypt(&self.cipher, (u128::from(start) << 96 | for_key) ^ *self.subkey)
        };
        let mut key = Zeroizing::new([0; 32]);
        let (first, second) = key.split_at_mut(16);
        first.copy_from_slice(&half(1).to_be_bytes());
        second.copy_from_slice(&half(2).to_be_bytes());
        (key, rest)
    }
}

fn encrypt(cipher: &Aes256Enc, block: u128) -> u128 {
    let mut block = Array::from(block.to_be_bytes());
    cipher.encrypt_block(&mut block);
    u128::from_be_bytes(block.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &[u8; NONCE_LENGTH] = b"ABCDEFGHIJKLMNOPQRSTUVWX";

    /// The specification's two vectors: one where CMAC's subkey carries, one where it does not.
    #[test]
    fn it_is_that_of_the_specification() {
        for (fill, associated, expected) in [
            (1, &b""[..], "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
            (3, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
        ] {
            let cipher = Xaes256Gcm::new(&[fill; 32]);
            let mut text = *b"XAES-256-GCM";
            let tag = cipher.seal(NONCE, associated, &mut text).unwrap();
            let hex: String = text.iter().chain(&tag).map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected);
            cipher.open(NONCE, associated, &mut text, &tag).unwrap();
            assert_eq!(&text, b"XAES-256-GCM");
            assert_eq!(cipher.open(NONCE, b"other", &mut text, &tag), Err(Mismatch));
        }
    }

    /// OpenSSL, with the derivation written out by hand, gives the same.
    #[test]
    fn openssl_agrees() {
        use openssl::symm::{Cipher, Crypter, Mode, encrypt_aead};
        let key: [u8; 32] = std::array::from_fn(|byte| byte as u8 * 7);
        let block = |input: &[u8]| {
            let mut crypter = Crypter::new(Cipher::aes_256_ecb(), Mode::Encrypt, &key, None).unwrap();
            crypter.pad(false);
            let mut out = [0; 48];
            assert_eq!(crypter.update(input, &mut out).unwrap(), 16);
            u128::from_be_bytes(out[..16].try_into().unwrap())
        };
        let zero = block(&[0; 16]);
        let subkey = (zero << 1) ^ if zero >> 127 == 1 { 0x87 } else { 0 };
        for length in [0, 1, 15, 16, 17, 200] {
            let nonce: [u8; NONCE_LENGTH] = std::array::from_fn(|byte| (byte * length) as u8);
            let half = |counter: u8| {
                let message = [&[0, counter, b'X', 0][..], &nonce[..12]].concat();
                let message = u128::from_be_bytes(message.try_into().unwrap()) ^ subkey;
                block(&message.to_be_bytes()).to_be_bytes()
            };
            let derived = [half(1), half(2)].concat();
            let plain = vec![0x5a; length];
            let mut expected_tag = [0; 16];
            let expected = encrypt_aead(
                Cipher::aes_256_gcm(),
                &derived,
                Some(&nonce[12..]),
                b"data",
                &plain,
                &mut expected_tag,
            );
            let mut text = plain.clone();
            let tag = Xaes256Gcm::new(&key).seal(&nonce, b"data", &mut text).unwrap();
            assert_eq!((text, tag), (expected.unwrap(), expected_tag));
        }
    }
}
