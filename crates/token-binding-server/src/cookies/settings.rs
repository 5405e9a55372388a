//! What an administrator wrote about cookies, and what is in force of it.

use thiserror::Error;

use super::keyring::Keyring;
use super::names::CookieNames;
use super::realm::Realm;
use super::secret::{RECIPE, SecretSource};
use crate::dbsc::pending::Waiting;
use crate::dbsc::settings::{Dbsc, DbscSettings};
use crate::dbsc::tokens::ShortLived;
use crate::words::DirectiveError;

/// `TokenBindingCookiePolicy`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum CookiePolicy {
    /// Clients without Token Binding get cookies that are sealed as unbound.
    #[default]
    Optional,
    /// Clients without Token Binding get no bound cookie, and none of theirs reaches the application.
    Required,
    /// As `Optional`, and what that would keep back is told and passes, as if nobody had bound it: to try it out.
    Report,
}

/// The settings of a server or virtual host.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct CookieSettings {
    pub names: Option<CookieNames>,
    pub secrets: Option<Vec<SecretSource>>,
    pub encrypt: Option<bool>,
    pub policy: Option<CookiePolicy>,
    pub realm: Option<Realm>,
    pub dbsc: DbscSettings,
    /// Whether `names` are the main server's, and not written for this virtual host; from start-up on.
    pub is_inherited: bool,
    /// The keys of `secrets` for the realm, from start-up on.
    pub keyring: Option<Keyring>,
}

/// What is in force on a virtual host that binds cookies.
#[derive(Debug, Clone, Copy)]
pub struct Binder<'a> {
    pub names: &'a CookieNames,
    pub keyring: &'a Keyring,
    pub encrypt: bool,
    pub policy: CookiePolicy,
    /// Whether cookies are sent with `Secure`, whatever the client came over.
    pub secure: bool,
    pub dbsc: &'a DbscSettings,
}

/// Whom a request comes from, as far as cookies are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client<'a> {
    /// A client that proved this Token Binding ID.
    Bound(&'a [u8]),
    /// A client without Token Binding that has proved the key of its device.
    Device(&'a Proved),
    /// A client without either, on a virtual host with DBSC, since when.
    Waiting(&'a Waiting, Now),
    /// A client without Token Binding.
    Unbound,
    /// Not known: the request was refused, or never judged, or is the server's own (HTTP/2 push). It brings no bound cookie,
    /// and gets none.
    Unknown,
    /// A TRACE request, whose response shows the request: it must show no unsealed value.
    Trace,
}

impl<'a> Binder<'a> {
    /// Whether what would be kept back from or for this client is told, and passes. What belongs to nobody known does not: a page
    /// of a refused request, or of one that the server has made itself.
    #[inline]
    pub fn only_reports(&self, client: Client<'_>) -> bool {
        self.policy == CookiePolicy::Report && !matches!(client, Client::Unknown | Client::Trace)
    }

    /// What is in force of DBSC; `None` where it is off.
    #[inline]
    pub fn dbsc(&self) -> Option<Dbsc<'a>> {
        self.dbsc.in_force()
    }
}

/// Seconds since 1970, when the request arrived.
pub type Now = u64;

/// A client that has proved the key of its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proved {
    pub by: ShortLived,
    /// Seconds since 1970.
    pub now: Now,
}

/// Why no seal is possible for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoSealFor {
    /// `TokenBindingCookiePolicy required`, and the client has no Token Binding.
    Unbound,
    /// The same, and its pending cookie waits for a proof for too long.
    Pending,
    Unknown,
    Trace,
}

impl CookieSettings {
    pub fn merge(outer: &Self, inner: Self) -> Self {
        let Self { names, secrets, encrypt, policy, realm, dbsc, is_inherited, keyring } = inner;
        Self {
            names: names.or_else(|| outer.names.clone()),
            secrets: secrets.or_else(|| outer.secrets.clone()),
            encrypt: encrypt.or(outer.encrypt),
            policy: policy.or(outer.policy),
            realm: realm.or_else(|| outer.realm.clone()),
            dbsc: DbscSettings::merge(&outer.dbsc, dbsc),
            is_inherited,
            keyring: keyring.or_else(|| outer.keyring.clone()),
        }
    }

    /// Repeated lines of one section add up.
    pub fn add_names(&mut self, words: &[&str]) -> Result<(), DirectiveError> {
        self.names = Some(CookieNames::add(self.names.as_ref(), words)?);
        Ok(())
    }

    /// Repeated lines of one section add up.
    pub fn add_secret(&mut self, words: &[&str]) -> Result<(), DirectiveError> {
        let source = SecretSource::parse(words)?;
        self.secrets.get_or_insert_default().push(source);
        Ok(())
    }

    pub fn names(&self) -> Option<&CookieNames> {
        self.names.as_ref().filter(|names| names.binds_any())
    }

    /// The secrets to load: `None` where no cookie is bound.
    pub fn needs_secrets(&self) -> Result<Option<&[SecretSource]>, NoSecret> {
        match (self.names(), self.secrets.as_deref()) {
            (None, _) => Ok(None),
            (Some(_), Some(secrets)) => Ok(Some(secrets)),
            (Some(_), None) => Err(NoSecret),
        }
    }

    /// `Err` if cookies are bound here but there are no keys: a restart found no good secret. (A start would have ended.)
    pub fn binder(&self) -> Result<Option<Binder<'_>>, NoKeys> {
        let Some(names) = self.names() else { return Ok(None) };
        let keyring = self.keyring.as_ref().ok_or(NoKeys)?;
        let policy = self.policy.unwrap_or_default();
        // What is to pass whatever its seal says must be readable without it.
        let encrypt = self.encrypt.unwrap_or(true) && policy != CookiePolicy::Report;
        Ok(Some(Binder { names, keyring, encrypt, policy, secure: !self.is_inherited, dbsc: &self.dbsc }))
    }
}

/// Cookies are to be bound, and nobody has said where the secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("TokenBindingCookie needs a secret: TokenBindingCookieSecret file:FILE; {RECIPE}")]
pub struct NoSecret;

/// Cookies are to be bound, and there are no keys.
#[derive(Debug, PartialEq, Eq)]
pub struct NoKeys;

#[cfg(test)]
mod tests {
    use super::super::testing::settings;
    use super::*;

    #[test]
    fn the_inner_value_wins_whole_and_silence_inherits() {
        let outer = settings(&["a"], CookiePolicy::Required);
        assert_eq!(CookieSettings::merge(&outer, CookieSettings::default()), outer);
        let inner = CookieSettings { encrypt: Some(false), ..settings(&["none"], CookiePolicy::Optional) };
        assert_eq!(CookieSettings::merge(&outer, inner.clone()), inner);
        assert!(inner.binder().unwrap().is_none(), "none binds nothing");
    }

    #[test]
    fn cookies_without_a_secret_are_refused_and_nothing_needs_none() {
        let mut without = settings(&["a"], CookiePolicy::Optional);
        (without.secrets, without.keyring) = (None, None);
        assert!(without.needs_secrets().unwrap_err().to_string().contains("openssl rand -base64 48 > FILE"));
        assert_eq!(without.binder().unwrap_err(), NoKeys);
        assert_eq!(CookieSettings::default().needs_secrets(), Ok(None));
        assert!(CookieSettings::default().binder().unwrap().is_none());
    }
}
