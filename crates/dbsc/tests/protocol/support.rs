//! Keys made once, and JWTs with whatever in them.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dbsc::sign::Signer;
use dbsc::sign::openssl::SigningKey;
use dbsc::{Algorithm, PublicKey};
use serde_json::{Value, json};

pub(crate) static EC: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
pub(crate) static RSA: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());

pub(crate) fn keys() -> [&'static SigningKey; 2] {
    [&*EC, &*RSA]
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub(crate) fn jwk(key: &PublicKey) -> Value {
    serde_json::from_str(&key.to_jwk()).unwrap()
}

/// The header of a registration.
pub(crate) fn header(key: &PublicKey) -> Value {
    json!({ "typ": "dbsc+jwt", "alg": key.algorithm().as_str(), "jwk": jwk(key) })
}

/// A JWT of any header and payload, signed.
pub(crate) fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = key.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(signature))
}

/// With a member of another value, or without it.
pub(crate) fn with(mut json: Value, member: &str, value: Value) -> Value {
    json[member] = value;
    json
}

pub(crate) fn without(mut json: Value, member: &str) -> Value {
    json.as_object_mut().unwrap().remove(member).unwrap();
    json
}
