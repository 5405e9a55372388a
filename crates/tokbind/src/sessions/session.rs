//! What a client keeps of a session, and which requests it covers.

use ::dbsc::instructions::{Credential, RuleType, Scope, Session as Instructed};
use ::dbsc::sign::openssl::SigningKey;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::keys::registered_domain;

/// A session that a server has started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BoundSession {
    /// The server's name for it.
    pub(crate) identifier: String,
    /// PKCS#8 in PEM.
    key: String,
    /// Where it was registered: what a relative scope is relative to.
    origin: Url,
    pub(crate) refresh_url: Url,
    scope: Scope,
    credentials: Vec<Credential>,
    /// The server's latest challenge.
    #[serde(default)]
    pub(crate) challenge: Option<String>,
}

/// Why a server's instructions are not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstructionsError {
    /// There is no JSON of instructions in the answer.
    #[error("the answer is not the JSON of a session's instructions: {0}")]
    Json(String),
    /// The server ended the session when it should have begun.
    #[error("the server does not go on with the session")]
    Ended,
    /// The session has no name, or one that is not the session's.
    #[error("the session's identifier is empty, or not the one that was asked for")]
    Identifier,
    /// A URL is none, not `https`, or of another site.
    #[error("the {what} is not an https URL of the site {site}")]
    Url {
        /// What should have been such a URL.
        what: &'static str,
        /// The registered domain.
        site: String,
    },
    /// It names no cookie.
    #[error("the session has no credentials")]
    NoCredentials,
    /// A subdomain starts a session of the whole site, and the site does not say that it may.
    #[error("{origin} is not among the registering_origins of {site}")]
    NotRegistering {
        /// Who registers.
        origin: String,
        /// The registered domain.
        site: String,
    },
    /// The key can't be kept or made.
    #[error("the session's key: {0}")]
    Key(#[from] ::dbsc::SignError),
}

/// The registered domain of a URL's host.
pub(crate) fn site(url: &Url) -> String {
    registered_domain(url.host_str().unwrap_or_default())
}

impl BoundSession {
    /// The session that a registration at `at` has started, if its instructions are sound.
    pub(crate) fn new(at: &Url, key: &SigningKey, instructed: Instructed) -> Result<Self, InstructionsError> {
        let key = key.to_pkcs8_pem()?.to_string();
        let mut session = BoundSession {
            identifier: instructed.session_identifier.clone(),
            key,
            origin: at.clone(),
            refresh_url: at.clone(),
            scope: Scope::origin(),
            credentials: Vec::new(),
            challenge: None,
        };
        session.update(at, instructed)?;
        Ok(session)
    }

    /// Takes what a later answer says of it.
    pub(crate) fn update(&mut self, at: &Url, instructed: Instructed) -> Result<(), InstructionsError> {
        if instructed.session_identifier.is_empty() || instructed.session_identifier != self.identifier {
            return Err(InstructionsError::Identifier);
        }
        if instructed.credentials.is_empty() {
            return Err(InstructionsError::NoCredentials);
        }
        let refresh_url = match &instructed.refresh_url {
            Some(url) => of_site(at, url, "refresh URL")?,
            None => at.clone(),
        };
        if let Some(origin) = &instructed.scope.origin {
            of_site(at, origin, "origin of the scope")?;
        }
        self.refresh_url = refresh_url;
        self.scope = instructed.scope;
        self.credentials = instructed.credentials;
        Ok(())
    }

    pub(crate) fn key(&self) -> Result<SigningKey, ::dbsc::SignError> {
        SigningKey::from_pkcs8_pem(&self.key)
    }

    pub(crate) fn site(&self) -> String {
        site(&self.refresh_url)
    }

    /// Whether it is for the whole site, and registered by a host that is not the site's own name.
    pub(crate) fn needs_permission(&self) -> bool {
        self.scope.include_site && self.origin.host_str() != Some(self.site().as_str())
    }

    pub(crate) fn registered_at(&self) -> &Url {
        &self.origin
    }

