//! Proofs: the JWT of a registration or of a refresh.

use dbsc::verify::{OpenSsl, RustCrypto};
use dbsc::{Fault, PublicKey, UnverifiedRefresh, UnverifiedRegistration};
use serde_json::Value;

/// The keys of RFC 7515 appendices A.3 and A.2: nobody signs proofs with them.
const NOBODYS: [&str; 2] = [
    r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
];

pub fn dbsc_proof(data: &[u8]) {
    let Ok(jwt) = str::from_utf8(data) else { return };
    let (registration, refresh) = (UnverifiedRegistration::parse(jwt), UnverifiedRefresh::parse(jwt));
    assert!(registration.is_err() || refresh.is_err(), "it is one of the two");
    assert!(openssl::error::Error::get().is_none());

    match registration {
        Ok(proof) => {
            let (header, payload) = read(jwt);
            assert_eq!(payload["jti"], proof.challenge());
            let by_openssl = proof.clone().verify_with(&OpenSsl);
            assert!(openssl::error::Error::get().is_none());
            assert_eq!(by_openssl, proof.verify_with(&RustCrypto));
            match by_openssl {
                Ok(registration) => {
                    let key = PublicKey::from_jwk(&header["jwk"].to_string()).unwrap();
                    assert_eq!(registration.key, key);
                    assert_eq!(header["alg"], key.algorithm().as_str());
                    assert_eq!(
                        payload.get("authorization").and_then(Value::as_str),
                        registration.authorization.as_deref()
                    );
                    assert_one_letter_breaks_it(jwt);
                }
                Err(error) => assert_eq!(error.fault(), Fault::Forged),
            }
        }
        Err(error) => assert_eq!(error.fault(), Fault::Malformed),
    }

    match refresh {
        Ok(proof) => {
            let (header, payload) = read(jwt);
            assert_eq!(payload["jti"], proof.challenge());
            assert!(header.get("jwk").is_none());
            for key in NOBODYS.map(|jwk| PublicKey::from_jwk(jwk).unwrap()) {
                let error = proof.clone().verify_with(&OpenSsl, &key).unwrap_err();
                assert_eq!(proof.clone().verify_with(&RustCrypto, &key), Err(error));
                assert_ne!(error.fault(), Fault::Undecided);
                assert!(openssl::error::Error::get().is_none());
            }
        }
        Err(error) => assert_eq!(error.fault(), Fault::Malformed),
    }
}

/// Header and payload as another reader sees them, who checks nothing.
fn read(jwt: &str) -> (Value, Value) {
    let parts: Vec<&str> = jwt.split('.').collect();
    assert_eq!(parts.len(), 3);
    let json = |part: &str| {
        serde_json::from_slice(&token_binding::header::decode(part.as_bytes()).unwrap()).unwrap()
    };
    let (header, payload): (Value, Value) = (json(parts[0]), json(parts[1]));
    assert_eq!(header["typ"], "dbsc+jwt");
    assert!(header["alg"] == "ES256" || header["alg"] == "RS256");
    assert!(header.get("crit").is_none());
    (header, payload)
}

/// One letter is another, somewhere: which one depends on the input.
fn assert_one_letter_breaks_it(jwt: &str) {
    let at = jwt.bytes().map(usize::from).sum::<usize>() % jwt.len();
    let other = if jwt.as_bytes()[at] == b'A' { 'B' } else { 'A' };
    let changed = format!("{}{other}{}", &jwt[..at], &jwt[at + 1..]);
    assert!(dbsc::Registration::verify(&changed).is_err());
}
