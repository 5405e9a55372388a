//! `Secure-Session-Challenge`.

use sfv::{BareItem, ItemSerializer, ListEntry};

use super::field::{key, parameter, parse_list, string};
use crate::HeaderError;

/// One member of `Secure-Session-Challenge`: what the next proof of a session has to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// What the proof has to hold as its `jti`.
    pub challenge: String,
    /// The session identifier (`id`).
    pub session_id: String,
}

impl Challenge {
    /// A challenge for a session.
    #[must_use]
    pub fn new(challenge: impl Into<String>, session_id: impl Into<String>) -> Self {
        Self { challenge: challenge.into(), session_id: session_id.into() }
    }

    /// The header's value.
    ///
    /// # Errors
    /// [`HeaderError::NotPrintable`] for a text that no structured field can hold.
    pub fn to_header(&self) -> Result<String, HeaderError> {
        Ok(ItemSerializer::new()
            .bare_item(string("challenge", &self.challenge)?)
            .parameter(key("id")?, string("id", &self.session_id)?)
            .finish())
    }

    /// Reads a value as a browser does (the draft's "Cache challenge"): as a list, whose members without string or `id` are
    /// left out.
    ///
    /// # Errors
    /// The value is no list at all, or too long.
    pub fn parse_list(value: &[u8]) -> Result<Vec<Self>, HeaderError> {
        let challenges = parse_list(value)?.into_iter().filter_map(|entry| {
            let ListEntry::Item(item) = entry else { return None };
            let BareItem::String(challenge) = item.bare_item else { return None };
            let session_id = parameter(&item.params, "id").ok().flatten()?;
            Some(Self { challenge: challenge.into(), session_id })
        });
        Ok(challenges.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draft's examples of this field.
    #[test]
    fn the_drafts_examples() {
        let challenge = Challenge::new("new challenge", "my session");
        assert_eq!(challenge.to_header().unwrap(), r#""new challenge";id="my session""#);
        assert_eq!(Challenge::parse_list(br#""new challenge";id="my session""#).unwrap(), [challenge]);
        assert_eq!(
            Challenge::parse_list(br#""c1";id="session 1", "c2";id="session 2""#).unwrap(),
            [Challenge::new("c1", "session 1"), Challenge::new("c2", "session 2")]
        );
    }

    #[test]
    fn what_a_browser_leaves_alone() {
        for other in
            [r#"c;id="s""#, r#""c""#, r#""c";id=s"#, r#""c";id"#, r#"("c");id="s""#, r#":YQ==:;id="s""#]
        {
            let text = format!(r#"{other}, "d";x=1;id="t""#);
            assert_eq!(
                Challenge::parse_list(text.as_bytes()).as_deref(),
                Ok(&[Challenge::new("d", "t")][..]),
                "{text}"
            );
        }
        assert_eq!(Challenge::parse_list(b"\"c"), Err(HeaderError::Malformed));
    }

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        let challenge = Challenge::new(r#"a"b\c"#, r#"\""#);
        let text = challenge.to_header().unwrap();
        assert_eq!(text, r#""a\"b\\c";id="\\\"""#);
        assert_eq!(Challenge::parse_list(text.as_bytes()).unwrap(), [challenge]);
        assert_eq!(
            Challenge::new("\r\nSet-Cookie: a=b", "s").to_header(),
            Err(HeaderError::NotPrintable { member: "challenge" })
        );
        assert_eq!(Challenge::new("c", "\t").to_header(), Err(HeaderError::NotPrintable { member: "id" }));
    }
}
