//! The response's `Set-Cookie` lines: the values of bound cookies are sealed, `Secure` is added, the other attributes stay
//! as they are. And what caches are told of a response that is one client's own.

use std::fmt;

use super::keyring::CryptoFault;
use super::seal::seal;
use super::settings::{Binder, Client, NoSealFor};

/// What browsers keep of a cookie's name and value together (RFC 6265bis section 5.6).
const BROWSERS_KEEP: usize = 4096;

/// What becomes of a `Set-Cookie` line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// Not a bound cookie.
    AsItIs,
    Sealed {
        line: Vec<u8>,
        /// The size of name and value, if sealing has made it more than browsers keep.
        too_long: Option<usize>,
    },
    /// The client does not get it.
    Withheld { name: Vec<u8>, cause: Withheld },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    Policy(NoSealFor),
    /// Not `name=value` with a name and a value that a browser would send back as they are.
    Malformed,
    /// Added, or brought in from a cache, after the cookies were sealed.
    Late,
    /// A restart found no good secret.
    NoKeys,
    /// OpenSSL failed.
    Fault,
}

/// The words for the log.
impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy(NoSealFor::Unbound) => {
                "the client has no Token Binding, and TokenBindingCookiePolicy is required"
            }
            Self::Policy(NoSealFor::Unknown) => "the request's Token Binding is not known",
            Self::Malformed => "it is not of the form name=value",
            Self::Late => {
                "it comes from a cache, or from a filter after mod_headers: it could be another client's"
            }
            Self::NoKeys => "the keys for bound cookies are missing",
            Self::Fault => "OpenSSL could not seal it",
        })
    }
}

/// Is this `Set-Cookie` line one of a bound cookie? If so, its name.
pub(crate) fn bound_name<'l>(binder: Binder<'_>, line: &'l [u8]) -> Option<&'l [u8]> {
    let (pair, _) = split(line);
    let name = split_pair(pair).0;
    // Browsers send `=name=value` back as `name=value`.
    let shown = name.trim_ascii();
    let shown = if shown.is_empty() { split_pair(nameless(pair)).0.trim_ascii() } else { shown };
    binder.names.binds(shown).then_some(shown)
}

/// Seals the value of a `Set-Cookie` line for this client, if its cookie is a bound one.
pub(crate) fn rewrite(binder: Binder<'_>, client: Client<'_>, line: &[u8]) -> Result<Outgoing, CryptoFault> {
    let Some(name) = bound_name(binder, line) else { return Ok(Outgoing::AsItIs) };
    let withheld = |cause| Ok(Outgoing::Withheld { name: name.to_vec(), cause });
    let sealed_for = match binder.sealed_for(client) {
        Ok(sealed_for) => sealed_for,
        Err(cause) => return withheld(Withheld::Policy(cause)),
    };
    let (pair, attributes) = split(line);
    let (written, Some(value)) = split_pair(pair) else { return withheld(Withheld::Malformed) };
    let value = value.trim_ascii();
    if written.trim_ascii().is_empty()
        || !name.iter().all(|byte| super::names::is_token(*byte) || b"[]".contains(byte))
        || value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return withheld(Withheld::Malformed);
    }
    let sealed = seal(binder.keyring, binder.encrypt, name, value, sealed_for)?;
    let (before, after) = (name.len() + value.len(), name.len() + sealed.len());
    let too_long = (before <= BROWSERS_KEEP && after > BROWSERS_KEEP).then_some(after);
    let mut line = [name, b"=", &sealed, attributes].concat();
    if !is_secure(attributes) {
        line.extend(b"; Secure");
    }
    Ok(Outgoing::Sealed { line, too_long })
}

/// `name=value`, and the attributes with the semicolon before them.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
    line.split_at_checked(end).unwrap_or((line, b""))
}

fn split_pair(pair: &[u8]) -> (&[u8], Option<&[u8]>) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(equals) => (pair.get(..equals).unwrap_or(pair), pair.get(equals + 1..)),
        None => (pair, None),
    }
}

fn nameless(pair: &[u8]) -> &[u8] {
    let start = pair.iter().position(|byte| *byte != b'=' && !byte.is_ascii_whitespace());
    start.and_then(|start| pair.get(start..)).unwrap_or_default()
}

fn is_secure(attributes: &[u8]) -> bool {
    attributes
        .split(|byte| *byte == b';')
        .any(|attribute| split_pair(attribute).0.trim_ascii().eq_ignore_ascii_case(b"secure"))
}

/// Why a response is one client's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Personal {
    /// It sets a bound cookie.
    SetsCookie,
    /// It answers a request that had one.
    HadCookie,
}

/// Must `private` be added to a response with these `Cache-Control` values?
///
/// A response that sets a bound cookie is no other client's business, whatever the application says. One to a request with
/// a bound cookie is treated as RFC 9111 section 3.5 treats one to a request with `Authorization`: shared caches may keep
/// it only if the response says so itself.
pub(crate) fn needs_private<'v>(values: impl IntoIterator<Item = &'v [u8]>, personal: Personal) -> bool {
    let is_kept_from_others = |directive: &[u8]| {
        let directive = directive.trim_ascii();
        let is = |word: &[u8]| directive.eq_ignore_ascii_case(word);
        let allows_sharing =
            || is(b"public") || split_pair(directive).0.trim_ascii().eq_ignore_ascii_case(b"s-maxage");
        is(b"private") || is(b"no-store") || (personal == Personal::HadCookie && allows_sharing())
    };
    !values.into_iter().flat_map(|value| value.split(|byte| *byte == b',')).any(is_kept_from_others)
}

