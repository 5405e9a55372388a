//! What configuration can ask of a request's Token Bindings: `Require token-binding ...`, and `TOKEN_BINDING(...)` in
//! httpd's expressions.

use std::borrow::Cow;

use openssl::sha::Sha256;
use thiserror::Error;

use crate::bindings::TokenBindings;
use crate::words::DirectiveError;

/// `Require token-binding [provided|referred|not]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// The client has proved its key.
    Provided,
    /// It has also proved the key that it uses with another server.
    Referred,
    /// It has not proved any.
    Not,
}

impl Requirement {
    /// The words behind `Require token-binding`.
    pub fn parse(words: &str) -> Result<Self, DirectiveError> {
        const ALLOWED: &str = "provided (also when nothing is said), referred, not";
        let mut words = words.split_ascii_whitespace();
        let word = words.next().unwrap_or("provided");
        if let Some(second) = words.next() {
            return Err(DirectiveError::second(second, ALLOWED));
        }
        [("provided", Self::Provided), ("referred", Self::Referred), ("not", Self::Not)]
            .into_iter()
            .find(|(known, _)| word.eq_ignore_ascii_case(known))
            .map(|(_, requirement)| requirement)
            .ok_or_else(|| DirectiveError::invalid(word, ALLOWED))
    }

    pub fn is_met(self, bindings: Option<&TokenBindings>) -> bool {
        match self {
            Self::Provided => bindings.is_some(),
            Self::Referred => bindings.is_some_and(|bindings| bindings.referred().is_some()),
            Self::Not => bindings.is_none(),
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
}

impl Question {
    const ALL: [(&'static str, Self); 6] = [
        ("provided", Self::Provided),
        ("provided_hash", Self::ProvidedHash),
        ("referred", Self::Referred),
        ("referred_hash", Self::ReferredHash),
        ("other", Self::Other),
        ("key_parameters", Self::KeyParameters),
    ];

    pub fn parse(word: &str) -> Result<Self, UnknownQuestion> {
        let known = Self::ALL.into_iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
        known.map(|(_, question)| question).ok_or_else(|| UnknownQuestion(word.to_owned()))
    }

    /// `None` where there is nothing to answer with.
    pub fn answer(self, bindings: &TokenBindings) -> Option<Cow<'_, str>> {
        match self {
            Self::Provided => Some(bindings.provided().base64url().into()),
            Self::ProvidedHash => Some(hash(bindings.provided().as_bytes()).into()),
            Self::Referred => bindings.referred().map(|id| id.base64url().into()),
            Self::ReferredHash => bindings.referred().map(|id| hash(id.as_bytes()).into()),
            Self::Other => bindings.others().map(Into::into),
            Self::KeyParameters => Some(bindings.provided().key_parameters().to_string().into()),
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
        assert!(Requirement::Not.is_met(None));
        assert!(!Requirement::Provided.is_met(None) && !Requirement::Referred.is_met(None));
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
