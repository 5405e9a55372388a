//! What an administrator wrote about DBSC (`TokenBindingDBSC...`), and what is in force of it.

use ::dbsc::Algorithm;
use ::dbsc::headers::RegistrationOffer;
use ::dbsc::instructions::{Credential, Instructions, Scope, Session};

use crate::words::{DirectiveError, one};

/// The names of the short-lived cookie: of a host's session, and of a site's.
pub const HOST_COOKIE: &str = "__Host-tb-dbsc";
pub const SITE_COOKIE: &str = "__Secure-tb-dbsc";
/// The names of the cookie that says which registration is a browser's newest. A session ends by it: no other host must be able to
/// set one, but those that share it.
pub const HOST_NEWEST_COOKIE: &str = "__Host-tb-dbsc-newest";
pub const SITE_NEWEST_COOKIE: &str = "__Secure-tb-dbsc-newest";

/// How long browsers keep a session: 400 days, in seconds.
const LONG: u64 = 34_560_000;

const DEFAULT_PATH: &str = "/.well-known/token-binding-dbsc/";
/// Seconds.
const DEFAULT_LIFETIME: u64 = 600;
const LIFETIMES: std::ops::RangeInclusive<u64> = 10..=86_400;
/// The draft's, for sessions of a whole site.
const WELL_KNOWN: &str = "/.well-known/device-bound-sessions";

/// The settings of a server or virtual host.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct DbscSettings {
    pub enabled: Option<bool>,
    pub path: Option<Box<str>>,
    /// Seconds.
    pub lifetime: Option<u64>,
    pub initiators: Option<Initiators>,
    pub site: Option<Site>,
    /// The origins of the virtual hosts that have this site, from start-up on.
    pub origins: Vec<String>,
}

/// `TokenBindingDBSCInitiators`: the sites whose links may refresh a session first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Initiators {
    All,
    None,
    Hosts(Vec<String>),
}

/// `TokenBindingDBSCSite`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// Each host has sessions of its own.
    None,
    /// One session for the domain and all below it.
    Domain(Box<str>),
}

/// What is in force on a virtual host with DBSC.
#[derive(Debug, Clone, Copy)]
pub struct Dbsc<'a> {
    path: &'a str,
    /// Seconds.
    pub lifetime: u64,
    initiators: &'a Initiators,
    pub site: Option<&'a str>,
    pub origins: &'a [String],
}

/// What this module answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Register,
    Refresh,
    /// `/.well-known/device-bound-sessions`: which hosts may register sessions of their whole site.
    WellKnown,
}

impl DbscSettings {
    pub fn merge(outer: &Self, inner: Self) -> Self {
        let Self { enabled, path, lifetime, initiators, site, origins } = inner;
        Self {
            enabled: enabled.or(outer.enabled),
            path: path.or_else(|| outer.path.clone()),
            lifetime: lifetime.or(outer.lifetime),
            initiators: initiators.or_else(|| outer.initiators.clone()),
            site: site.or_else(|| outer.site.clone()),
            origins,
        }
    }

    #[inline]
    pub fn is_on(&self) -> bool {
        self.enabled == Some(true)
    }

    /// `None` where it is off.
    pub fn in_force(&self) -> Option<Dbsc<'_>> {
        if !self.is_on() {
            return None;
        }
        Some(Dbsc {
            path: self.path.as_deref().unwrap_or(DEFAULT_PATH),
            lifetime: self.lifetime.unwrap_or(DEFAULT_LIFETIME),
            initiators: self.initiators.as_ref().unwrap_or(&Initiators::All),
            site: self.site(),
            origins: &self.origins,
        })
    }

    /// The domain whose hosts share their sessions, if there is one.
    pub fn site(&self) -> Option<&str> {
        match &self.site {
            Some(Site::Domain(domain)) => Some(domain),
            Some(Site::None) | None => None,
        }
    }

    /// Repeated lines of one section add up.
    pub fn add_initiators(&mut self, words: &[&str]) -> Result<(), DirectiveError> {
        const ALLOWED: &str = "*, none, or one or more hosts such as www.example.com or *.example.com";
        let is_alone = |word: &str| word == "*" || word.eq_ignore_ascii_case("none");
        match (words, &mut self.initiators) {
            ([], _) => return Err(DirectiveError::missing(ALLOWED)),
            ([word], initiators) if is_alone(word) => {
                if initiators.is_some() {
                    return Err(DirectiveError::not_alone(word, ALLOWED));
                }
                *initiators = Some(if *word == "*" { Initiators::All } else { Initiators::None });
                return Ok(());
            }
            (_, Some(Initiators::All)) => return Err(DirectiveError::not_alone("*", ALLOWED)),
            (_, Some(Initiators::None)) => return Err(DirectiveError::not_alone("none", ALLOWED)),
            (_, Some(Initiators::Hosts(_)) | None) => {}
        }
        let mut hosts = match self.initiators.take() {
            Some(Initiators::Hosts(hosts)) => hosts,
            _ => Vec::new(),
        };
        for word in words {
            if is_alone(word) {
                return Err(DirectiveError::not_alone(word, ALLOWED));
            }
            if !is_host(word.strip_prefix("*.").unwrap_or(word)) {
                return Err(DirectiveError::invalid(word, ALLOWED));
            }
            hosts.push(word.to_ascii_lowercase());
        }
        self.initiators = Some(Initiators::Hosts(hosts));
        Ok(())
    }
}

