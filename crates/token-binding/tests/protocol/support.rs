//! What several of these tests need.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use token_binding::key::PublicKey;
use token_binding::message::TokenBindingMessage;
use token_binding::sign::openssl::PrivateKey;
use token_binding::sign::{MessageBuilder, Signer};
use token_binding::verify::{OpenSsl, RustCrypto, VerifiedBindings, verify_message};
use token_binding::{Ekm, Error, KeyParameters, TokenBindingType};

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

/// One binding, to be put together wrongly.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) tokenbinding_type: TokenBindingType,
    pub(crate) id: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) extensions: Vec<u8>,
}

/// A valid binding of the test key of these key parameters.
pub(crate) fn part(tokenbinding_type: TokenBindingType, key_parameters: KeyParameters, ekm: &Ekm) -> Part {
    part_of(tokenbinding_type, &key(key_parameters), ekm)
}

pub(crate) fn part_of(tokenbinding_type: TokenBindingType, signer: &impl Signer, ekm: &Ekm) -> Part {
    Part {
        tokenbinding_type,
        id: signer.token_binding_id(),
        signature: signer.sign(&signed(tokenbinding_type, signer.key_parameters(), ekm)).unwrap(),
        extensions: Vec::new(),
    }
}

/// What a signature signs, said a second time: type, key parameters, EKM.
pub(crate) fn signed(
    tokenbinding_type: TokenBindingType,
    key_parameters: KeyParameters,
    ekm: &Ekm,
) -> Vec<u8> {
    [&[tokenbinding_type.0, key_parameters.0], ekm.as_bytes().as_slice()].concat()
}

pub(crate) fn message(parts: &[Part]) -> Vec<u8> {
    let mut builder = MessageBuilder::new();
    for part in parts {
        builder.add_raw(part.tokenbinding_type, &part.id, &part.signature, &part.extensions).unwrap();
    }
    builder.finish()
}

/// The verdict on these bytes, on which both backends must agree: same error, or same IDs. OpenSSL's error queue is
/// empty afterwards.
pub(crate) fn verdict(bytes: &[u8], negotiated: KeyParameters, ekm: &Ekm) -> Result<VerifiedBindings, Error> {
    let message = TokenBindingMessage::parse(bytes)?;
    let verdict = verify_message(&OpenSsl, &message, negotiated, ekm);
    assert!(openssl::error::Error::get().is_none(), "an error is left in OpenSSL's queue");
    assert_eq!(verdict, verify_message(&RustCrypto, &message, negotiated, ekm), "the backends disagree");
    assert!(!verdict.as_ref().is_err_and(Error::is_internal), "{verdict:?} blames us for what a peer sent");
    verdict
}

/// The verdict on a provided binding alone.
pub(crate) fn verdict_on(part: &Part, ekm: &Ekm) -> Result<VerifiedBindings, Error> {
    verdict(&message(std::slice::from_ref(part)), KeyParameters(part.id[0]), ekm)
}

pub(crate) const BAD_SIGNATURE: Error = Error::BadSignature { binding: PROVIDED };

/// The `TokenBindingID` of an RSA key with any modulus and exponent.
pub(crate) fn rsa_id(key_parameters: KeyParameters, modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut key = (modulus.len() as u16).to_be_bytes().to_vec();
    key.extend_from_slice(modulus);
    key.push(exponent.len() as u8);
    key.extend_from_slice(exponent);
    id(key_parameters, &key)
}

/// The `TokenBindingID` of an EC key with any coordinates.
pub(crate) fn ec_id(coordinates: &[u8]) -> Vec<u8> {
    id(KeyParameters::ECDSAP256, &[&[coordinates.len() as u8], coordinates].concat())
}

pub(crate) fn id(key_parameters: KeyParameters, key: &[u8]) -> Vec<u8> {
    [&[key_parameters.0][..], &(key.len() as u16).to_be_bytes(), key].concat()
}

/// The modulus of the RSA test key.
pub(crate) fn modulus() -> Vec<u8> {
    match key(KeyParameters::RSA2048_PSS).public_key() {
        PublicKey::Rsa2048Pss(key) => key.modulus().to_vec(),
        other => panic!("{other:?}"),
    }
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
