//! Public keys as JSON (RFC 7517, RFC 7518 section 6), and their thumbprints (RFC 7638).

use serde_json::{Map, Value};

use crate::arithmetic::sha256;
use crate::json::{JsonError, object};
use crate::key::{Form, PublicKey, Thumbprint};
use crate::{KeyError, base64url};

/// Members of private and symmetric keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4). A client that sends one has given away
/// its key.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl PublicKey {
    /// Reads a JWK. Members that it need not know are ignored.
    ///
    /// # Errors
    /// Which rule the JWK or its key breaks, or [`KeyError::Undecided`].
    pub fn from_jwk(jwk: &str) -> Result<Self, KeyError> {
        let members = object(jwk.as_bytes()).map_err(|error| match error {
            JsonError::NotAnObject => KeyError::Json,
            JsonError::DuplicateMember => KeyError::DuplicateMember,
        })?;
        Self::from_members(&members)
    }

    pub(crate) fn from_members(jwk: &Map<String, Value>) -> Result<Self, KeyError> {
        if let Some(member) = PRIVATE.into_iter().find(|member| jwk.contains_key(*member)) {
            return Err(KeyError::Private { member });
        }
        let key = match text(jwk, "kty")? {
            "EC" if text(jwk, "crv")? == "P-256" => {
                let mut coordinates = [0; 64];
                let (x, y) = coordinates.split_at_mut(32);
                x.copy_from_slice(&coordinate(jwk, "x")?);
                y.copy_from_slice(&coordinate(jwk, "y")?);
                Self::from_point(coordinates)?
            }
            "EC" => return Err(KeyError::Curve),
            "RSA" => Self::from_rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?)?,
            _ => return Err(KeyError::KeyType),
        };
        check_use(jwk, &key)?;
        Ok(key)
    }

    /// The key as a JWK: the members that it must have, in the order and form whose hash is the thumbprint.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        match self.form() {
            Form::P256(coordinates) => {
                let (x, y) = coordinates.split_at(32);
                let (x, y) = (base64url::encode(x), base64url::encode(y));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Form::Rsa { modulus, exponent } => {
                let exponent = exponent.to_be_bytes();
                let exponent: Vec<u8> = exponent.into_iter().skip_while(|byte| *byte == 0).collect();
                let (e, n) = (base64url::encode(exponent), base64url::encode(modulus));
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
        }
    }

    /// The key's name (RFC 7638 section 3).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint::new(sha256(self.to_jwk().as_bytes()))
    }
}

fn text<'j>(jwk: &'j Map<String, Value>, member: &'static str) -> Result<&'j str, KeyError> {
    jwk.get(member).and_then(Value::as_str).ok_or(KeyError::Member { member })
}

fn bytes(jwk: &Map<String, Value>, member: &'static str) -> Result<Vec<u8>, KeyError> {
    base64url::decode(text(jwk, member)?).ok_or(KeyError::Encoding { member })
}

fn coordinate(jwk: &Map<String, Value>, member: &'static str) -> Result<[u8; 32], KeyError> {
    bytes(jwk, member)?.try_into().map_err(|_| KeyError::Coordinate { member })
}

/// Whether what the JWK says of its use allows what it is used for here: `alg`, `use` and `key_ops` are optional (RFC 7517
/// section 4).
fn check_use(jwk: &Map<String, Value>, key: &PublicKey) -> Result<(), KeyError> {
    let allows = |member, allows: &dyn Fn(&Value) -> bool| {
        if jwk.get(member).is_none_or(allows) { Ok(()) } else { Err(KeyError::Contradiction { member }) }
    };
    allows("alg", &|alg| alg == key.algorithm().as_str())?;
    allows("use", &|purpose| purpose == "sig")?;
    allows("key_ops", &|operations| {
        operations
            .as_array()
            .is_some_and(|operations| operations.iter().any(|operation| operation == "verify"))
    })
}

#[cfg(test)]
mod tests;
