//! What is wrong with the words of a directive.

use std::borrow::Cow;

use thiserror::Error;

/// What is wrong with a directive's words, as `httpd -t` prints it after the directive's name. What is allowed comes last.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DirectiveError {
    #[error("takes a value: {allowed}")]
    Missing { allowed: Cow<'static, str> },
    #[error("takes one value: unexpected second value \"{second}\"; allowed: {allowed}")]
    Second { second: String, allowed: Cow<'static, str> },
    /// `why` is printed behind the word; empty where it is obvious.
    #[error("invalid value \"{word}\"{why}; allowed: {allowed}")]
    Invalid { word: String, why: String, allowed: Cow<'static, str> },
    /// The word is not shown: somebody may have written the secret itself there.
    #[error("invalid value (not shown: it may be a secret); allowed: {allowed}")]
    InvalidSecret { allowed: Cow<'static, str> },
    #[error("duplicate value \"{word}\"; allowed: {allowed}, each once")]
    Duplicate { word: String, allowed: Cow<'static, str> },
    #[error("\"{word}\" can't be combined with other values; allowed: {allowed}")]
    NotAlone { word: String, allowed: Cow<'static, str> },
    #[error("\"all\" and \"none\" can't be combined with other lines; allowed: {allowed}")]
    OtherLines { allowed: Cow<'static, str> },
    #[error("is allowed in the server and in virtual hosts only")]
    Place,
}

impl DirectiveError {
    pub(crate) fn missing(allowed: impl Into<Cow<'static, str>>) -> Self {
        Self::Missing { allowed: allowed.into() }
    }

    pub(crate) fn second(second: &str, allowed: impl Into<Cow<'static, str>>) -> Self {
        Self::Second { second: second.to_owned(), allowed: allowed.into() }
    }

    pub(crate) fn invalid(word: &str, allowed: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid_because(word, "", allowed)
    }

    pub(crate) fn invalid_because(
        word: &str,
        why: impl ToString,
        allowed: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Invalid { word: word.to_owned(), why: why.to_string(), allowed: allowed.into() }
    }

    pub(crate) fn not_alone(word: &str, allowed: impl Into<Cow<'static, str>>) -> Self {
        Self::NotAlone { word: word.to_owned(), allowed: allowed.into() }
    }
}

/// The one word that a directive takes.
pub(crate) fn one<'a>(
    words: &[&'a str],
    allowed: impl Into<Cow<'static, str>>,
) -> Result<&'a str, DirectiveError> {
    match words {
        [word] => Ok(word),
        [] => Err(DirectiveError::missing(allowed)),
        [_, second, ..] => Err(DirectiveError::second(second, allowed)),
    }
}
