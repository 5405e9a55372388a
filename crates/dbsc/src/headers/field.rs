//! What the fields have in common: limits, strings, parameters.

use sfv::{BareItem, KeyRef, Parameters, Parser, StringRef};

use crate::HeaderError;
use crate::limits::MAX_LIST_LENGTH;

pub(super) fn check_length(value: &[u8], max: usize) -> Result<(), HeaderError> {
    let length = value.len();
    if length > max { Err(HeaderError::TooLong { length, max }) } else { Ok(()) }
}

/// Parses a list. An empty one is none: such a field is not sent (RFC 9651 section 3.1).
pub(super) fn parse_list(value: &[u8]) -> Result<sfv::List, HeaderError> {
    check_length(value, MAX_LIST_LENGTH)?;
    let list: sfv::List = Parser::new(value).parse().map_err(|_| HeaderError::Malformed)?;
    if list.is_empty() { Err(HeaderError::Empty) } else { Ok(list) }
}

/// A text as a structured field's string.
pub(super) fn string<'t>(member: &'static str, text: &'t str) -> Result<&'t StringRef, HeaderError> {
    StringRef::from_str(text).map_err(|_| HeaderError::NotPrintable { member })
}

/// The key of a parameter.
pub(super) fn key(name: &'static str) -> Result<&'static KeyRef, HeaderError> {
    KeyRef::from_str(name).map_err(|_| HeaderError::Malformed)
}

/// A parameter that is a string; `Err` when it is something else.
pub(super) fn parameter(parameters: &Parameters, name: &str) -> Result<Option<String>, NotAString> {
    match parameters.get(name) {
        None => Ok(None),
        Some(BareItem::String(text)) => Ok(Some(text.as_str().to_owned())),
        Some(_) => Err(NotAString),
    }
}

pub(super) struct NotAString;
