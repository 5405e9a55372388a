//! Bound names inside other cookies, where some applications would find a cookie of that name.
//!
//! Applications don't agree on what ends a cookie: all of them split at a semicolon, some at a comma, at white space or at
//! quotes, too. Whatever delimiters an application splits at: to it, a name begins right behind the last delimiter of some kind.

use super::names::CookieNames;

/// A bound name that does not start the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden<'h> {
    /// It starts a cookie of its own, behind the comma at this position.
    AfterComma(usize),
    Elsewhere(&'h [u8]),
}

/// The kinds of bytes that one application or another splits a header at: spaces, other white space, all controls,
/// Latin-1's white space, commas, quotes.
const DELIMITERS: [fn(u8) -> bool; 7] = [
    |byte| byte == b' ',
    |byte| matches!(byte, b'\t'..=b'\r' | 0x1c..=0x1f),
    |byte| byte < b' ',
    |byte| matches!(byte, 0x85 | 0xa0),
    |byte| byte == b',',
    |byte| byte == b'"',
    |byte| byte == b'\'',
];

/// The first bound name in a piece of a header that does not begin with one.
pub(crate) fn find<'h>(names: &CookieNames, piece: &'h [u8]) -> Option<Hidden<'h>> {
    each(names, piece).map(|(hidden, _)| hidden).next()
}

/// Whether an application could read another bound cookie inside a bound cookie's value. Sealing that value would let in a
/// cookie that nobody checked. Equals signs at the end are base64 padding and no value.
pub(super) fn is_in_value(names: &CookieNames, name: &[u8], value: &[u8]) -> bool {
    // Most values have none.
    if memchr::memchr(b'=', value).is_none() {
        return false;
    }
    let pair = [name, b"=", value].concat();
    let is_padding = |byte: &u8| matches!(byte, b'=' | b'"' | b'\'');
    each(names, &pair).any(|(_, equals)| pair.iter().skip(equals).any(|byte| !is_padding(byte)))
}

/// Each bound name, and where the equals sign behind it is.
fn each<'h>(names: &CookieNames, piece: &'h [u8]) -> impl Iterator<Item = (Hidden<'h>, usize)> {
    let mut start = 0;
    memchr::memchr_iter(b'=', piece).filter_map(move |at| {
        // A name ends at an equals sign.
        let before = piece.get(start..at)?;
        let comma = before.iter().rposition(|byte| *byte == b',');
        let hidden = match comma.filter(|comma| names.binds(behind(before, *comma))) {
            Some(comma) => Some(Hidden::AfterComma(start + comma)),
            None => elsewhere(names, before).map(Hidden::Elsewhere),
        };
        start = at + 1;
        hidden.map(|hidden| (hidden, at))
    })
}

fn elsewhere<'h>(names: &CookieNames, before: &'h [u8]) -> Option<&'h [u8]> {
    let word = before.trim_ascii_end();
    DELIMITERS.iter().find_map(|is_delimiter| {
        let delimiter = word.iter().rposition(|byte| is_delimiter(*byte))?;
        let name = behind(word, delimiter);
        (!name.is_empty() && names.binds(name)).then_some(name)
    })
}

fn behind(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at + 1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> CookieNames {
        CookieNames::add(None, words).unwrap()
    }

    #[test]
    fn what_a_value_can_hide() {
        for (words, value, hides) in [
            (&["sid", "lang"][..], "x,sid=stolen", true),
            (&["sid", "lang"], "x, SID =stolen", true),
            (&["sid", "lang"], "x sid=stolen", true),
            (&["sid", "lang"], "\"sid=stolen\"", true),
            (&["sid", "lang"], "a=b=c,d=e,sid=stolen", true),
            (&["sid", "lang"], "x,y=1", false),
            (&["sid", "lang"], "xsid=stolen", false),
            (&["sid", "lang"], "x,sid", false),
            (&["all"], "x,y=1", true),
            (&["all"], "a=b", false),
            (&["all"], "\"c2VjcmV0==\"", false),
            (&["all"], "c2VjcmV0==", false),
            (&["all"], "plain text, without", false),
        ] {
            assert_eq!(is_in_value(&names(words), b"lang", value.as_bytes()), hides, "{words:?} {value}");
        }
    }
}
