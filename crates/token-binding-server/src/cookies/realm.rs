//! The realm of a virtual host (`TokenBindingCookieRealm`): the hosts of one realm accept each other's seals.

use openssl::sha::sha256;

use crate::words::{DirectiveError, one};

/// How many characters of a seal say which realm it was made for.
pub(crate) const TAG_LENGTH: usize = 4;

/// Hosts of one realm share their bound cookies. Names are compared as hosts' names are: without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    name: Box<[u8]>,
    tag: [u8; TAG_LENGTH],
}

impl Realm {
    /// The realm of a virtual host that names none: its `ServerName`, without a port.
    pub fn of_host(server_name: &[u8]) -> Self {
        let name = server_name.strip_suffix(b".").unwrap_or(server_name).to_ascii_lowercase();
        let text = token_binding::header::encode(&sha256(&name));
        let mut tag = [b'A'; TAG_LENGTH];
        for (place, byte) in tag.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        Self { name: name.into(), tag }
    }

    /// The words of `TokenBindingCookieRealm`.
    pub fn parse(words: &[&str]) -> Result<Self, DirectiveError> {
        const ALLOWED: &str =
            "one name, such as the site's domain: letters, digits, \"-\", \"_\", \".\" and \":\"";
        match one(words, ALLOWED)? {
            word if is_name(word) => Ok(Self::of_host(word.as_bytes())),
            word => Err(DirectiveError::invalid(word, ALLOWED)),
        }
    }

    /// Part of what each seal covers.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// A hint which realm a seal is of, for the log: the seal itself covers the name.
    pub(crate) fn tag(&self) -> &[u8; TAG_LENGTH] {
        &self.tag
    }
}

fn is_name(word: &str) -> bool {
    (1..=255).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        && word != "."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_names_are_compared_without_regard_to_case_and_final_dot() {
        assert_eq!(Realm::parse(&["Www.Example.COM"]), Ok(Realm::of_host(b"www.example.com.")));
        assert_ne!(Realm::of_host(b"a.test"), Realm::of_host(b"b.test"));
        assert_ne!(Realm::of_host(b"a.test").tag, Realm::of_host(b"b.test").tag);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (words, quoted) in [
            (&[""][..], "\"\""),
            (&["a b"], "\"a b\""),
            (&["."], "\".\""),
            (&["\u{e9}.test"], "\u{e9}"),
            (&["a.test", "b.test"], "\"b.test\""),
            (&[], "one name"),
        ] {
            let error = Realm::parse(words).unwrap_err().to_string();
            assert!(error.contains(quoted) && error.contains("one name"), "{error}");
        }
        assert!(Realm::parse(&[&"a".repeat(256)]).is_err());
    }
}
