use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Algorithm;

/// RFC 7638 section 3.1.
const RFC_7638: &str = r#"{
  "kty": "RSA",
  "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
  "e": "AQAB",
  "alg": "RS256",
  "kid": "2011-04-29"
}"#;

/// The draft's "DBSC Proof JWT Syntax".
fn draft() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "6_GB2voQ0qroMh6OlDFCFS_SJriQi1PTvvBOhGZ3bHI",
        "y": "IegOJULyE7SxH_Cd1KCER7lWBvGFHQ-h0xyjzUjEIWE"
    })
}

fn read(jwk: &Value) -> Result<PublicKey, KeyError> {
    PublicKey::from_jwk(&jwk.to_string())
}

fn with(mut jwk: Value, member: &str, value: Value) -> Value {
    jwk[member] = value;
    jwk
}

fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member).unwrap();
    jwk
}

#[test]
fn the_rfcs_thumbprint() {
    let key = PublicKey::from_jwk(RFC_7638).unwrap();
    assert_eq!(key.thumbprint().to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(
        key.thumbprint().as_bytes()[..8],
        [55, 54, 203, 177, 120, 124, 184, 48],
        "RFC 7638 section 3.1 lists the digest's bytes"
    );
    assert_eq!(key.algorithm(), Algorithm::Rs256);
}

#[test]
fn writes_what_it_reads() {
    for jwk in [RFC_7638.to_owned(), draft().to_string()] {
        let key = PublicKey::from_jwk(&jwk).unwrap();
        assert_eq!(PublicKey::from_jwk(&key.to_jwk()).as_ref(), Ok(&key));
        assert_eq!(PublicKey::from_bytes(&key.to_bytes()).as_ref(), Ok(&key));
        let written: Value = serde_json::from_str(&key.to_jwk()).unwrap();
        let given: Value = serde_json::from_str(&jwk).unwrap();
        for (member, value) in written.as_object().unwrap() {
            assert_eq!(&given[member], value);
        }
    }
}

#[test]
fn each_rule_has_its_refusal() {
    use KeyError::*;
    let rsa: Value = serde_json::from_str(RFC_7638).unwrap();
    for (jwk, error) in [
        (json!([]), Json),
        (with(draft(), "kty", json!("oct")), KeyType),
        (with(draft(), "kty", json!("OKP")), KeyType),
        (with(draft(), "kty", json!(1)), Member { member: "kty" }),
        (with(draft(), "kty", json!("RSA")), Member { member: "n" }),
        (with(draft(), "crv", json!("P-384")), Curve),
        (with(draft(), "crv", json!("p-256")), Curve),
        (without(draft(), "crv"), Member { member: "crv" }),
        (without(draft(), "x"), Member { member: "x" }),
        (with(draft(), "y", json!(null)), Member { member: "y" }),
        (with(draft(), "x", json!("6_GB2voQ0qroMh6OlDFCFS_SJriQi1PTvvBOhGZ3bHI=")), Encoding { member: "x" }),
        (with(draft(), "x", json!("6/GB2voQ0qroMh6OlDFCFS/SJriQi1PTvvBOhGZ3bHI")), Encoding { member: "x" }),
        (with(draft(), "x", json!("6_GB2voQ0qroMh6OlDFCFS_SJriQi1PTvvBOhGZ3bHJ")), Encoding { member: "x" }),
        (
            with(draft(), "x", json!("AOvxgdr6ENKq6DIejpQxQhUv0ia4kItT077wToRmd2xy")),
            Coordinate { member: "x" },
        ),
        (with(draft(), "y", json!("")), Coordinate { member: "y" }),
        (with(draft(), "y", draft()["x"].clone()), NotOnCurve),
        (with(rsa.clone(), "n", json!("AQAB")), ModulusSize),
        (
            with(rsa.clone(), "n", json!(format!("AA{}", rsa["n"].as_str().unwrap()))),
            NotMinimal { member: "n" },
        ),
        (with(rsa.clone(), "n", json!("")), NotMinimal { member: "n" }),
        (with(rsa.clone(), "e", json!("AAEAAQ")), NotMinimal { member: "e" }),
        (with(rsa.clone(), "e", json!("AQ")), ExponentRange),
        (with(rsa.clone(), "alg", json!("PS256")), Contradiction { member: "alg" }),
        (with(draft(), "alg", json!("RS256")), Contradiction { member: "alg" }),
        (with(draft(), "use", json!("enc")), Contradiction { member: "use" }),
        (with(draft(), "key_ops", json!(["sign"])), Contradiction { member: "key_ops" }),
        (with(draft(), "key_ops", json!("verify")), Contradiction { member: "key_ops" }),
    ] {
        assert_eq!(read(&jwk), Err(error), "{jwk}");
    }
    for member in PRIVATE {
        for key in [&draft(), &rsa] {
            assert_eq!(read(&with(key.clone(), member, json!(null))), Err(Private { member }));
        }
    }
    assert_eq!(PublicKey::from_jwk(r#"{"kty":"EC","kty":"EC"}"#), Err(DuplicateMember));
}

#[test]
fn what_does_not_contradict_is_taken() {
    let plain = read(&draft()).unwrap();
    for (member, value) in [
        ("alg", json!("ES256")),
        ("use", json!("sig")),
        ("key_ops", json!(["verify"])),
        ("kid", json!("d")),
        ("ext", json!(true)),
        ("x5c", json!([{"d": 1}])),
    ] {
        assert_eq!(read(&with(draft(), member, value)).as_ref(), Ok(&plain));
    }
}

proptest! {
    #[test]
    fn any_text_is_judged(text in ".{0,200}", members in proptest::collection::hash_map("kty|crv|x|y|n|e|alg", ".{0,50}", 0..6)) {
        let _ = PublicKey::from_jwk(&text);
        let _ = read(&json!(members));
    }

    #[test]
    fn bytes_are_read_one_way(bytes in proptest::collection::vec(any::<u8>(), 0..600), tag in 0..3_u8) {
        let bytes = [vec![tag], bytes].concat();
        if let Ok(key) = PublicKey::from_bytes(&bytes) {
            prop_assert_eq!(key.to_bytes(), bytes);
        }
    }
}
