//! Public keys as JSON, and as bytes.

use dbsc::{Algorithm, KeyError, PublicKey};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use serde_json::Value;

pub fn dbsc_jwk(data: &[u8]) {
    if let Ok(key) = PublicKey::from_bytes(data) {
        assert_eq!(key.to_bytes(), data);
        check(&key);
    }
    let Ok(text) = str::from_utf8(data) else { return };
    let read = PublicKey::from_jwk(text);
    assert!(openssl::error::Error::get().is_none());
    match read {
        Ok(key) => {
            let jwk: Value = serde_json::from_str(text).unwrap();
            for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                assert!(jwk.get(member).is_none());
            }
            let written: Value = serde_json::from_str(&key.to_jwk()).unwrap();
            for (member, value) in written.as_object().unwrap() {
                assert_eq!(&jwk[member], value);
            }
            assert!(jwk.get("alg").is_none_or(|alg| alg == key.algorithm().as_str()));
            check(&key);
        }
        Err(KeyError::NotOnCurve) => {
            let jwk: Value = serde_json::from_str(text).unwrap();
            assert!(!is_point(&decode(&jwk["x"]), &decode(&jwk["y"])));
        }
        Err(error) => assert!(!matches!(error, KeyError::Undecided { .. }), "{error}"),
    }
}

/// A key in all its forms.
fn check(key: &PublicKey) {
    assert_eq!(PublicKey::from_jwk(&key.to_jwk()).as_ref(), Ok(key));
    let bytes = key.to_bytes();
    assert_eq!(PublicKey::from_bytes(&bytes).as_ref(), Ok(key));
    assert_eq!(key.thumbprint().as_bytes(), &openssl::sha::sha256(key.to_jwk().as_bytes()));
    match key.algorithm() {
        Algorithm::Es256 => assert!(is_point(&bytes[1..33], &bytes[33..])),
        _ => {
            let modulus = BigNum::from_slice(&bytes[5..]).unwrap();
            let exponent = BigNum::from_slice(&bytes[1..5]).unwrap();
            assert!((2048..=4096).contains(&modulus.num_bits()) && modulus.is_bit_set(0));
            assert!(exponent.num_bits() >= 2 && exponent.is_bit_set(0));
        }
    }
}

/// Whether OpenSSL takes these for a point, by another way than the crate's.
fn is_point(x: &[u8], y: &[u8]) -> bool {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let (x, y) = (BigNum::from_slice(x).unwrap(), BigNum::from_slice(y).unwrap());
    EcKey::from_public_key_affine_coordinates(&group, &x, &y).is_ok()
}

fn decode(text: &Value) -> Vec<u8> {
    token_binding::header::decode(text.as_str().unwrap().as_bytes()).unwrap()
}
