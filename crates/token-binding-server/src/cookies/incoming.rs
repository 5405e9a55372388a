//! The request's `Cookie` header: bound cookies are unsealed or taken out, all others stay as they are.
//!
//! The header is split at `;`, as RFC 6265bis and most applications do it. Some applications also split at a comma or at
//! white space, and httpd joins the `Cookie` lines of an HTTP/1.1 request with a comma. So a bound name is looked for
//! wherever one of them would see a cookie begin: after a comma it starts a cookie of its own; anywhere else the cookie
//! that hides it is taken out whole.

pub use super::cause::Cause;
use super::hidden::{self, Hidden};
use super::names::CookieNames;
use super::rules::{self, Opened};
use super::seal::{Broken, Sealed, Whom};
use super::settings::{Binder, Client};

/// What becomes of a `Cookie` header.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Incoming {
    /// `None`: no cookie is left.
    pub header: Option<Vec<u8>>,
    /// Cookies whose seal holds.
    pub accepted: Accepted,
    pub refused: Vec<RefusedCookie>,
    /// Cookies that pass, and would not if the policy were another than [`CookiePolicy::Report`].
    ///
    /// [`CookiePolicy::Report`]: super::settings::CookiePolicy::Report
    pub reported: Vec<RefusedCookie>,
    /// Cookies to set again, sealed to the key that the client has proved.
    pub upgrades: Vec<Upgrade>,
}

/// How many cookies were accepted, by whom they were sealed for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    pub bound: u64,
    pub device: u64,
    pub pending: u64,
    pub unbound: u64,
}

impl Accepted {
    pub const fn all(self) -> u64 {
        self.bound + self.device + self.pending + self.unbound
    }

    const fn add(&mut self, whom: Whom) {
        match whom {
            Whom::Key => self.bound += 1,
            Whom::Device => self.device += 1,
            Whom::Pending => self.pending += 1,
            Whom::Unbound => self.unbound += 1,
        }
    }
}

/// A pending cookie whose client has proved a key.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    /// With the semicolon before the first.
    pub attributes: Vec<u8>,
}

/// A cookie that does not reach the application.
#[derive(Debug, PartialEq, Eq)]
pub struct RefusedCookie {
    /// `None` for a cookie without a name: what is there is its value, which must not be logged.
    pub name: Option<Vec<u8>>,
    pub cause: Cause,
}

/// Unseals what can be unsealed for this client, and leaves the rest of the bound cookies out.
pub fn rewrite(binder: Binder<'_>, client: Client<'_>, header: &[u8]) -> Incoming {
    let kept = Vec::with_capacity(header.len());
    let mut rewriting = Rewriting { binder, client, kept, has_kept: false, result: Incoming::default() };
    let mut rest = header;
    while let Some(end) = memchr::memchr(b';', rest) {
        let (piece, following) = around(rest, end);
        rewriting.piece(piece);
        rest = following;
    }
    rewriting.piece(rest);
    rewriting.finish()
}

struct Rewriting<'a> {
    binder: Binder<'a>,
    client: Client<'a>,
    /// What is left of the header. `has_kept` says whether anything is: what is kept can be an empty cookie.
    kept: Vec<u8>,
    has_kept: bool,
    result: Incoming,
}

