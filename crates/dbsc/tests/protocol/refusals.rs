//! Each reason to refuse a proof, and what is no reason.

use dbsc::sign::Signer;
use dbsc::verify::{SignatureBackend, SignatureError};
use dbsc::{
    Algorithm, Fault, KeyError, MAX_PROOF_LENGTH, ProofError, PublicKey, Refresh, Registration,
    UnverifiedRefresh, UnverifiedRegistration,
};
use serde_json::{Value, json};

use crate::support::{EC, RSA, encode, header, jwk, keys, signed, with, without};

const PAYLOAD: &str = r#"{"jti":"c"}"#;

fn registers(header: &Value) -> Result<Registration, ProofError> {
    Registration::verify(&signed(&EC, &header.to_string(), PAYLOAD))
}

fn refreshes(header: &str, payload: &str) -> Result<Refresh, ProofError> {
    Refresh::verify(&signed(&EC, header, payload), EC.public_key())
}

const REFRESH: &str = r#"{"typ":"dbsc+jwt","alg":"ES256"}"#;

#[test]
fn what_is_signed_is_taken() {
    for key in keys() {
        let registered = Registration::verify(&key.registration_proof("c1", Some("a")).unwrap()).unwrap();
        assert_eq!(&registered.key, key.public_key());
        assert_eq!(registered.challenge, "c1");
        assert_eq!(registered.authorization.as_deref(), Some("a"));
        assert!(!format!("{registered:?}").contains("authorization"));
        let registered = Registration::verify(&key.registration_proof("c1", None).unwrap()).unwrap();
        assert_eq!(registered.authorization, None);

        let proof = key.refresh_proof("\u{e9}\"\\").unwrap();
        let unverified = UnverifiedRefresh::parse(&proof).unwrap();
        assert_eq!(unverified.challenge(), "\u{e9}\"\\");
        assert_eq!(unverified.verify(key.public_key()).unwrap().challenge, "\u{e9}\"\\");
    }
}

/// What the draft does not name is ignored, in each place: `aud`, `iat`, `kid`, `jku`.
#[test]
fn unknown_members_are_ignored() {
    let header = with(with(header(EC.public_key()), "kid", json!(1)), "jku", json!("https://attacker.test/"));
    let header = with(header, "jwk", with(jwk(EC.public_key()), "kid", json!("k")));
    let payload = r#" {"aud":["x"],"iat":1725579055,"jti":"c","jwk":{"kty":"oct"}} "#;
    assert!(Registration::verify(&signed(&EC, &header.to_string(), payload)).is_ok());
}

#[test]
fn each_rule_of_the_header() {
    let good = header(EC.public_key());
    assert!(registers(&good).is_ok());
    for typ in [json!("jwt"), json!("JWT"), json!("DBSC+JWT"), json!("application/dbsc+jwt"), json!(null)] {
        assert_eq!(registers(&with(good.clone(), "typ", typ)), Err(ProofError::Type));
    }
    assert_eq!(registers(&without(good.clone(), "typ")), Err(ProofError::Type));
    assert_eq!(registers(&with(good.clone(), "alg", json!("none"))), Err(ProofError::Unsigned));
    for alg in ["None", "es256", "ES384", "PS256", "HS256", ""] {
        assert_eq!(registers(&with(good.clone(), "alg", json!(alg))), Err(ProofError::Algorithm));
    }
    assert_eq!(registers(&with(good.clone(), "alg", json!(["ES256"]))), Err(ProofError::Algorithm));
    assert_eq!(registers(&without(good.clone(), "alg")), Err(ProofError::Algorithm));
    for crit in [json!(["exp"]), json!([]), json!(null)] {
        assert_eq!(registers(&with(good.clone(), "crit", crit)), Err(ProofError::Critical));
    }
    assert_eq!(
        registers(&with(good, "alg", json!("RS256"))),
        Err(ProofError::AlgorithmMismatch { used: Algorithm::Rs256, key: Algorithm::Es256 })
    );
}

