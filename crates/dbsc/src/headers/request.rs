//! What a browser's request to register or to refresh carries: `Sec-Secure-Session-Id` and `Secure-Session-Response`.
//!
//! Both are strings with quotes in the draft. Chromium 156 sends them without.

use sfv::{BareItem, ItemSerializer, Parser};

use super::field::{check_length, string};
use crate::HeaderError;
use crate::limits::{MAX_PROOF_LENGTH, MAX_SESSION_ID_LENGTH};

/// Room for quotes and for parameters, which are ignored.
const MORE: usize = 256;

/// Reads a session identifier from `Sec-Secure-Session-Id`: a string with quotes, whose parameters are ignored, or the bare
/// identifier.
///
/// A bare one is visible ASCII without quotes, backslashes, commas and semicolons, which is what tells it apart from two
/// header lines and from one with parameters. Servers choose identifiers that are so.
///
/// # Errors
/// The value is neither, is empty, or is longer than [`MAX_SESSION_ID_LENGTH`].
pub fn session_id(value: &[u8]) -> Result<String, HeaderError> {
    let is_bare = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,;".contains(&byte);
    read(value, MAX_SESSION_ID_LENGTH, is_bare)
}

/// Reads a proof, a JWT, from `Secure-Session-Response`: a string with quotes, whose parameters are ignored, or the bare
/// JWT. It is not parsed yet.
///
/// # Errors
/// The value is neither, is empty, or is longer than [`MAX_PROOF_LENGTH`].
pub fn proof(value: &[u8]) -> Result<String, HeaderError> {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    read(value, MAX_PROOF_LENGTH, is_bare)
}

/// A session identifier or a proof as a client sends it by the draft: with quotes.
///
/// # Errors
/// [`HeaderError::NotPrintable`] for a text that no structured field can hold.
pub fn quote(text: &str) -> Result<String, HeaderError> {
    Ok(ItemSerializer::new().bare_item(string("the value", text)?).finish())
}

fn read(value: &[u8], max: usize, is_bare: impl Fn(u8) -> bool) -> Result<String, HeaderError> {
    check_length(value, max + MORE)?;
    let text: String = match value {
        [] => return Err(HeaderError::Empty),
        [b'"', ..] => {
            let item: sfv::Item = Parser::new(value).parse().map_err(|_| HeaderError::Malformed)?;
            let BareItem::String(text) = item.bare_item else { return Err(HeaderError::Malformed) };
            text.into()
        }
        bare if bare.iter().all(|byte| is_bare(*byte)) => bare.iter().copied().map(char::from).collect(),
        _ => return Err(HeaderError::Unquoted),
    };
    check_length(text.as_bytes(), max)?;
    if text.is_empty() { Err(HeaderError::Empty) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draft's examples of these fields.
    #[test]
    fn the_drafts_examples() {
        assert_eq!(session_id(br#""session-id""#).as_deref(), Ok("session-id"));
        let jwt = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImRic2Mrand0In0.eyJhdWQi.6Fb_vVBDmfNg-h";
        assert_eq!(proof(format!("\"{jwt}\"").as_bytes()).as_deref(), Ok(jwt));
        assert_eq!(quote("session-id").as_deref(), Ok(r#""session-id""#));
    }

    #[test]
    fn chromiums_form_has_no_quotes() {
        assert_eq!(session_id(b"session-id~/+=.:").as_deref(), Ok("session-id~/+=.:"));
        assert_eq!(proof(b"eyJ0.eyJq.A-_9").as_deref(), Ok("eyJ0.eyJq.A-_9"));
    }

    #[test]
    fn parameters_are_ignored() {
        assert_eq!(session_id(br#""s";a;b="c""#).as_deref(), Ok("s"));
        assert_eq!(session_id(br#""a\"b\\c";x=1"#).as_deref(), Ok(r#"a"b\c"#));
    }

    #[test]
    fn everything_else_is_refused() {
        for (value, error) in [
            (&b""[..], HeaderError::Empty),
            (br#""""#, HeaderError::Empty),
            (br#""s"#, HeaderError::Malformed),
            (br#""s" t"#, HeaderError::Malformed),
            (br#""s", "t""#, HeaderError::Malformed),
            (b"\"s\xc3\xa9\"", HeaderError::Malformed),
            (br#""a\b""#, HeaderError::Malformed),
            (b"s, t", HeaderError::Unquoted),
            (b"s,t", HeaderError::Unquoted),
            (b"s;a=1", HeaderError::Unquoted),
            (b"s t", HeaderError::Unquoted),
            (b" s", HeaderError::Unquoted),
            (br#"s""#, HeaderError::Unquoted),
            (b"s\\", HeaderError::Unquoted),
            (b"s\0", HeaderError::Unquoted),
            (b"s\x7f", HeaderError::Unquoted),
            (b"\xc3\xa9", HeaderError::Unquoted),
        ] {
            assert_eq!(session_id(value), Err(error), "{}", value.escape_ascii());
            assert_eq!(proof(value), Err(error), "{}", value.escape_ascii());
        }
        assert_eq!(proof(b"a.b.c="), Err(HeaderError::Unquoted));
        assert_eq!(proof(b"a.b+.c/"), Err(HeaderError::Unquoted));
    }

    #[test]
    fn lengths_have_limits() {
        let longest = vec![b'a'; MAX_SESSION_ID_LENGTH];
        assert!(session_id(&longest).is_ok());
        assert!(session_id(&[b"\"", &longest[..], b"\";a"].concat()).is_ok());
        let too_long = HeaderError::TooLong { length: longest.len() + 1, max: longest.len() };
        assert_eq!(session_id(&[b"a", &longest[..]].concat()), Err(too_long));
        assert_eq!(session_id(&[b"\"a", &longest[..], b"\""].concat()), Err(too_long));
        let parameters = [b"\"a\";b=\"", &longest[..], &[b'c'; MORE], b"\""].concat();
        assert!(matches!(session_id(&parameters), Err(HeaderError::TooLong { .. })));
        assert!(proof(&vec![b'a'; MAX_PROOF_LENGTH]).is_ok());
        assert!(proof(&vec![b'a'; MAX_PROOF_LENGTH + 1]).is_err());
    }
}