/// The words of `TokenBindingDBSCPath`.
pub fn path(words: &[&str]) -> Result<Box<str>, DirectiveError> {
    const ALLOWED: &str =
        "a path that begins and ends with /, of letters, digits, \"-\", \"_\", \".\", \"~\"";
    let word = one(words, ALLOWED)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let segments = word.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    match segments {
        Some(segments) if segments.split('/').all(is_segment) => Ok(word.into()),
        _ => Err(DirectiveError::invalid(word, ALLOWED)),
    }
}

/// The words of `TokenBindingDBSCLifetime`: seconds.
pub fn lifetime(words: &[&str]) -> Result<u64, DirectiveError> {
    const ALLOWED: &str = "a number of seconds from 10 to 86400";
    let word = one(words, ALLOWED)?;
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    match word.parse() {
        Ok(seconds) if is_number && LIFETIMES.contains(&seconds) => Ok(seconds),
        _ => Err(DirectiveError::invalid(word, ALLOWED)),
    }
}

/// The words of `TokenBindingDBSCSite`.
pub fn site(words: &[&str]) -> Result<Site, DirectiveError> {
    const ALLOWED: &str = "none, or a domain such as example.com";
    let word = one(words, ALLOWED)?;
    if word.eq_ignore_ascii_case("none") {
        return Ok(Site::None);
    }
    if !is_host(word) || !word.contains('.') {
        return Err(DirectiveError::invalid(word, ALLOWED));
    }
    Ok(Site::Domain(word.to_ascii_lowercase().into()))
}

/// Whether the host is the domain, or below it.
pub fn is_within(host: &[u8], domain: &str) -> bool {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    let Some((above, end)) = host.split_at_checked(start) else { return false };
    end.eq_ignore_ascii_case(domain.as_bytes()) && (above.is_empty() || above.ends_with(b"."))
}

/// Letters, digits and hyphens, separated by dots (RFC 1123 s2.1).
fn is_host(word: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    word.len() <= 253 && word.split('.').all(is_label)
}

