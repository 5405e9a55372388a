//! The response's `Set-Cookie` lines: the values of bound cookies are sealed, `Secure` is added, the other attributes stay
//! as they are. And what caches are told of a response that is one client's own.

use std::fmt;

use super::hidden;
use super::seal::{Form, NotSealed, seal};
use super::settings::{Binder, Client, NoSealFor};

/// What browsers keep of a cookie's name and value together (RFC 6265bis section 5.6).
const BROWSERS_KEEP: usize = 4096;

/// What becomes of a `Set-Cookie` line.
#[derive(Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Not a bound cookie.
    AsItIs,
    Sealed {
        line: Vec<u8>,
        size: Size,
    },
    /// The client does not get it. `name` is `None` for a cookie without a name.
    Withheld {
        name: Option<Vec<u8>>,
        cause: Withheld,
    },
}

/// Whether browsers still keep a cookie now that it is sealed. Sizes are of name and value together, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// They keep it.
    Kept,
    /// They keep it, but only because it was left readable: encrypted, it would have this size.
    KeptReadable(usize),
    /// They drop it: it has this size.
    TooLong(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    Policy(NoSealFor),
    /// Not `name=value` with a name and a value that a browser would send back as they are.
    Malformed,
    /// An application could read another bound cookie in its value.
    Ambiguous,
    /// Added, or brought in from a cache, after the cookies were sealed.
    Late,
    /// A restart found no good secret.
    NoKeys,
    /// It could not be sealed.
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
            Self::Policy(NoSealFor::Trace) => "it answers a TRACE request",
            Self::Malformed => "it is not of the form name=value",
            Self::Ambiguous => "another bound cookie is hidden in its value",
            Self::Late => {
                "it comes from a cache, or from a filter after mod_headers: it could be another client's"
            }
            Self::NoKeys => "the keys for bound cookies are missing",
            Self::Fault => "there are no random numbers to seal it with",
        })
    }
}

/// The name of a `Set-Cookie` line's cookie, if it is a bound one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundName<'l> {
    pub name: &'l [u8],
    /// `false` for a cookie without a name whose value begins with this name: it comes back as a cookie of that name.
    pub is_written: bool,
}

impl BoundName<'_> {
    /// The name, for the log; `None` for a cookie without a name, or its value would be logged.
    pub fn logged(self) -> Option<Vec<u8>> {
        self.is_written.then(|| self.name.to_vec())
    }
}

pub fn bound_name<'l>(binder: Binder<'_>, line: &'l [u8]) -> Option<BoundName<'l>> {
    let (pair, _) = split(line);
    let (name, value) = split_pair(pair);
    let name = name.trim_ascii();
    let is_written = !name.is_empty() && value.is_some();
    // Browsers send `=name=value` back as `name=value`.
    let name = if name.is_empty() { split_pair(nameless(pair)).0.trim_ascii() } else { name };
    binder.names.binds(name).then_some(BoundName { name, is_written })
}

/// Seals the value of a `Set-Cookie` line for this client, if its cookie is a bound one.
pub fn rewrite(binder: Binder<'_>, client: Client<'_>, line: &[u8]) -> Result<Outgoing, NotSealed> {
    let Some(bound) = bound_name(binder, line) else { return Ok(Outgoing::AsItIs) };
    let withheld = |cause| Ok(Outgoing::Withheld { name: bound.logged(), cause });
    let sealed_for = match binder.sealed_for(client) {
        Ok(sealed_for) => sealed_for,
        Err(cause) => return withheld(Withheld::Policy(cause)),
    };
    let (pair, attributes) = split(line);
    let (Some(value), true) = (split_pair(pair).1, bound.is_written) else {
        return withheld(Withheld::Malformed);
    };
    let (name, value) = (bound.name, value.trim_ascii());
    if !name.iter().all(|byte| crate::headers::is_token(*byte) || b"[]".contains(byte)) || has_control(value)
    {
        return withheld(Withheld::Malformed);
    }
    if hidden::is_in_value(binder.names, name, value) {
        return withheld(Withheld::Ambiguous);
    }
    let (form, size) = form(binder.encrypt, name.len(), value.len());
    let secure: &[u8] = if is_secure(attributes) { b"" } else { b"; Secure" };
    let length = name.len() + 1 + form.length(value.len()) + attributes.len() + secure.len();
    let mut line = Vec::with_capacity(length);
    line.extend(name);
    line.push(b'=');
    seal(binder.keyring, form, name, value, sealed_for, &mut line)?;
    line.extend(attributes);
    line.extend(secure);
    Ok(Outgoing::Sealed { line, size })
}

fn has_control(value: &[u8]) -> bool {
    // There is no early exit: the compiler then takes many bytes at once.
    let is_control = |byte: u8| u8::from(byte < b' ') & u8::from(byte != b'\t') | u8::from(byte == 0x7f);
    value.iter().fold(0, |found, byte| found | is_control(*byte)) != 0
}

/// How to seal a value. One that is to be encrypted is left readable if browsers keep it only then.
fn form(encrypt: bool, name: usize, value: usize) -> (Form, Size) {
    let size = |form: Form| name + form.length(value);
    let is_kept = |form: Form| size(form) <= BROWSERS_KEEP;
    let form = match encrypt {
        true if is_kept(Form::Encrypted) || !is_kept(Form::Readable) => Form::Encrypted,
        _ => Form::Readable,
    };
    let size = match form {
        _ if name + value > BROWSERS_KEEP => Size::Kept,
        Form::Readable if encrypt => Size::KeptReadable(size(Form::Encrypted)),
        form if is_kept(form) => Size::Kept,
        form => Size::TooLong(size(form)),
    };
    (form, size)
}