    /// The names of the cookies that it keeps fresh.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = &str> {
        self.credentials.iter().filter_map(|credential| match credential {
            Credential::Cookie { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether a request to this URL is in the session ("Identify session in scope" of the draft).
    pub(crate) fn covers(&self, url: &Url) -> bool {
        let origin = match &self.scope.origin {
            Some(origin) => self.origin.join(origin).unwrap_or_else(|_| self.origin.clone()),
            None => self.origin.clone(),
        };
        let is_in_reach = if self.scope.include_site {
            url.scheme() == "https" && site(url) == self.site()
        } else {
            url.origin() == origin.origin()
        };
        let is_refresh = url.origin() == self.refresh_url.origin() && url.path() == self.refresh_url.path();
        if !is_in_reach || is_refresh {
            return false;
        }
        let fits = |rule: &&::dbsc::instructions::ScopeRule| {
            let host = url.host_str().unwrap_or_default();
            let fits_host = match rule.domain.as_deref() {
                None | Some("*") => true,
                Some(domain) => match domain.strip_prefix("*.") {
                    Some(parent) => host.strip_suffix(parent).is_some_and(|above| above.ends_with('.')),
                    None => host == domain,
                },
            };
            fits_host && rule.path.as_deref().is_none_or(|path| is_below(url.path(), path))
        };
        let last = self.scope.scope_specification.iter().rev().find(fits);
        last.is_none_or(|rule| rule.rule_type == RuleType::Include)
    }
}

/// Whether the path is this one, or begins with it as far as a slash.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

/// The URL, relative to that of the answer which names it, if it is `https` and of the same site.
pub(crate) fn of_site(at: &Url, url: &str, what: &'static str) -> Result<Url, InstructionsError> {
    match at.join(url) {
        Ok(url) if url.scheme() == "https" && site(&url) == site(at) => Ok(url),
        _ => Err(InstructionsError::Url { what, site: site(at) }),
    }
}

#[cfg(test)]
mod tests {
    use ::dbsc::Algorithm;
    use ::dbsc::instructions::ScopeRule;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn session(scope: Scope, refresh: &str) -> Result<BoundSession, InstructionsError> {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let cookie = Credential::cookie("c", "Path=/");
        let instructed = Instructed::new("s", scope, vec![cookie]).with_refresh_url(refresh);
        BoundSession::new(&url("https://www.example.com/register"), &key, instructed)
    }

    #[test]
    fn what_it_covers() {
        let mut scope = Scope::origin();
        scope.scope_specification = vec![
            ScopeRule::new(RuleType::Exclude, "*", "/static"),
            ScopeRule::new(RuleType::Include, "www.example.com", "/static/secret"),
        ];
        let of_origin = session(scope, "/refresh").unwrap();
        let of_site = session(Scope::site("https://example.com"), "/refresh").unwrap();
        for (to, origin, site) in [
            ("https://www.example.com/", true, true),
            ("https://www.example.com/refresh", false, false),
            ("https://www.example.com/static", false, true),
            ("https://www.example.com/statics", true, true),
            ("https://www.example.com/static/secret/1", true, true),
            ("https://other.example.com/", false, true),
            ("https://example.org/", false, false),
            ("http://www.example.com/", false, false),
        ] {
            assert_eq!((of_origin.covers(&url(to)), of_site.covers(&url(to))), (origin, site), "{to}");
        }
        assert!(of_site.needs_permission() && !of_origin.needs_permission());
    }

    #[test]
    fn instructions_that_are_not_followed() {
        for refresh in ["http://www.example.com/r", "https://example.org/r", "https://"] {
            let error = session(Scope::origin(), refresh).unwrap_err();
            assert!(matches!(error, InstructionsError::Url { .. }), "{refresh}: {error}");
        }
        assert!(session(Scope::site("https://example.org"), "/r").is_err());
        let mut session = session(Scope::origin(), "https://id.example.com/r").unwrap();
        let other = Instructed::new("t", Scope::origin(), vec![Credential::cookie("c", "")]);
        let at = url("https://www.example.com/");
        assert_eq!(session.update(&at, other), Err(InstructionsError::Identifier));
        let nothing = Instructed::new("s", Scope::origin(), vec![]);
        assert_eq!(session.update(&at, nothing), Err(InstructionsError::NoCredentials));
    }
}
