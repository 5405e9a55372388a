//! The JWT around a proof (RFC 7515 section 7.1, RFC 7519), read before anything is verified, and written.

use serde_json::{Map, Value};

use crate::json::{JsonError, object};
use crate::limits::MAX_PROOF_LENGTH;
use crate::{Algorithm, ProofError, base64url};

/// The draft's `typ`. RFC 7515 section 4.1.9 lets `application/dbsc+jwt` mean the same; the draft does not.
const TYPE: &str = "dbsc+jwt";

/// A JWT that is well-formed and says that it is a proof.
pub(crate) struct Jwt<'a> {
    /// What the signature signs (RFC 7515 section 5.1): header, dot and payload as they came.
    pub(crate) signed: &'a str,
    pub(crate) signature: Vec<u8>,
    pub(crate) algorithm: Algorithm,
    pub(crate) header: Map<String, Value>,
    pub(crate) payload: Map<String, Value>,
}

impl<'a> Jwt<'a> {
    pub(crate) fn parse(jwt: &'a str) -> Result<Self, ProofError> {
        if jwt.len() > MAX_PROOF_LENGTH {
            return Err(ProofError::TooLong { length: jwt.len() });
        }
        let (signed, signature) = jwt.rsplit_once('.').ok_or(ProofError::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(ProofError::Parts)?;
        if payload.contains('.') {
            return Err(ProofError::Parts);
        }
        let header = read_object("header", header)?;
        let algorithm = read_algorithm(&header)?;
        let payload = read_object("payload", payload)?;
        let signature = decode("signature", signature)?;
        Ok(Self { signed, signature, algorithm, header, payload })
    }

    /// The challenge, which is the claim `jti`.
    pub(crate) fn challenge(&self) -> Result<String, ProofError> {
        self.payload.get("jti").and_then(Value::as_str).map(str::to_owned).ok_or(ProofError::Challenge)
    }
}

fn read_algorithm(header: &Map<String, Value>) -> Result<Algorithm, ProofError> {
    if header.get("typ").and_then(Value::as_str) != Some(TYPE) {
        return Err(ProofError::Type);
    }
    if header.contains_key("crit") {
        return Err(ProofError::Critical);
    }
    match header.get("alg").and_then(Value::as_str) {
        Some("none") => Err(ProofError::Unsigned),
        Some(name) => name.parse().map_err(|_| ProofError::Algorithm),
        None => Err(ProofError::Algorithm),
    }
}

fn read_object(part: &'static str, text: &str) -> Result<Map<String, Value>, ProofError> {
    object(&decode(part, text)?).map_err(|error| match error {
        JsonError::NotAnObject => ProofError::Json { part },
        JsonError::DuplicateMember => ProofError::DuplicateMember { part },
    })
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, ProofError> {
    base64url::decode(text).ok_or(ProofError::Encoding { part })
}

/// What a client signs: header, dot and payload. `jwk` is JSON.
pub(crate) fn to_sign(
    algorithm: Algorithm,
    jwk: Option<&str>,
    challenge: &str,
    authorization: Option<&str>,
) -> String {
    let jwk = jwk.map(|jwk| format!(r#","jwk":{jwk}"#)).unwrap_or_default();
    let header = format!(r#"{{"typ":"{TYPE}","alg":"{algorithm}"{jwk}}}"#);
    let mut payload = Map::new();
    payload.insert("jti".to_owned(), challenge.into());
    if let Some(authorization) = authorization {
        payload.insert("authorization".to_owned(), authorization.into());
    }
    format!("{}.{}", base64url::encode(header), base64url::encode(Value::Object(payload).to_string()))
}

/// A JWT of what was signed and its signature.
pub(crate) fn join(signed: &str, signature: &[u8]) -> String {
    format!("{signed}.{}", base64url::encode(signature))
}
