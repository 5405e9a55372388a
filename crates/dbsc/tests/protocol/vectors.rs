//! What RFC 7515 and the draft print.

use dbsc::verify::{OpenSsl, RustCrypto, SignatureBackend, SignatureError};
use dbsc::{ProofError, PublicKey, Refresh, Registration, UnverifiedRefresh, UnverifiedRegistration};
use serde_json::Value;

use crate::support::{EC, decode, signed};

/// RFC 7515 appendices A.2 and A.3: the arithmetic, as these JWTs are no proofs.
#[test]
fn the_rfcs_signatures() {
    let vectors: Value = serde_json::from_str(include_str!("../../testdata/rfc7515.json")).unwrap();
    for vector in vectors.as_object().unwrap().values() {
        let key = PublicKey::from_jwk(&vector["jwk"].to_string()).unwrap();
        let jws = vector["jws"].as_str().unwrap();
        let (signed, signature) = jws.rsplit_once('.').unwrap();
        let signature = decode(signature);
        for backend in [&OpenSsl as &dyn SignatureBackend, &RustCrypto] {
            assert_eq!(backend.verify(&key, signed.as_bytes(), &signature), Ok(()));
            let mut wrong = signature.clone();
            wrong[7] ^= 1;
            assert_eq!(backend.verify(&key, signed.as_bytes(), &wrong), Err(SignatureError::Invalid));
            assert_eq!(backend.verify(&key, b"else", &signature), Err(SignatureError::Invalid));
        }
        assert_eq!(Refresh::verify(jws, &key), Err(ProofError::Type));
        assert_eq!(Registration::verify(jws), Err(ProofError::Type));
    }
}

/// The draft's example of `Secure-Session-Response` is older than its text: the key is in the payload. So it is no
/// registration, and the signature is not even one of that key.
#[test]
fn the_drafts_header() {
    let jwt = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImRic2Mrand0In0.\
        eyJhdWQiOiJodHRwczovL2V4YW1wbGUuY29tL3JlZyIsImp0aSI6ImN2IiwiaWF0IjoiMTcyNTU3OTA1NSIsImp3ayI6eyJrdHkiOiJFQyIs\
        ImNydiI6IlAtMjU2IiwieCI6IjZfR0Iydm9RMHFyb01oNk9sREZDRlNfU0pyaVFpMVBUdnZCT2hHWjNiSEkiLCJ5IjoiSWVnT0pVTHlFN1N4\
        SF9DZDFLQ0VSN2xXQnZHRkhRLWgweHlqelVqRUlXRSJ9LCJhdXRob3JpemF0aW9uIjoiYWMifQ.\
        6Fb_vVBDmfNghQiBmIGe8o7tBfYPbPCywhQruP0vIhxgmcJmuNTaMHeVn_M8ZnOm1_bzIitbZqCWEn-1Qzmtyw";
    assert_eq!(Registration::verify(jwt), Err(ProofError::NoKey));

    let payload: Value = serde_json::from_slice(&decode(jwt.split('.').nth(1).unwrap())).unwrap();
    let key = PublicKey::from_jwk(&payload["jwk"].to_string()).unwrap();
    let proof = UnverifiedRefresh::parse(jwt).unwrap();
    assert_eq!(proof.challenge(), "cv");
    assert_eq!(proof.clone().verify_with(&RustCrypto, &key), Err(ProofError::Forged));
    assert_eq!(proof.verify(&key), Err(ProofError::Forged));
}

/// The draft's example of a proof, which it shows without signature.
#[test]
fn the_drafts_proof() {
    let header = r#"{
        "alg": "ES256",
        "typ": "dbsc+jwt",
        "jwk": {
          "kty": "EC",
          "crv": "P-256",
          "x": "6_GB2voQ0qroMh6OlDFCFS_SJriQi1PTvvBOhGZ3bHI",
          "y": "IegOJULyE7SxH_Cd1KCER7lWBvGFHQ-h0xyjzUjEIWE"
        }
      }"#;
    let payload = r#"{
        "jti": "cv",
        "authorization": "ac"
      }"#;
    let jwt = signed(&EC, header, payload);
    let proof = UnverifiedRegistration::parse(&jwt).unwrap();
    assert_eq!(proof.challenge(), "cv");
    assert_eq!(proof.verify(), Err(ProofError::Forged));
}