#[test]
fn each_rule_of_the_key() {
    let good = header(EC.public_key());
    assert_eq!(registers(&without(good.clone(), "jwk")), Err(ProofError::NoKey));
    let key_error = |jwk: Value| match registers(&with(good.clone(), "jwk", jwk)) {
        Err(ProofError::Key(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(key_error(json!("jwk")), KeyError::Json);
    assert_eq!(key_error(json!(null)), KeyError::Json);
    let jwk = jwk(EC.public_key());
    assert_eq!(key_error(with(jwk.clone(), "d", jwk["x"].clone())), KeyError::Private { member: "d" });
    assert_eq!(key_error(with(jwk.clone(), "y", jwk["x"].clone())), KeyError::NotOnCurve);
    assert_eq!(key_error(with(jwk, "kty", json!("oct"))), KeyError::KeyType);
}

/// A registration's proof is no refresh, and the other way round: whatever a server makes of its challenges.
#[test]
fn registrations_and_refreshes_are_different() {
    for key in keys() {
        let registration = key.registration_proof("c", None).unwrap();
        assert_eq!(Refresh::verify(&registration, key.public_key()), Err(ProofError::UnexpectedKey));
        let refresh = key.refresh_proof("c").unwrap();
        assert_eq!(Registration::verify(&refresh), Err(ProofError::NoKey));
    }
}

#[test]
fn each_rule_of_the_payload() {
    for payload in [r#"{}"#, r#"{"jti":1}"#, r#"{"jti":null}"#, r#"{"jti":["c"]}"#, r#"{"JTI":"c"}"#] {
        assert_eq!(refreshes(REFRESH, payload), Err(ProofError::Challenge), "{payload}");
    }
    let header = header(EC.public_key()).to_string();
    let payload = r#"{"jti":"c","authorization":1}"#;
    assert_eq!(Registration::verify(&signed(&EC, &header, payload)), Err(ProofError::Authorization));
}

#[test]
fn each_rule_of_json() {
    for (header, payload, error) in [
        ("[]", PAYLOAD, ProofError::Json { part: "header" }),
        ("", PAYLOAD, ProofError::Json { part: "header" }),
        (REFRESH, "\"c\"", ProofError::Json { part: "payload" }),
        (REFRESH, r#"{"jti":"c"} {}"#, ProofError::Json { part: "payload" }),
        (
            r#"{"typ":"dbsc+jwt","alg":"none","alg":"ES256"}"#,
            PAYLOAD,
            ProofError::DuplicateMember { part: "header" },
        ),
        (REFRESH, r#"{"jti":"c","jti":"c"}"#, ProofError::DuplicateMember { part: "payload" }),
        (REFRESH, r#"{"jti":"c","\u006ati":"d"}"#, ProofError::DuplicateMember { part: "payload" }),
        (REFRESH, r#"{"jti":"c","x":[{"a":1,"a":1}]}"#, ProofError::DuplicateMember { part: "payload" }),
    ] {
        assert_eq!(refreshes(header, payload), Err(error), "{header} {payload}");
    }
}

#[test]
fn each_rule_of_the_form() {
    let good = EC.refresh_proof("c").unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    for (jwt, error) in [
        (String::new(), ProofError::Parts),
        (header.to_owned(), ProofError::Parts),
        (format!("{header}.{payload}"), ProofError::Parts),
        (format!("{good}."), ProofError::Parts),
        (format!(".{good}"), ProofError::Parts),
        (format!("{header}=.{payload}.{signature}"), ProofError::Encoding { part: "header" }),
        (format!(" {good}"), ProofError::Encoding { part: "header" }),
        (format!("{header}.{payload}+.{signature}"), ProofError::Encoding { part: "payload" }),
        (format!("{good}\n"), ProofError::Encoding { part: "signature" }),
        (format!("{good}=="), ProofError::Encoding { part: "signature" }),
        (format!("{header}.{payload}."), ProofError::SignatureLength { length: 0, expected: 64 }),
        (
            format!("{header}.{payload}.{}", encode([1; 65])),
            ProofError::SignatureLength { length: 65, expected: 64 },
        ),
        ("a".repeat(MAX_PROOF_LENGTH + 1), ProofError::TooLong { length: MAX_PROOF_LENGTH + 1 }),
        (format!("{header}.{payload}.{}", encode([1; 64])), ProofError::Forged),
        (format!("{header}.{payload}.{}", encode([0; 64])), ProofError::Forged),
        (format!("{header}.{payload}.{}", encode([0xff; 64])), ProofError::Forged),
    ] {
        assert_eq!(Refresh::verify(&jwt, EC.public_key()), Err(error), "{jwt:.200}");
    }
    // 64 bytes leave four bits: one form of sixteen is the right one.
    assert_eq!(signature.len(), 86);
    let last = signature.chars().last().unwrap();
    for other in "ABCDEFGHIJKLMNOP".chars().filter(|other| *other != last) {
        let jwt = format!("{}{other}", &good[..good.len() - 1]);
        assert!(Refresh::verify(&jwt, EC.public_key()).is_err());
    }
}

#[test]
fn another_key_is_a_forger() {
    let other = dbsc::sign::rustcrypto::SigningKey::generate(Algorithm::Es256).unwrap();
    let jwt = other.refresh_proof("c").unwrap();
    assert_eq!(Refresh::verify(&jwt, EC.public_key()), Err(ProofError::Forged));
    assert_eq!(
        Refresh::verify(&jwt, RSA.public_key()),
        Err(ProofError::AlgorithmMismatch { used: Algorithm::Es256, key: Algorithm::Rs256 })
    );
    let stolen = signed(&EC, &header(other.public_key()).to_string(), PAYLOAD);
    let error = Registration::verify(&stolen).unwrap_err();
    assert_eq!(error, ProofError::Forged);
    assert_eq!(error.fault(), Fault::Forged);
}

struct Fails;

impl SignatureBackend for Fails {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8]) -> Result<(), SignatureError> {
        Err(SignatureError::Undecided { operation: "verify", reason: "malloc failure" })
    }
}

struct Unasked;

impl SignatureBackend for Unasked {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8]) -> Result<(), SignatureError> {
        panic!("it is asked before the proof has the right form")
    }
}

#[test]
fn a_failed_backend_is_never_taken_for_a_verdict() {
    let undecided = ProofError::Undecided { operation: "verify", reason: "malloc failure" };
    for key in keys() {
        let registration = key.registration_proof("c", None).unwrap();
        let proof = UnverifiedRegistration::parse(&registration).unwrap();
        let error = proof.verify_with(&Fails).unwrap_err();
        assert_eq!(error, undecided);
        assert_eq!(error.fault(), Fault::Undecided);
        let refresh = key.refresh_proof("c").unwrap();
        let proof = UnverifiedRefresh::parse(&refresh).unwrap();
        assert_eq!(proof.verify_with(&Fails, key.public_key()), Err(undecided));
    }
}

#[test]
fn no_backend_is_asked_about_another_keys_form() {
    let jwt = EC.refresh_proof("c").unwrap();
    let proof = UnverifiedRefresh::parse(&jwt).unwrap();
    assert!(proof.verify_with(&Unasked, RSA.public_key()).is_err());
}