/// `name=value`, and the attributes with the semicolon before them.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b';', line).unwrap_or(line.len());
    line.split_at_checked(end).unwrap_or((line, b""))
}

fn split_pair(pair: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', pair) {
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
pub enum Personal {
    /// It sets a bound cookie.
    SetsCookie,
    /// It answers a request that had one.
    HadCookie,
    /// What it says depends on the request's Token Binding.
    Asked,
}

/// Whether `private` must be added to a response with these `Cache-Control` values.
///
/// A response that sets a bound cookie is no other client's business, whatever the application says. One to a request with
/// a bound cookie, or one that a Token Binding opened, is treated as RFC 9111 section 3.5 treats one to a request with
/// `Authorization`: shared caches may keep it only if the response says so itself.
pub fn needs_private<'v>(values: impl IntoIterator<Item = &'v [u8]>, personal: Personal) -> bool {
    let is_kept_from_others = |directive: &[u8]| {
        let directive = directive.trim_ascii();
        let is = |word: &[u8]| directive.eq_ignore_ascii_case(word);
        let allows_sharing =
            || is(b"public") || split_pair(directive).0.trim_ascii().eq_ignore_ascii_case(b"s-maxage");
        is(b"private") || is(b"no-store") || (personal != Personal::SetsCookie && allows_sharing())
    };
    !values.into_iter().flat_map(|value| value.split(|byte| *byte == b',')).any(is_kept_from_others)
}

#[cfg(test)]
mod tests {
    use super::super::seal::{Sealed, SealedFor};
    use super::super::settings::{CookiePolicy, CookieSettings};
    use super::super::testing::{keyring, settings};
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
        let Outgoing::Sealed { line, size: Size::Kept } = rewritten(settings, ALICE, line) else {
            panic!("{line} was not sealed")
        };
        let (pair, attributes) = split(&line);
        let sealed = pair.strip_prefix(format!("{name}=").as_bytes()).unwrap();
        let (sealed, rest) = Sealed::read(sealed).unwrap();
        assert!(rest.is_empty());
        let value = sealed.open(&keyring(), name.as_bytes(), SealedFor::Key(b"alice")).unwrap();
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
        let withheld =
            |cause| Outgoing::Withheld { name: Some(b"sid".to_vec()), cause: Withheld::Policy(cause) };
        let required = settings(&["sid"], CookiePolicy::Required);
        assert_eq!(rewritten(&required, Client::Unbound, "sid=v"), withheld(NoSealFor::Unbound));
        assert_eq!(rewritten(&bound(&["sid"]), Client::Unknown, "sid=v"), withheld(NoSealFor::Unknown));
        assert_eq!(rewritten(&required, Client::Unbound, "a=v"), Outgoing::AsItIs);
    }

    /// `sid` and 4,093 bytes are what browsers keep.
    #[test]
    fn a_value_is_encrypted_unless_only_that_makes_it_too_long() {
        let (readable, encrypted) =
            (19 + 22 + 1 + 4 + 1, |length: usize| 3 + 19 + (4 * (length + 40)).div_ceil(3));
        for (length, form, size) in [
            (3015, b'e', Size::Kept),
            (3016, b'm', Size::KeptReadable(encrypted(3016))),
            (4093 - readable, b'm', Size::KeptReadable(encrypted(4093 - readable))),
            (4094 - readable, b'e', Size::TooLong(encrypted(4094 - readable))),
            (4093, b'e', Size::TooLong(encrypted(4093))),
            (4094, b'e', Size::Kept),
        ] {
            let line = format!("sid={}", "x".repeat(length));
            let result = rewritten(&bound(&["sid"]), ALICE, &line);
            let Outgoing::Sealed { line, size: is } = result else { panic!() };
            assert_eq!((line[8], is), (form, size), "{length}");
        }
        let short = CookieSettings { encrypt: Some(false), ..bound(&["sid"]) };
        for (length, size) in
            [(4093 - readable, Size::Kept), (4094 - readable, Size::TooLong(4097)), (4094, Size::Kept)]
        {
            let line = format!("sid={}", "x".repeat(length));
            let Outgoing::Sealed { line, size: is } = rewritten(&short, ALICE, &line) else { panic!() };
            assert_eq!((line[8], is), (b'm', size), "{length}");
        }
    }

    /// The value of a cookie without a name is not taken for its name.
    #[test]
    fn only_a_name_is_logged_as_one() {
        for line in ["value", "=value", "= value=x", " value ; Path=/"] {
            let result = rewritten(&bound(&["all"]), ALICE, line);
            assert_eq!(result, Outgoing::Withheld { name: None, cause: Withheld::Malformed }, "{line}");
        }
    }

    #[test]
    fn caches() {
        let needs = |value: &str, personal| needs_private([value.as_bytes()], personal);
        for value in ["", "max-age=60", "no-cache", "private=\"x\"", "must-revalidate, max-age=0"] {
            assert!(needs(value, Personal::SetsCookie) && needs(value, Personal::Asked), "{value}");
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
