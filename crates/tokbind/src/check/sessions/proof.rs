//! Proofs as no browser makes them.

use ::dbsc::sign::Signer as _;
use ::dbsc::sign::openssl::SigningKey;
use serde_json::{Map, Value};
use token_binding::header::encode;

use crate::error::{Error, Result};

pub(super) type Header = Map<String, Value>;

/// A JWT with this header and challenge, signed by the key, or by nobody.
pub(super) fn jwt(header: &Header, challenge: &str, key: Option<&SigningKey>) -> Result<String> {
    let part = |members: Header| encode(Value::Object(members).to_string().as_bytes());
    let mut payload = Map::new();
    set(&mut payload, "jti", challenge);
    let signed = format!("{}.{}", part(header.clone()), part(payload));
    let signature = match key {
        Some(key) => key.sign(signed.as_bytes()).map_err(Error::session)?,
        None => Vec::new(),
    };
    Ok(format!("{signed}.{}", encode(&signature)))
}

/// The header of a registration's proof by this key.
pub(super) fn registration_header(key: &SigningKey) -> Header {
    let mut header = refresh_header(key);
    let jwk = serde_json::from_str(&key.public_key().to_jwk()).unwrap_or_default();
    header.insert("jwk".to_owned(), jwk);
    header
}

/// The header of a refresh's proof by this key.
pub(super) fn refresh_header(key: &SigningKey) -> Header {
    let mut header = Map::new();
    set(&mut header, "typ", "dbsc+jwt");
    set(&mut header, "alg", key.public_key().algorithm().as_str());
    header
}

pub(super) fn set(members: &mut Header, name: &str, value: &str) {
    members.insert(name.to_owned(), value.into());
}

/// Makes the point of the header's `jwk` one that is not on its curve.
pub(super) fn leave_curve(header: &mut Header) {
    if let Some(Value::Object(jwk)) = header.get_mut("jwk")
        && let Some(x) = jwk.get("x").cloned()
    {
        jwk.insert("y".to_owned(), x);
    }
}
