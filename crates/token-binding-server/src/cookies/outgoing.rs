//! The response's `Set-Cookie` lines: the values of bound cookies are sealed, `Secure` is added, the other attributes stay
//! as they are. And what caches are told of a response that is one client's own.

use std::fmt;
use std::time::SystemTime;

use super::hidden;
use super::incoming::Upgrade;
use super::seal::{Form, NotSealed, SealedFor, seal};
use super::settings::{Binder, Client, CookiePolicy, NoSealFor, Proved};
use crate::dbsc::device::is_own;
use crate::dbsc::pending::{Waiting, max_age};

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
    /// The client gets it as the application set it, and would not if the policy were another than [`CookiePolicy::Report`].
    Reported {
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
    /// It has the name of this module's own cookie.
    Reserved,
    /// Sealed, it is longer than what browsers keep. (Said of a cookie that is only reported.)
    TooLong,
    /// A restart found no good secret.
    NoKeys,
    /// It could not be sealed.
    Fault,
}

/// The words for the log.
impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy(NoSealFor::Unbound | NoSealFor::Pending) => {
                "the client has no Token Binding, and TokenBindingCookiePolicy is required"
            }
            Self::Policy(NoSealFor::Unknown) => "the request's Token Binding is not known",
            Self::Policy(NoSealFor::Trace) => "it answers a TRACE request",
            Self::Malformed => "it is not of the form name=value",
            Self::Ambiguous => "another bound cookie is hidden in its value",
            Self::Late => {
                "it comes from a cache, or from a filter after mod_headers: it could be another client's"
            }
            Self::Reserved => "the name is this module's own",
            Self::TooLong => {
                "browsers keep 4096 bytes of name and value, and would drop it when it is sealed"
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
    (binder.names.binds(name) || is_reserved(binder, name)).then_some(BoundName { name, is_written })
}

/// Whether the name is that of a cookie which only this module sets.
#[inline]
fn is_reserved(binder: Binder<'_>, name: &[u8]) -> bool {
    binder.dbsc.is_on() && is_own(name)
}

/// What becomes of a bound cookie that can't be sealed for this client.
pub fn withheld(binder: Binder<'_>, client: Client<'_>, bound: BoundName<'_>, cause: Withheld) -> Outgoing {
    let name = bound.logged();
    match cause {
        Withheld::Malformed | Withheld::Ambiguous | Withheld::Late
            if binder.only_reports(client) && !is_reserved(binder, bound.name) =>
        {
            Outgoing::Reported { name, cause }
        }
        _ => Outgoing::Withheld { name, cause },
    }
}

/// Seals the value of a `Set-Cookie` line for this client, if its cookie is a bound one.
pub fn rewrite(binder: Binder<'_>, client: Client<'_>, line: &[u8]) -> Result<Outgoing, NotSealed> {
    let Some(bound) = bound_name(binder, line) else { return Ok(Outgoing::AsItIs) };
    let withheld = |cause| Ok(withheld(binder, client, bound, cause));
    if is_reserved(binder, bound.name) {
        return withheld(Withheld::Reserved);
    }
    let (pair, attributes) = split(line);
    let sealing = match Sealing::of(binder, client) {
        Ok(sealing) => sealing,
        Err(cause) => return withheld(Withheld::Policy(cause)),
    };
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
    let secure: &[u8] = if !binder.secure || is_secure(attributes) { b"" } else { b"; Secure" };
    match sealing {
        Sealing::For(sealed_for) => sealed(binder, sealed_for, name, value, [attributes, secure]),
        Sealing::Waiting(_) if is_removal(value, attributes) => {
            sealed(binder, SealedFor::Unbound, name, value, [attributes, secure])
        }
        Sealing::Waiting(waiting) => {
            let content = waiting.cookie(value, [attributes, secure].concat())?.to_content()?;
            sealed(binder, SealedFor::Pending, name, &content, [attributes, secure])
        }
    }
}

/// The line that sets a pending cookie again, sealed to the key that the client has proved.
pub fn upgrade(binder: Binder<'_>, proved: &Proved, upgrade: &Upgrade) -> Result<Outgoing, NotSealed> {
    let Upgrade { name, value, attributes } = upgrade;
    let key = SealedFor::Device(proved.by.thumbprint.as_bytes());
    sealed(binder, key, name, value, [attributes, b""])
}

/// How a client's cookies are sealed.
enum Sealing<'a> {
    For(SealedFor<'a>),
    /// For a key that the client may register.
    Waiting(&'a Waiting),
}

impl<'a> Sealing<'a> {
    fn of(binder: Binder<'_>, client: Client<'a>) -> Result<Self, NoSealFor> {
        match (client, binder.policy) {
            (Client::Bound(id), _) => Ok(Self::For(SealedFor::Key(id))),
            (Client::Device(proved), _) => Ok(Self::For(SealedFor::Device(proved.by.thumbprint.as_bytes()))),
            (Client::Waiting(waiting, _), _) => Ok(Self::Waiting(waiting)),
            (Client::Unbound, CookiePolicy::Optional | CookiePolicy::Report) => {
                Ok(Self::For(SealedFor::Unbound))
            }
            (Client::Unbound, CookiePolicy::Required) => Err(NoSealFor::Unbound),
            (Client::Unknown, _) => Err(NoSealFor::Unknown),
            (Client::Trace, _) => Err(NoSealFor::Trace),
        }
    }
}

/// The line of a cookie that is sealed as its length allows.
#[inline]
fn sealed(
    binder: Binder<'_>,
    sealed_for: SealedFor<'_>,
    name: &[u8],
    value: &[u8],
    [attributes, secure]: [&[u8]; 2],
) -> Result<Outgoing, NotSealed> {
    let (form, size) = form(binder.encrypt, name.len(), value.len());
    if binder.policy == CookiePolicy::Report && matches!(size, Size::TooLong(_)) {
        return Ok(Outgoing::Reported { name: Some(name.to_vec()), cause: Withheld::TooLong });
    }
    let length = name.len() + 1 + form.length(value.len()) + attributes.len() + secure.len();
    let mut line = Vec::with_capacity(length);
    line.extend(name);
    line.push(b'=');
    seal(binder.keyring, form, name, value, sealed_for, &mut line)?;
    line.extend(attributes);
    line.extend(secure);
    Ok(Outgoing::Sealed { line, size })
}

/// Whether a line takes a cookie away, which is no reason to register a key.
fn is_removal(value: &[u8], attributes: &[u8]) -> bool {
    let each = || attributes.split(|byte| *byte == b';');
    // The last one counts, and before any `Expires` (RFC 6265 s5.3).
    value.is_empty()
        || match each().filter_map(max_age).next_back() {
            Some(seconds) => seconds <= 0,
            None => each().filter_map(expires).next_back().is_some_and(|at| at < SystemTime::now()),
        }
}

/// The time of an `Expires` attribute, if it is one.
fn expires(attribute: &[u8]) -> Option<SystemTime> {
    let (name, value) = split_pair(attribute);
    let is_expires = name.trim_ascii().eq_ignore_ascii_case(b"expires");
    // Netscape's form has hyphens in the date.
    let text = std::str::from_utf8(value.filter(|_| is_expires)?.trim_ascii()).ok()?.replace('-', " ");
    httpdate::parse_http_date(&text).ok()
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
mod tests;
