//! OpenSSL and the crates `p256` and `rsa` give one verdict.

use dbsc::sign::Signer;
use dbsc::sign::openssl::SigningKey;
use dbsc::verify::{OpenSsl, RustCrypto, SignatureBackend, SignatureError};
use dbsc::{KeyError, PublicKey};
use openssl::bn::BigNum;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use proptest::prelude::*;

use crate::support::{EC, RSA, encode, keys};

const SIGNED: &[u8] = b"header.payload";

/// The order of P-256, and its prime, big-endian.
const ORDER: &str = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
const PRIME: &str = "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF";

fn number(hex: &str) -> [u8; 32] {
    BigNum::from_hex_str(hex).unwrap().to_vec_padded(32).unwrap().try_into().unwrap()
}

fn plus(number: [u8; 32], more: u8) -> [u8; 32] {
    let sum = BigNum::from_slice(&number).unwrap();
    let mut result = BigNum::new().unwrap();
    result.checked_add(&sum, &BigNum::from_u32(more.into()).unwrap()).unwrap();
    result.to_vec_padded(32).unwrap().try_into().unwrap()
}

/// What both say.
fn verdict(key: &PublicKey, signature: &[u8]) -> Result<(), SignatureError> {
    let by_openssl = OpenSsl.verify(key, SIGNED, signature);
    assert_eq!(by_openssl, RustCrypto.verify(key, SIGNED, signature), "{key:?}");
    by_openssl
}

#[test]
fn borders_of_an_ecdsa_signature() {
    let key = EC.public_key();
    let good = EC.sign(SIGNED).unwrap();
    let (r, s) = good.split_at(32);
    let order = number(ORDER);
    assert_eq!(verdict(key, &good), Ok(()));
    let edges = [[0; 32], number("01"), order, plus(order, 1), [0xff; 32]];
    for edge in edges {
        assert_eq!(verdict(key, &[&edge, s].concat()), Err(SignatureError::Invalid));
        assert_eq!(verdict(key, &[r, &edge].concat()), Err(SignatureError::Invalid));
        for other in edges {
            assert_eq!(verdict(key, &[edge, other].concat()), Err(SignatureError::Invalid));
        }
    }
    // The other of the two signatures that each is: (r, n-s). JWS has no rule against it.
    let mut rest = BigNum::new().unwrap();
    rest.checked_sub(&BigNum::from_slice(&order).unwrap(), &BigNum::from_slice(s).unwrap()).unwrap();
    assert_eq!(verdict(key, &[r, &rest.to_vec_padded(32).unwrap()].concat()), Ok(()));
}

#[test]
fn borders_of_an_rsa_signature() {
    let key = RSA.public_key();
    let good = RSA.sign(SIGNED).unwrap();
    assert_eq!(verdict(key, &good), Ok(()));
    let modulus = key.to_bytes()[5..].to_vec();
    let mut one = vec![0; 256];
    one[255] = 1;
    let mut below = modulus.clone();
    below[255] -= 1;
    for signature in [vec![0; 256], one, modulus, below, vec![0xff; 256]] {
        assert_eq!(verdict(key, &signature), Err(SignatureError::Invalid));
    }
}

/// Sizes and exponents other than the usual ones.
#[test]
fn unusual_rsa_keys() {
    for (bits, exponent) in [(2049, 65537), (2055, 3), (3072, 0xffff_ffff), (2048, 3), (4096, 17)] {
        let exponent = BigNum::from_u32(exponent).unwrap();
        let rsa = Rsa::generate_with_e(bits, &exponent).unwrap();
        let der = PKey::from_rsa(rsa).unwrap().private_key_to_pkcs8().unwrap();
        let key = SigningKey::from_pkcs8_der(&der).unwrap();
        let mut signature = key.sign(SIGNED).unwrap();
        assert_eq!(signature.len(), key.public_key().signature_length());
        assert_eq!(verdict(key.public_key(), &signature), Ok(()), "{bits}");
        signature[9] ^= 1;
        assert_eq!(verdict(key.public_key(), &signature), Err(SignatureError::Invalid), "{bits}");
    }
}

/// Whether the crate `p256` takes these for a point.
fn is_point(coordinates: &[u8]) -> bool {
    p256::PublicKey::from_sec1_bytes(&[&[4], coordinates].concat()).is_ok()
}

#[test]
fn borders_of_a_point() {
    let prime = number(PRIME);
    let good: [u8; 64] = EC.public_key().to_bytes()[1..].try_into().unwrap();
    let (x, y) = good.split_at(32);
    let mut minus_y = BigNum::new().unwrap();
    minus_y.checked_sub(&BigNum::from_slice(&prime).unwrap(), &BigNum::from_slice(y).unwrap()).unwrap();
    let minus_y = minus_y.to_vec_padded(32).unwrap();
    let edges = [[0; 32], number("01"), prime, plus(prime, 1), [0xff; 32]];
    let mut points: Vec<Vec<u8>> = vec![good.to_vec(), [x, &minus_y].concat(), [y, x].concat()];
    for edge in edges {
        points.push([x, &edge].concat());
        points.push([&edge, y].concat());
        points.extend(edges.map(|other| [edge, other].concat()));
    }
    // Zero has a point on either side, whose X could as well be written as the prime.
    let mut on_zero = p256_of_compressed([2; 1], [0; 32]);
    assert!(is_point(&on_zero));
    points.push(on_zero.clone());
    on_zero[..32].copy_from_slice(&prime);
    points.push(on_zero);
    for point in points {
        let jwk = format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#,
            encode(&point[..32]),
            encode(&point[32..])
        );
        let expected = if is_point(&point) { None } else { Some(KeyError::NotOnCurve) };
        assert_eq!(PublicKey::from_jwk(&jwk).err(), expected);
        assert_eq!(PublicKey::from_bytes(&[&[1], &point[..]].concat()).err(), expected);
    }
}

fn p256_of_compressed(tag: [u8; 1], x: [u8; 32]) -> Vec<u8> {
    let key = p256::PublicKey::from_sec1_bytes(&[&tag[..], &x].concat()).unwrap();
    key.to_sec1_bytes()[1..].to_vec()
}

proptest! {
    #[test]
    fn changed_signatures(at in 0..256_usize, mask in 1..=255_u8) {
        for key in keys() {
            let mut signature = key.sign(SIGNED).unwrap();
            let at = at % signature.len();
            signature[at] ^= mask;
            prop_assert_eq!(verdict(key.public_key(), &signature), Err(SignatureError::Invalid));
        }
    }

    #[test]
    fn any_point(bytes in proptest::collection::vec(any::<u8>(), 64)) {
        let read = PublicKey::from_bytes(&[&[1], &bytes[..]].concat());
        prop_assert_eq!(read.is_ok(), is_point(&bytes));
    }
}
