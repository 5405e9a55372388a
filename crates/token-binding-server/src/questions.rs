//! What configuration can ask of a request's client: `Require token-binding ...`, and `TOKEN_BINDING(...)` in
//! httpd's expressions.

use std::borrow::Cow;
use std::ffi::CStr;

use openssl::sha::Sha256;
use thiserror::Error;

use crate::variable::Facts;
use crate::words::DirectiveError;

/// `Require token-binding [provided|referred|not|device]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// The client has proved its key.
    Provided,
    /// It has also proved the key that it uses with another server.
    Referred,
    /// It has not proved any.
    Not,
    /// It has proved the key of its device (DBSC).
    Device,
}

impl Requirement {
    /// The words behind `Require token-binding`.
    pub fn parse(words: &str) -> Result<Self, DirectiveError> {
        const ALLOWED: &str = "provided (also when nothing is said), referred, not, device";
        let mut words = words.split_ascii_whitespace();
        let word = words.next().unwrap_or("provided");
        if let Some(second) = words.next() {
            return Err(DirectiveError::second(second, ALLOWED));
        }
        const KNOWN: [(&str, Requirement); 4] = [
            ("provided", Requirement::Provided),
            ("referred", Requirement::Referred),
            ("not", Requirement::Not),
            ("device", Requirement::Device),
        ];
        KNOWN
            .into_iter()
            .find(|(known, _)| word.eq_ignore_ascii_case(known))
            .map(|(_, requirement)| requirement)
            .ok_or_else(|| DirectiveError::invalid(word, ALLOWED))
    }

    pub fn is_met(self, facts: Facts<'_>) -> bool {
        match self {
            Self::Provided => facts.bindings.is_some(),
            Self::Referred => facts.bindings.is_some_and(|bindings| bindings.referred().is_some()),
            Self::Not => facts.bindings.is_none(),
            Self::Device => facts.device.is_some(),
        }
    }
}

/// The argument of `TOKEN_BINDING(...)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Provided,
    ProvidedHash,
    Referred,
    ReferredHash,
    Other,
    KeyParameters,
    Device,
}

impl Question {
    const ALL: [(&'static str, Self); 7] = [
        ("provided", Self::Provided),
        ("provided_hash", Self::ProvidedHash),
        ("referred", Self::Referred),
        ("referred_hash", Self::ReferredHash),
        ("other", Self::Other),
        ("key_parameters", Self::KeyParameters),
        ("device", Self::Device),
    ];

    pub fn parse(word: &str) -> Result<Self, UnknownQuestion> {
        let known = Self::ALL.into_iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
        known.map(|(_, question)| question).ok_or_else(|| UnknownQuestion(word.to_owned()))
    }

    /// `None` where there is nothing to answer with.
    pub fn answer(self, facts: Facts<'_>) -> Option<Cow<'_, str>> {
        let bindings = facts.bindings;
        match self {
            Self::Provided => Some(bindings?.provided().base64url().into()),
            Self::ProvidedHash => Some(hash(bindings?.provided().as_bytes()).into()),
            Self::Referred => bindings?.referred().map(|id| id.base64url().into()),
            Self::ReferredHash => bindings?.referred().map(|id| hash(id.as_bytes()).into()),
            Self::Other => bindings?.others().map(Into::into),
            Self::KeyParameters => Some(bindings?.provided().key_parameters().to_string().into()),
            Self::Device => facts.device.map(CStr::to_string_lossy),
        }
    }
}

/// A word that is no argument of `TOKEN_BINDING(...)`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("TOKEN_BINDING: invalid argument \"{0}\"; allowed: {allowed}", allowed = Question::ALL.map(|(word, _)| word).join(", "))]
pub struct UnknownQuestion(String);

/// base64url(SHA-256(ID)): what `cnf.tbh` holds (draft-ietf-oauth-token-binding, OpenID Connect Token Bound Authentication).
fn hash(id: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(id);
    token_binding::header::encode(&hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_behind_require() {
        for (words, requirement) in [
            ("", Requirement::Provided),
            ("provided", Requirement::Provided),
            (" Referred ", Requirement::Referred),
            ("not", Requirement::Not),
        ] {
            assert_eq!(Requirement::parse(words), Ok(requirement), "{words}");
        }
        for (words, quoted) in [("bound", "bound"), ("provided referred", "referred")] {
            let error = Requirement::parse(words).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{quoted}\"")) && error.contains("referred, not"), "{error}");
        }
    }

    #[test]
    fn nobody_is_not_bound() {
        let nobody = Facts::default();
        assert!(Requirement::Not.is_met(nobody));
        for requirement in [Requirement::Provided, Requirement::Referred, Requirement::Device] {
            assert!(!requirement.is_met(nobody));
        }
    }

    #[test]
    fn a_device_is_not_a_token_binding() {
        let device = Facts { device: Some(c"key"), ..Facts::default() };
        assert!(Requirement::Device.is_met(device) && Requirement::Not.is_met(device));
        assert!(!Requirement::Provided.is_met(device));
        assert_eq!(Question::Device.answer(device).as_deref(), Some("key"));
        assert_eq!(Question::Provided.answer(device), None);
        assert_eq!(Question::Device.answer(Facts::default()), None);
    }

    #[test]
    fn arguments() {
        assert_eq!(Question::parse("Provided_Hash"), Ok(Question::ProvidedHash));
        let error = Question::parse("ekm").unwrap_err().to_string();
        assert!(error.contains("\"ekm\"") && error.contains("provided, provided_hash"), "{error}");
    }

    #[test]
    fn the_hash_is_sha_256_in_base64url() {
        assert_eq!(hash(b"abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    }
}