impl Rewriting<'_> {
    /// Handles what is between two semicolons: one cookie, or several separated by commas.
    fn piece(&mut self, piece: &[u8]) {
        let mut rest = Some(piece);
        let mut is_first = true;
        while let Some(piece) = rest.take() {
            let cookie = Cookie { is_first, ..Cookie::of(piece) };
            is_first = false;
            rest = if self.is_bound(&cookie) { self.bound(&cookie) } else { self.other(piece) };
        }
    }

    fn is_bound(&self, cookie: &Cookie<'_>) -> bool {
        self.binder.names.binds(cookie.name) && !cookie.is_nothing()
    }

    /// A cookie with a bound name. Returns what follows it: perhaps another line of the request, that httpd joined to this
    /// one with a comma. A sealed value says itself where it ends, so that no byte is looked at twice.
    fn bound<'h>(&mut self, cookie: &Cookie<'h>) -> Option<&'h [u8]> {
        let (Some(value), true) = (cookie.value, cookie.is_plain) else {
            self.refuse(cookie, Cause::Seal(Broken::NoSeal), Instead::All(cookie.piece));
            return None;
        };
        let (sealed, rest) = match Sealed::read(value) {
            Some((sealed, [])) => (Some(sealed), None),
            Some((sealed, [b',', rest @ ..])) => (Some(sealed), Some(rest)),
            other => {
                let rest = other.map_or(value, |(_, rest)| rest);
                (None, line_after_comma(rest).map(|comma| around(rest, comma).1))
            }
        };
        let Some(sealed) = sealed else {
            let piece = cookie.piece.get(..cookie.piece.len() - rest.map_or(0, |rest| rest.len() + 1));
            self.refuse(cookie, Cause::Seal(Broken::NoSeal), Instead::All(piece.unwrap_or(cookie.piece)));
            return rest;
        };
        match self.open(cookie.name, sealed) {
            Ok(opened) => {
                self.result.accepted.add(sealed.whom());
                self.accept(cookie, opened);
            }
            Err(cause) => self.refuse(cookie, cause, Instead::Value(rules::unchecked(&sealed))),
        }
        rest
    }

    /// A cookie with another name. Returns what follows it.
    fn other<'h>(&mut self, piece: &'h [u8]) -> Option<&'h [u8]> {
        match hidden::find(self.binder.names, piece) {
            None => {
                self.keep(&[piece]);
                None
            }
            Some(Hidden::AfterComma(comma)) => {
                let (before, rest) = around(piece, comma);
                // `before` may be a bare name without an equals sign, which nothing has checked yet.
                match Cookie::of(before) {
                    cookie if self.is_bound(&cookie) => {
                        self.refuse(&cookie, Cause::Seal(Broken::NoSeal), Instead::All(before));
                    }
                    _ => self.keep(&[before]),
                }
                Some(rest)
            }
            Some(Hidden::Elsewhere(name)) => {
                let name = name.iter().all(is_in_names).then(|| name.to_vec());
                let hidden = RefusedCookie { name, cause: Cause::Hidden };
                if self.binder.only_reports(self.client) {
                    self.keep(&[piece]);
                    self.result.reported.push(hidden);
                } else {
                    self.result.refused.push(hidden);
                }
                None
            }
        }
    }

    fn open(&self, name: &[u8], sealed: Sealed<'_>) -> Result<Opened, Cause> {
        let opened = rules::open(self.binder, self.client, name, sealed)?;
        // An attacker may have made an application set such a value.
        if hidden::is_in_value(self.binder.names, name, &opened.value) {
            return Err(Cause::Hidden);
        }
        Ok(opened)
    }

    fn accept(&mut self, cookie: &Cookie<'_>, opened: Opened) {
        let Opened { value, upgrade } = opened;
        self.keep(&[cookie.before, cookie.name, b"=", &value]);
        if let Some(attributes) = upgrade {
            let name = cookie.name.to_vec();
            self.result.upgrades.push(Upgrade { name, value, attributes });
        }
    }

    fn keep(&mut self, parts: &[&[u8]]) {
        if std::mem::replace(&mut self.has_kept, true) {
            self.kept.push(b';');
        }
        for part in parts {
            self.kept.extend(*part);
        }
    }

    /// Leaves a cookie out; or, where that is only reported, passes what there is in its place.
    fn refuse(&mut self, cookie: &Cookie<'_>, cause: Cause, instead: Instead<'_>) {
        let name = cookie.is_named(self.binder.names).then(|| cookie.name.to_vec());
        let refused = RefusedCookie { name, cause };
        match instead {
            _ if !self.binder.only_reports(self.client) => return self.result.refused.push(refused),
            Instead::All(piece) => self.keep(&[piece]),
            Instead::Value(Some(value)) => self.keep(&[cookie.before, cookie.name, b"=", value]),
            // Nobody can read it any more.
            Instead::Value(None) => return self.result.refused.push(refused),
        }
        self.result.reported.push(refused);
    }

    fn finish(self) -> Incoming {
        let Self { kept: mut header, mut result, .. } = self;
        // A cookie that has become the first has no white space before it.
        if !result.refused.is_empty() {
            let start = header.len() - header.trim_ascii_start().len();
            header.drain(..start);
        }
        if header.iter().any(|byte| *byte != b';' && !byte.is_ascii_whitespace()) {
            result.header = Some(header);
        }
        result
    }
}

