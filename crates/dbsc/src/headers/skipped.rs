//! `Secure-Session-Skipped`.

use std::fmt;

use sfv::{BareItem, ListEntry};

use super::field::{parameter, parse_list};
use crate::HeaderError;

/// One member of `Secure-Session-Skipped`: the browser has not refreshed a session that this request is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// Which session (`session_identifier`), where that is told.
    pub session_id: Option<String>,
}

/// Why a browser has not refreshed a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The server's answer to the refresh was no use, such as a 500.
    ServerError,
    /// The server could not be reached.
    Unreachable,
    /// The browser has chosen not to refresh: too many signatures in too little time, for instance.
    QuotaExceeded,
    /// A token that the draft does not have.
    Other(String),
}

impl Skipped {
    /// Reads a value. Members that are no token are left out; tokens that the draft does not have are kept.
    ///
    /// # Errors
    /// The value is no list at all, or too long.
    pub fn parse_list(value: &[u8]) -> Result<Vec<Self>, HeaderError> {
        let skipped = parse_list(value)?.into_iter().filter_map(|entry| {
            let ListEntry::Item(item) = entry else { return None };
            let BareItem::Token(reason) = &item.bare_item else { return None };
            let session_id = parameter(&item.params, "session_identifier").ok().flatten();
            Some(Self { reason: SkipReason::new(reason.as_str()), session_id })
        });
        Ok(skipped.collect())
    }
}

impl SkipReason {
    fn new(token: &str) -> Self {
        match token {
            "server_error" => Self::ServerError,
            "unreachable" => Self::Unreachable,
            "quota_exceeded" => Self::QuotaExceeded,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::ServerError => "server_error",
            Self::Unreachable => "unreachable",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Other(token) => token,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(reason: SkipReason, session_id: &str) -> Skipped {
        Skipped { reason, session_id: Some(session_id.to_owned()) }
    }

    /// The draft's example of this field.
    #[test]
    fn the_drafts_example() {
        let value = br#"unreachable;session_identifier="123", quota_exceeded;session_identifier="456""#;
        assert_eq!(
            Skipped::parse_list(value).unwrap(),
            [skipped(SkipReason::Unreachable, "123"), skipped(SkipReason::QuotaExceeded, "456")]
        );
    }

    #[test]
    fn unknown_reasons_are_kept() {
        let value = br#"server_error, too_hot;x;session_identifier="1", quota_exceeded;session_identifier=2, "text", (a)"#;
        assert_eq!(
            Skipped::parse_list(value).unwrap(),
            [
                Skipped { reason: SkipReason::ServerError, session_id: None },
                skipped(SkipReason::Other("too_hot".to_owned()), "1"),
                Skipped { reason: SkipReason::QuotaExceeded, session_id: None },
            ]
        );
        for token in ["server_error", "unreachable", "quota_exceeded", "x"] {
            assert_eq!(SkipReason::new(token).to_string(), token);
        }
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        assert_eq!(Skipped::parse_list(b""), Err(HeaderError::Empty));
        assert_eq!(Skipped::parse_list(b"unreachable;"), Err(HeaderError::Malformed));
        assert!(matches!(Skipped::parse_list(&vec![b'a'; 20_000]), Err(HeaderError::TooLong { .. })));
    }
}
