//! Which cookies are bound: the names and wildcards of `TokenBindingCookie`.
//!
//! Applications don't agree on what a cookie's name is. PHP turns `.`, a space and `[` into `_` and makes an array of
//! `name[key]`; older versions decode `%50` and `+` first. Python strips white space, Latin-1's included. Others ignore
//! case. So names are folded before they are compared, in both directions alike: every name that some application could
//! take for a bound one is bound. Folding can bind a cookie more than intended, which its application does not notice; it never
//! binds fewer. The seal itself covers the name as it stands.

use crate::words::DirectiveError;

/// The names that are bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CookieNames {
    /// `none`: binds nothing, whatever an outer section says.
    None,
    /// `all`.
    All,
    /// Folded names; `*` stands for any characters.
    Some(Vec<Vec<u8>>),
}

impl CookieNames {
    /// The words of one `TokenBindingCookie` line, added to those of the lines before it in the same section.
    pub fn add(before: Option<&Self>, words: &[&str]) -> Result<Self, DirectiveError> {
        const ALLOWED: &str = "all, none, or names of cookies, in which * stands for any characters";
        let alone = |word: &str, names: Self| match (before, words.len()) {
            (None, 1) => Ok(names),
            _ => Err(DirectiveError::not_alone(word, ALLOWED)),
        };
        if words.is_empty() {
            return Err(DirectiveError::missing(ALLOWED));
        }
        let mut patterns = match before {
            None => Vec::new(),
            Some(Self::Some(patterns)) => patterns.clone(),
            Some(Self::All | Self::None) => {
                return Err(DirectiveError::OtherLines { allowed: ALLOWED.into() });
            }
        };
        for word in words {
            if word.eq_ignore_ascii_case("all") || *word == "*" {
                return alone(word, Self::All);
            }
            if word.eq_ignore_ascii_case("none") {
                return alone(word, Self::None);
            }
            if word.is_empty() || !word.bytes().all(crate::headers::is_token) {
                return Err(DirectiveError::invalid(word, ALLOWED));
            }
            patterns.push(fold(word.as_bytes()));
            if is_encoded(word.as_bytes()) {
                patterns.push(fold(&form_decode(word.as_bytes())));
            }
        }
        Ok(Self::Some(patterns))
    }

    pub fn binds_any(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether the bound names are more than a finite list: there is a wildcard, or `all`.
    pub(super) fn are_open(&self) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(patterns) => patterns.iter().any(|pattern| pattern.contains(&b'*')),
        }
    }

    /// Whether an application could take a cookie of this name for a bound one.
    pub fn binds(&self, name: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Some(patterns) => {
                // Most names that are bound are written as they were configured.
                if patterns.iter().any(|pattern| pattern == name) {
                    return true;
                }
                if name.iter().all(|byte| is_plain(*byte))
                    && patterns.iter().all(|pattern| !pattern.contains(&b'*'))
                {
                    return patterns.iter().any(|pattern| pattern.eq_ignore_ascii_case(name));
                }
                let is_bound = |name: &[u8]| {
                    let folded = fold(name);
                    patterns.iter().any(|pattern| matches(pattern, &folded))
                };
                let is_bound_as_array = |name: &[u8]| {
                    let bracket = name.iter().position(|byte| *byte == b'[');
                    bracket.is_some_and(|at| is_bound(head(name, at)))
                };
                let is_bound_somehow = |name: &[u8]| is_bound(name) || is_bound_as_array(name);
                is_bound_somehow(name) || (is_encoded(name) && is_bound_somehow(&form_decode(name)))
            }
        }
    }
}

/// Whether folding does nothing to this byte but ignore its case.
pub(crate) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The form in which names are compared.
fn fold(name: &[u8]) -> Vec<u8> {
    // PHP before 7.4.11 read a name as far as its first NUL.
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    let is_ignored = |byte: u8| byte == b'"' || (byte != b' ' && !byte.is_ascii_graphic());
    let visible: Vec<u8> = head(name, end).iter().copied().filter(|byte| !is_ignored(*byte)).collect();
    visible
        .trim_ascii()
        .iter()
        .map(|byte| match byte {
            b'.' | b' ' | b'[' | b'+' => b'_',
            byte => byte.to_ascii_lowercase(),
        })
        .collect()
}

fn is_encoded(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'%' | b'+'))
}

/// `%50` is `P`, and `+` a space.
fn form_decode(name: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name.iter();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = ahead;
            }
            (b'+', ..) => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
    }
    decoded
}