/// What passes in the place of a cookie that is only reported.
enum Instead<'h> {
    /// The piece of the header as it came.
    All(&'h [u8]),
    /// The value in its seal, if it can be read.
    Value(Option<&'h [u8]>),
}

/// A cookie as it stands between semicolons.
struct Cookie<'h> {
    /// All of it.
    piece: &'h [u8],
    before: &'h [u8],
    name: &'h [u8],
    value: Option<&'h [u8]>,
    /// Whether there is nothing but white space before the name.
    is_plain: bool,
    /// Whether it begins where a cookie must begin, and not behind a comma, which may be a value's.
    is_first: bool,
}

impl<'h> Cookie<'h> {
    fn of(piece: &'h [u8]) -> Self {
        // Some applications read `=name=value` as a cookie without a name, some as this name.
        let is_before = |byte: &u8| *byte == b'=' || byte.is_ascii_whitespace();
        let start = piece.iter().position(|byte| !is_before(byte)).unwrap_or(piece.len());
        let (before, rest) = piece.split_at_checked(start).unwrap_or((piece, b""));
        let is_plain = !before.contains(&b'=');
        match memchr::memchr(b'=', rest) {
            Some(equals) => {
                let (name, value) = around(rest, equals);
                Self { piece, before, name, value: Some(value), is_plain, is_first: true }
            }
            None => Self { piece, before, name: rest, value: None, is_plain, is_first: true },
        }
    }

    /// Whether what stands before the equals sign is the cookie's name, and nothing else. A browser sends a cookie without a
    /// name as its bare value, which can have an equals sign in it, most likely as base64's padding, and httpd joins it with
    /// a comma to a cookie of the next line.
    fn is_named(&self, names: &CookieNames) -> bool {
        let is_padding = |value: &[u8]| value.iter().all(|byte| *byte == b'=');
        let Some(value) = self.value else { return false };
        self.is_plain
            && (self.is_first || !names.are_open() || Sealed::read(value).is_some())
            && self.name.trim_ascii().iter().all(is_in_names)
            && !(matches!(names, CookieNames::All) && is_padding(value))
    }

    /// Only white space, as between two semicolons.
    fn is_nothing(&self) -> bool {
        self.name.is_empty() && self.value.is_none() && self.is_plain
    }
}

/// The first comma in a value that `name=` follows.
fn line_after_comma(value: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b',', value).find(|comma| {
        let rest = around(value, *comma).1.trim_ascii_start();
        let name = rest.iter().take_while(|byte| crate::headers::is_token(**byte)).count();
        name > 0 && rest.get(name) == Some(&b'=')
    })
}

impl Incoming {
    /// How many cookies would have reached the application with the proof of a device's key.
    pub fn kept_back(&self) -> usize {
        let wants_proof = |cookie: &&RefusedCookie| cookie.cause.wants_proof();
        self.refused.iter().filter(wants_proof).count()
    }
}

/// Whether names of cookies have this character: a token's, and PHP's brackets.
fn is_in_names(byte: &u8) -> bool {
    crate::headers::is_token(*byte) || b"[]".contains(byte)
}

/// What is before the byte at `at`, and what is after it.
fn around(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    (bytes.get(..at).unwrap_or(bytes), bytes.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests;
