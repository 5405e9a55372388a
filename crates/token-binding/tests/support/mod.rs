//! What several test binaries share.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use token_binding::sign::rustcrypto::PrivateKey;
use token_binding::{Ekm, KeyParameters, TokenBindingType};

pub(crate) const PROVIDED: TokenBindingType = TokenBindingType::PROVIDED;
pub(crate) const REFERRED: TokenBindingType = TokenBindingType::REFERRED;
pub(crate) const UNKNOWN: TokenBindingType = TokenBindingType(77);

pub(crate) const ECDSAP256_PEM: &str = include_str!("../../testdata/ecdsap256.pem");
pub(crate) const RSA2048_PEM: &str = include_str!("../../testdata/rsa2048.pem");

/// The test key of these key parameters.
pub(crate) fn key(key_parameters: KeyParameters) -> PrivateKey {
    PrivateKey::from_pkcs8_pem(key_parameters, pem(key_parameters)).unwrap()
}

pub(crate) fn pem(key_parameters: KeyParameters) -> &'static str {
    if key_parameters == KeyParameters::ECDSAP256 { ECDSAP256_PEM } else { RSA2048_PEM }
}

pub(crate) fn ekm() -> Ekm {
    Ekm::new(std::array::from_fn(|i| i as u8))
}

pub(crate) fn other_ekm() -> Ekm {
    Ekm::new([0xee; 32])
}

/// A recorded message: `testdata/interop.json`.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) header: String,
    pub(crate) message: Vec<u8>,
    pub(crate) ekm: Ekm,
    pub(crate) bindings: Vec<RecordedBinding>,
    pub(crate) accepted: bool,
}

pub(crate) struct RecordedBinding {
    pub(crate) tokenbinding_type: TokenBindingType,
    pub(crate) key_parameters: KeyParameters,
    pub(crate) id: String,
    /// `None`: nobody can tell, the key parameters are unknown.
    pub(crate) signature_valid: Option<bool>,
}

pub(crate) fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(include_str!("../../testdata/interop.json")).unwrap();
    let vectors: Vec<Vector> = file["vectors"].as_array().unwrap().iter().map(vector).collect();
    assert_eq!(vectors.len(), 6);
    vectors
}

fn vector(value: &Value) -> Vector {
    let header = text(&value["message"]);
    Vector {
        name: text(&value["name"]),
        message: URL_SAFE_NO_PAD.decode(&header).unwrap(),
        header,
        ekm: Ekm::new(unhex(&text(&value["ekm"])).try_into().unwrap()),
        bindings: value["bindings"].as_array().unwrap().iter().map(recorded_binding).collect(),
        accepted: match text(&value["verdict"]).as_str() {
            "accept" => true,
            "reject" => false,
            other => panic!("verdict {other:?}"),
        },
    }
}

fn recorded_binding(value: &Value) -> RecordedBinding {
    RecordedBinding {
        tokenbinding_type: TokenBindingType(number(&value["type"])),
        key_parameters: KeyParameters(number(&value["key_parameters"])),
        id: text(&value["id"]),
        signature_valid: match &value["signature_valid"] {
            Value::Null => None,
            valid => Some(valid.as_bool().unwrap()),
        },
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn number(value: &Value) -> u8 {
    value.as_u64().unwrap().try_into().unwrap()
}

pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap()).collect()
}