/// Whether the pattern matches the whole of `text`. `*` stands for any characters, none included.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The leftmost place for each part leaves the most for those after it.
    for part in parts.filter(|part| !part.is_empty()) {
        match rest.windows(part.len()).position(|window| window == part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn head(bytes: &[u8], end: usize) -> &[u8] {
    bytes.get(..end).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> CookieNames {
        CookieNames::add(None, words).unwrap()
    }

    #[test]
    fn names_and_wildcards() {
        let bound = names(&["PHPSESSID", "mod_auth_openidc_*", "*-token", "a*b*c"]);
        for name in
            ["PHPSESSID", "mod_auth_openidc_session", "mod_auth_openidc_", "csrf-token", "abc", "a-b-b-c"]
        {
            assert!(bound.binds(name.as_bytes()), "{name}");
        }
        for name in ["PHPSESSID2", "XPHPSESSID", "mod_auth_openidc", "token", "ab", "acb", "", "lang"] {
            assert!(!bound.binds(name.as_bytes()), "{name}");
        }
        assert!(names(&["all"]).binds(b"anything") && names(&["*"]).binds(b""));
        assert!(!names(&["none"]).binds(b"anything"));
    }

    #[test]
    fn every_spelling_that_an_application_could_take_for_a_bound_name_is_bound() {
        let bound = names(&["PHP_SESS.ID", "__Host-sid"]);
        for name in [
            &b"PHP_SESS_ID"[..],
            b"PHP.SESS.ID",
            b"PHP SESS ID",
            b"PHP[SESS.ID",
            b"PHP_SESS_ID[x]",
            b"PHP_SESS_ID[",
            b"PHP_SESS_ID%5Bx]",
            b"  PHP_SESS_ID",
            b"PHP_SESS_ID\t",
            b"\xa0PHP_SESS_ID\x85",
            b"\x1cPHP_SESS_ID",
            b"%50HP_SESS_ID",
            b"PHP%5FSESS%2eID",
            b"PHP+SESS+ID",
            b"PHP_SESS_ID%00x",
            // Found by fuzzing: a plus sign decodes to a space, and PHP leaves those before a name out.
            b"+PHP_SESS_ID",
            b"%20++PHP_SESS%5FID",
            b"php_sess_id",
            b"\"PHP_SESS_ID\"",
            b"..Host-sid",
            b"_ Host-sid",
            b"_[Host-sid",
        ] {
            assert!(bound.binds(name), "{}", name.escape_ascii());
        }
        for name in [&b"PHP-SESS-ID"[..], b"PHP_SESS", b"x[PHP_SESS_ID]", b"%2550HP_SESS_ID"] {
            assert!(!bound.binds(name), "{}", name.escape_ascii());
        }
    }

    /// Found by fuzzing: only the cookie's name was decoded, so that the name as it was written did not match.
    #[test]
    fn a_name_with_percent_signs_is_bound_as_it_was_written_and_as_it_decodes() {
        let bound = names(&["a%41b", "x%20*", "100%"]);
        for name in [
            &b"a%41b"[..],
            b"a%2541b",
            b"aAb",
            b"a%41b[x]",
            b"%61%41%62",
            b"x%20",
            b"x y",
            b"x%20y",
            b"100%",
            b"100%25",
        ] {
            assert!(bound.binds(name), "{}", name.escape_ascii());
        }
        for name in [&b"a%42b"[..], b"a%252541b", b"100"] {
            assert!(!bound.binds(name), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn lines_of_one_section_add_up() {
        let first = names(&["a"]);
        let both = CookieNames::add(Some(&first), &["b", "c"]).unwrap();
        assert!([&b"a"[..], b"b", b"c"].into_iter().all(|name| both.binds(name)) && !both.binds(b"d"));
        for words in [&["all"][..], &["none"]] {
            assert!(
                CookieNames::add(Some(&first), words).unwrap_err().to_string().contains("can't be combined")
            );
            assert!(
                CookieNames::add(Some(&names(words)), &["a"])
                    .unwrap_err()
                    .to_string()
                    .contains("can't be combined")
            );
            assert!(
                CookieNames::add(None, &[words[0], "a"])
                    .unwrap_err()
                    .to_string()
                    .contains("can't be combined")
            );
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        // Found by fuzzing: behind another line, a line of nothing was taken.
        for before in [None, Some(&names(&["a"]))] {
            assert!(CookieNames::add(before, &[]).unwrap_err().to_string().contains("all, none"));
        }
        for word in ["", "a b", "a=b", "a;b", "a,b", "\u{e9}", "a[b]"] {
            let error = CookieNames::add(None, &[word]).unwrap_err().to_string();
            assert!(error.contains(&format!("\"{word}\"")) && error.contains("names of cookies"), "{error}");
        }
    }
}
