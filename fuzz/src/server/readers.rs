//! How applications read a `Cookie` header, and browsers a `Set-Cookie` line: nothing here is shared with what it is
//! compared with.

use std::collections::BTreeSet;

/// The kinds of bytes that one application or another takes for the end of a cookie, besides the semicolon.
const KINDS: [fn(u8) -> bool; 6] = [
    |byte| byte == b',',
    |byte| byte == b' ',
    |byte| matches!(byte, b'\t'..=b'\r' | 0x1c..=0x1f),
    |byte| matches!(byte, 0x85 | 0xa0),
    |byte| byte == b'"',
    |byte| byte == b'\'',
];

/// The names of the cookies that have a value, for readers who split at each choice of [`KINDS`].
pub(super) fn every_name(header: &[u8]) -> BTreeSet<&[u8]> {
    let present: Vec<_> = KINDS.into_iter().filter(|is_in| header.iter().any(|byte| is_in(*byte))).collect();
    let mut names = BTreeSet::new();
    for choice in 0..1_u32 << present.len() {
        let chosen = || present.iter().enumerate().filter(|(bit, _)| choice >> bit & 1 == 1);
        let is_end = |byte: &u8| *byte == b';' || chosen().any(|(_, is_in)| is_in(*byte));
        for cookie in header.split(is_end) {
            if let Some(equals) = cookie.iter().position(|byte| *byte == b'=') {
                names.insert(&cookie[..equals]);
            }
        }
    }
    names
}

/// The value that httpd's own modules find under a name (`ap_cookie_read`): it splits at commas and semicolons alike.
pub(super) fn ap_cookie_read<'h>(header: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let until_nul = header.split(|byte| *byte == 0).next().unwrap_or_default();
    until_nul
        .split(|byte| matches!(byte, b',' | b';'))
        .map(|cookie| &cookie[cookie.iter().position(|byte| !space(byte)).unwrap_or(cookie.len())..])
        .find_map(|cookie| cookie.strip_prefix(name)?.strip_prefix(b"="))
}

/// What one application or another makes of a cookie's name.
pub(super) fn as_applications_see(name: &[u8]) -> Vec<Vec<u8>> {
    let unquoted = name.trim_ascii();
    let unquoted = unquoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(unquoted);
    let decoded = percent_decoded(name);
    let until_nul = decoded.split(|byte| *byte == 0).next().unwrap_or_default();
    let latin_1 = |byte: &u8| matches!(byte, b'\t'..=b'\r' | 0x1c..=0x20 | 0x85 | 0xa0);
    let start = name.iter().position(|byte| !latin_1(byte)).unwrap_or(name.len());
    let end = name.iter().rposition(|byte| !latin_1(byte)).map_or(start, |last| last + 1);
    vec![
        name.to_vec(),
        name.trim_ascii().to_vec(),
        name.trim_ascii().to_ascii_lowercase(),
        unquoted.to_vec(),
        name[start..end].to_vec(),
        php(name),
        php(&decoded),
        php(until_nul),
        decoded.trim_ascii().to_vec(),
    ]
}

/// `$_COOKIE`'s key: `name[x]` is an array, and what can't be in a variable's name is `_`.
fn php(name: &[u8]) -> Vec<u8> {
    let name = name.trim_ascii();
    let end = name.iter().position(|byte| *byte == b'[').filter(|at| *at > 0).unwrap_or(name.len());
    let is_array = name[end..].contains(&b']');
    let key = if is_array || end == name.len() { &name[..end] } else { name };
    key.iter().map(|byte| if matches!(byte, b'.' | b' ' | b'[') { b'_' } else { *byte }).collect()
}

/// `%41` and `+`, as in a form.
pub(super) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = match &bytes[at..] {
            [b'%', high, low, ..] if hex(*high).is_some() && hex(*low).is_some() => {
                at += 2;
                (hex(*high).unwrap() * 16 + hex(*low).unwrap()) as u8
            }
            [b'+', ..] => b' ',
            [byte, ..] => *byte,
            [] => break,
        };
        decoded.push(byte);
        at += 1;
    }
    decoded
}

/// A cookie as a browser keeps it (RFC 6265bis section 5.6), with its attributes' names in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept<'l> {
    pub(super) name: &'l [u8],
    pub(super) value: &'l [u8],
    pub(super) attributes: Vec<(Vec<u8>, &'l [u8])>,
}

pub(super) fn browser(line: &[u8]) -> Kept<'_> {
    let mut parts = line.split(|byte| *byte == b';');
    let pair = parts.next().unwrap_or_default();
    let (name, value) = halves(pair).unwrap_or((b"", pair.trim_ascii()));
    let attributes = parts
        .map(|part| halves(part).unwrap_or((part.trim_ascii(), b"")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    Kept { name, value, attributes }
}

fn halves(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii()))
}

impl Kept<'_> {
    /// What the browser sends back in a `Cookie` header.
    pub(super) fn pair(&self) -> Vec<u8> {
        if self.name.is_empty() { self.value.to_vec() } else { [self.name, b"=", self.value].concat() }
    }
}