#[cfg(test)]
mod tests {
    use super::super::seal::{SealedFor, unseal};
    use super::super::settings::tests::{keyring, settings};
    use super::super::settings::{CookiePolicy, CookieSettings};
    use super::*;

    const ALICE: Client<'_> = Client::Bound(b"alice");

    fn bound(words: &[&str]) -> CookieSettings {
        settings(words, CookiePolicy::Optional)
    }

    fn rewritten(settings: &CookieSettings, client: Client<'_>, line: &str) -> Outgoing {
        rewrite(settings.binder().unwrap().unwrap(), client, line.as_bytes()).unwrap()
    }

    /// The value inside the sealed line, and the attributes.
    fn opened(settings: &CookieSettings, name: &str, line: &str) -> (String, String) {
        let Outgoing::Sealed { line, too_long: None } = rewritten(settings, ALICE, line) else {
            panic!("{line} was not sealed")
        };
        let (pair, attributes) = split(&line);
        let sealed = pair.strip_prefix(format!("{name}=").as_bytes()).unwrap();
        let value = unseal(&keyring(), name.as_bytes(), sealed, SealedFor::Key(b"alice")).unwrap();
        (String::from_utf8(value).unwrap(), String::from_utf8(attributes.to_vec()).unwrap())
    }

    #[test]
    fn the_value_is_sealed_secure_added_and_the_attributes_stay() {
        let settings = bound(&["sid"]);
        for (line, value, attributes) in [
            ("sid=v", "v", "; Secure"),
            ("sid=v; Path=/; HttpOnly", "v", "; Path=/; HttpOnly; Secure"),
            ("sid=v;secure;SameSite=None", "v", ";secure;SameSite=None"),
            ("sid=v; SECURE =x", "v", "; SECURE =x"),
            (" sid = v ; Max-Age=0", "v", "; Max-Age=0; Secure"),
            (
                "sid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                "",
                "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure",
            ),
            ("sid=\"a, b\"; Comment=insecure", "\"a, b\"", "; Comment=insecure; Secure"),
            ("sid=a=b=;", "a=b=", ";; Secure"),
        ] {
            assert_eq!(opened(&settings, "sid", line), (value.into(), attributes.into()), "{line}");
        }
        assert_eq!(opened(&settings, "SID", "SID=v").0, "v", "sealed under the name as it stands");
        assert_eq!(opened(&settings, "sid[a]", "sid[a]=v").0, "v");
    }

    #[test]
    fn other_cookies_are_left_alone() {
        let settings = bound(&["sid"]);
        for line in ["a=sid", "sidx=1", "a=1, sid=2", "a=1; sid=2", "", "=", "=x"] {
            assert_eq!(rewritten(&settings, ALICE, line), Outgoing::AsItIs, "{line}");
        }
    }

    #[test]
    fn what_would_come_back_otherwise_than_it_was_sent_is_withheld() {
        for line in ["sid", "=sid=v", "= sid", "s id=v", "sid=a\u{1}b", "\"sid\"=v"] {
            let settings = bound(&["sid", "s_id"]);
            let Outgoing::Withheld { cause: Withheld::Malformed, .. } = rewritten(&settings, ALICE, line)
            else {
                panic!("{line:?}")
            };
        }
        // Cookies without a name can't be bound, and `all` leaves none unbound.
        for line in ["v", "=v", ""] {
            let Outgoing::Withheld { cause: Withheld::Malformed, .. } =
                rewritten(&bound(&["all"]), ALICE, line)
            else {
                panic!("{line:?}")
            };
        }
    }

    #[test]
    fn who_gets_none() {
        let withheld = |cause| Outgoing::Withheld { name: b"sid".to_vec(), cause: Withheld::Policy(cause) };
        let required = settings(&["sid"], CookiePolicy::Required);
        assert_eq!(rewritten(&required, Client::Unbound, "sid=v"), withheld(NoSealFor::Unbound));
        assert_eq!(rewritten(&bound(&["sid"]), Client::Unknown, "sid=v"), withheld(NoSealFor::Unknown));
        assert_eq!(rewritten(&required, Client::Unbound, "a=v"), Outgoing::AsItIs);
    }

    #[test]
    fn a_cookie_that_sealing_makes_too_long_is_noticed() {
        let settings = bound(&["sid"]);
        for (length, expected) in [(4096 - 3 - 59, None), (4096 - 3, Some(4096 + 59)), (5000, None)] {
            let line = format!("sid={}", "x".repeat(length));
            let Outgoing::Sealed { too_long, .. } = rewritten(&settings, ALICE, &line) else { panic!() };
            assert_eq!(too_long, expected, "{length}");
        }
    }

    #[test]
    fn caches() {
        let needs = |value: &str, personal| needs_private([value.as_bytes()], personal);
        for value in ["", "max-age=60", "no-cache", "private=\"x\"", "must-revalidate, max-age=0"] {
            assert!(needs(value, Personal::SetsCookie) && needs(value, Personal::HadCookie), "{value}");
        }
        for value in ["private", "max-age=60, Private", "no-store", "no-cache,no-store"] {
            assert!(!needs(value, Personal::SetsCookie) && !needs(value, Personal::HadCookie), "{value}");
        }
        for value in ["public", "max-age=60, PUBLIC", "s-maxage=60"] {
            assert!(needs(value, Personal::SetsCookie) && !needs(value, Personal::HadCookie), "{value}");
        }
        assert!(needs_private([], Personal::HadCookie));
    }
}