impl Dbsc<'_> {
    /// The endpoint at a path, if one is there.
    pub fn endpoint(&self, path: &[u8]) -> Option<Endpoint> {
        if self.site.is_some() && path == WELL_KNOWN.as_bytes() {
            return Some(Endpoint::WellKnown);
        }
        match path.strip_prefix(self.path.as_bytes())? {
            b"register" => Some(Endpoint::Register),
            b"refresh" => Some(Endpoint::Refresh),
            _ => None,
        }
    }

    /// The short-lived cookie's name.
    pub const fn cookie_name(&self) -> &'static str {
        if self.site.is_some() { SITE_COOKIE } else { HOST_COOKIE }
    }

    /// Its attributes, but for how long it lives. With `SameSite=Lax`, a form that another site posts (a login's `form_post`)
    /// would come without it, though with the session's cookies.
    pub(super) fn cookie_attributes(&self) -> String {
        let domain = self.site.map(|site| format!("; Domain={site}")).unwrap_or_default();
        format!("Path=/{domain}; Secure; HttpOnly; SameSite=None")
    }

    /// The name of the cookie that says which registration is a browser's newest.
    pub const fn newest_name(&self) -> &'static str {
        if self.site.is_some() { SITE_NEWEST_COOKIE } else { HOST_NEWEST_COOKIE }
    }

    /// The line that sets it.
    pub(super) fn newest(&self, value: &str) -> String {
        let (name, attributes) = (self.newest_name(), self.cookie_attributes());
        format!("{name}={value}; Max-Age={LONG}; {attributes}")
    }

    /// The value of `Secure-Session-Registration`.
    pub fn offer(&self, challenge: &str) -> Option<String> {
        let algorithms = vec![Algorithm::Es256, Algorithm::Rs256];
        RegistrationOffer::new(algorithms, format!("{}register", self.path), challenge).to_header().ok()
    }

    /// What the browser is told of its session.
    pub(super) fn instructions(&self, identifier: &str) -> String {
        let scope = self.site.map_or_else(Scope::origin, |site| Scope::site(format!("https://{site}")));
        let cookie = Credential::cookie(self.cookie_name(), self.cookie_attributes());
        let session =
            Session::new(identifier, scope, vec![cookie]).with_refresh_url(format!("{}refresh", self.path));
        let session = match self.initiators {
            Initiators::None => session,
            Initiators::All => session.with_allowed_refresh_initiators(vec!["*".to_owned()]),
            Initiators::Hosts(hosts) => session.with_allowed_refresh_initiators(hosts.clone()),
        };
        Instructions::Continue(session).to_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_unless_it_is_on() {
        assert!(DbscSettings::default().in_force().is_none());
        let on = DbscSettings { enabled: Some(true), ..DbscSettings::default() };
        let dbsc = on.in_force().unwrap();
        assert_eq!((dbsc.lifetime, dbsc.cookie_name()), (600, "__Host-tb-dbsc"));
        assert_eq!(dbsc.endpoint(b"/.well-known/token-binding-dbsc/register"), Some(Endpoint::Register));
        assert_eq!(dbsc.endpoint(b"/.well-known/token-binding-dbsc/refresh"), Some(Endpoint::Refresh));
        for path in
            [&b"/.well-known/token-binding-dbsc/"[..], b"/register", b"/.well-known/device-bound-sessions"]
        {
            assert_eq!(dbsc.endpoint(path), None);
        }
        let off = DbscSettings { enabled: Some(false), ..DbscSettings::default() };
        assert!(DbscSettings::merge(&on, off).in_force().is_none());
        assert_eq!(DbscSettings::merge(&on, DbscSettings::default()), on);
    }

    #[test]
    fn paths() {
        for good in ["/a/", "/.well-known/x/", "/a/b~c/"] {
            assert_eq!(path(&[good]).as_deref(), Ok(good));
        }
        for bad in ["", "/", "a/", "/a", "//", "/a//b/", "/../", "/./", "/a b/", "/a?/", "/%41/", "/\u{e9}/"]
        {
            assert!(path(&[bad]).unwrap_err().to_string().contains("begins and ends with /"), "{bad}");
        }
    }

    #[test]
    fn lifetimes() {
        assert_eq!((lifetime(&["10"]), lifetime(&["86400"])), (Ok(10), Ok(86_400)));
        for bad in ["9", "86401", "-10", "+10", "10s", "", "99999999999999999999999"] {
            assert!(lifetime(&[bad]).unwrap_err().to_string().contains("from 10 to 86400"), "{bad}");
        }
    }

    #[test]
    fn sites() {
        assert_eq!(site(&["None"]), Ok(Site::None));
        assert_eq!(site(&["Example.com"]), Ok(Site::Domain("example.com".into())));
        for bad in
            ["com", ".example.com", "example..com", "*.example.com", "https://example.com", "a_b.test", ""]
        {
            assert!(site(&[bad]).is_err(), "{bad}");
        }
        assert!(is_within(b"example.com", "example.com") && is_within(b"A.Example.com.", "example.com"));
        assert!(!is_within(b"badexample.com", "example.com") && !is_within(b"com", "example.com"));
    }

    #[test]
    fn initiators() {
        let add = |lines: &[&[&str]]| {
            let mut settings = DbscSettings::default();
            lines.iter().try_for_each(|words| settings.add_initiators(words)).map(|()| settings.initiators)
        };
        assert_eq!(add(&[&["*"]]), Ok(Some(Initiators::All)));
        assert_eq!(add(&[&["None"]]), Ok(Some(Initiators::None)));
        let hosts = Initiators::Hosts(vec!["a.test".into(), "*.b.test".into()]);
        assert_eq!(add(&[&["A.test"], &["*.b.test"]]), Ok(Some(hosts)));
        for bad in [
            &[&["*", "a.test"][..]][..],
            &[&["a.test", "none"]],
            &[&["*"], &["a.test"]],
            &[&["a.test"], &["*"]],
            &[&["a*.test"]],
            &[&["https://a.test"]],
            &[&[]],
        ] {
            assert!(add(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_site_has_its_domains_cookie_and_scope() {
        let settings = DbscSettings {
            enabled: Some(true),
            site: Some(Site::Domain("example.com".into())),
            initiators: Some(Initiators::None),
            ..DbscSettings::default()
        };
        let dbsc = settings.in_force().unwrap();
        assert_eq!(dbsc.cookie_attributes(), "Path=/; Domain=example.com; Secure; HttpOnly; SameSite=None");
        assert_eq!(
            dbsc.instructions("S"),
            r#"{"session_identifier":"S","refresh_url":"/.well-known/token-binding-dbsc/refresh","scope":{"origin":"https://example.com","include_site":true,"scope_specification":[]},"credentials":[{"type":"cookie","name":"__Secure-tb-dbsc","attributes":"Path=/; Domain=example.com; Secure; HttpOnly; SameSite=None"}]}"#
        );
        assert_eq!(dbsc.endpoint(b"/.well-known/device-bound-sessions"), Some(Endpoint::WellKnown));
    }
}
