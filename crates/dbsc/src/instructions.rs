//! The JSON with which a server starts, changes or ends a session (the draft's "JSON Session Instruction Format").

use serde::{Deserialize, Serialize};

/// What a server answers to a registration or a refresh, as `application/json`.
///
/// ```
/// use dbsc::instructions::{Credential, Instructions, Scope, Session};
///
/// let session = Session::new("s1", Scope::origin(), vec![Credential::cookie("__Host-bound", "Path=/; Secure; HttpOnly")])
///     .with_refresh_url("/dbsc/refresh");
/// assert_eq!(
///     Instructions::Continue(session).to_json(),
///     r#"{"session_identifier":"s1","refresh_url":"/dbsc/refresh","scope":{"include_site":false,"scope_specification":[]},"credentials":[{"type":"cookie","name":"__Host-bound","attributes":"Path=/; Secure; HttpOnly"}]}"#
/// );
/// assert_eq!(Instructions::End.to_json(), r#"{"continue":false}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub enum Instructions {
    /// The session goes on, as described.
    Continue(Session),
    /// The session ends (`"continue": false`).
    End,
}

/// What a session is: which requests it covers and which cookies it keeps fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// The session's name. In the answer to a refresh it must be the one that the refresh named.
    pub session_identifier: String,
    /// Where to refresh, relative to the request that these instructions answer. Without it, that request's own URL.
    pub refresh_url: Option<String>,
    /// Which requests the session covers.
    pub scope: Scope,
    /// The cookies that requests are held back for.
    pub credentials: Vec<Credential>,
    /// Which other sites' requests may wait for a refresh: hosts, `*.example.com`, or `*`. None of them without it.
    pub allowed_refresh_initiators: Option<Vec<String>>,
}

impl Session {
    /// A session without `refresh_url` and `allowed_refresh_initiators`.
    #[must_use]
    pub fn new(session_identifier: impl Into<String>, scope: Scope, credentials: Vec<Credential>) -> Self {
        Self {
            session_identifier: session_identifier.into(),
            refresh_url: None,
            scope,
            credentials,
            allowed_refresh_initiators: None,
        }
    }

    /// The session with a `refresh_url`.
    #[must_use]
    pub fn with_refresh_url(mut self, refresh_url: impl Into<String>) -> Self {
        self.refresh_url = Some(refresh_url.into());
        self
    }

    /// The session with `allowed_refresh_initiators`.
    #[must_use]
    pub fn with_allowed_refresh_initiators(mut self, hosts: Vec<String>) -> Self {
        self.allowed_refresh_initiators = Some(hosts);
        self
    }
}

/// Which requests a session covers ("JSON Session Scope Instruction Format").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Scope {
    /// The origin. Without it, that of the request that these instructions answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Whether the whole site is covered, not only the origin.
    pub include_site: bool,
    /// What is taken out of this or put back in. The last rule that fits decides.
    #[serde(default)]
    pub scope_specification: Vec<ScopeRule>,
}

impl Scope {
    /// The origin of the request that is answered, and nothing else.
    #[must_use]
    pub const fn origin() -> Self {
        Self { origin: None, include_site: false, scope_specification: vec![] }
    }

    /// The whole site of an origin, whose host must be the registrable domain (the draft's "Create session").
    #[must_use]
    pub fn site(origin: impl Into<String>) -> Self {
        Self { origin: Some(origin.into()), include_site: true, scope_specification: vec![] }
    }
}

/// A rule of a scope ("JSON Session Scope Rule Format").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScopeRule {
    /// What becomes of a request that fits.
    #[serde(rename = "type")]
    pub rule_type: RuleType,
    /// A host, `*.example.com`, or `*`, which is also what it means without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The beginning of a path. All paths without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl ScopeRule {
    /// A rule for a path of a domain.
    #[must_use]
    pub fn new(rule_type: RuleType, domain: impl Into<String>, path: impl Into<String>) -> Self {
        Self { rule_type, domain: Some(domain.into()), path: Some(path.into()) }
    }
}

/// What a rule does with the requests that fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleType {
    /// The session covers them.
    Include,
    /// The session does not cover them.
    Exclude,
}

/// What a session keeps fresh ("JSON Session Credentials Format").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Credential {
    /// A cookie.
    Cookie {
        /// Its name.
        name: String,
        /// Its attributes, as in `Set-Cookie`: what the browser recognises it by, without `Max-Age` and `Expires`.
        #[serde(default)]
        attributes: String,
    },
}

impl Credential {
    /// A cookie by name and attributes, as in `Path=/; Secure; HttpOnly; SameSite=None`.
    #[must_use]
    pub fn cookie(name: impl Into<String>, attributes: impl Into<String>) -> Self {
        Self::Cookie { name: name.into(), attributes: attributes.into() }
    }
}

impl Instructions {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Maps with keys that are no strings, and writers, are what serialising can fail for: there are none here.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads an answer's body, as a client does. Members that it need not know are ignored.
    ///
    /// # Errors
    /// Why it is not the JSON of instructions.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

/// The JSON as it is: what must be there depends on `continue`.
#[derive(Clone, Serialize, Deserialize)]
struct Wire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_identifier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_url: Option<String>,
    #[serde(rename = "continue", default = "yes", skip_serializing_if = "is_yes")]
    goes_on: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials: Option<Vec<Credential>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allowed_refresh_initiators: Option<Vec<String>>,
}

const fn yes() -> bool {
    true
}

const fn is_yes(goes_on: &bool) -> bool {
    *goes_on
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the member {0} is missing")]
struct Missing(&'static str);

impl TryFrom<Wire> for Instructions {
    type Error = Missing;

    fn try_from(wire: Wire) -> Result<Self, Missing> {
        if !wire.goes_on {
            return Ok(Self::End);
        }
        Ok(Self::Continue(Session {
            session_identifier: wire.session_identifier.ok_or(Missing("session_identifier"))?,
            refresh_url: wire.refresh_url,
            scope: wire.scope.ok_or(Missing("scope"))?,
            credentials: wire.credentials.ok_or(Missing("credentials"))?,
            allowed_refresh_initiators: wire.allowed_refresh_initiators,
        }))
    }
}

impl From<Instructions> for Wire {
    fn from(instructions: Instructions) -> Self {
        let nothing = Self {
            session_identifier: None,
            refresh_url: None,
            goes_on: false,
            scope: None,
            credentials: None,
            allowed_refresh_initiators: None,
        };
        match instructions {
            Instructions::End => nothing,
            Instructions::Continue(session) => Self {
                session_identifier: Some(session.session_identifier),
                refresh_url: session.refresh_url,
                goes_on: true,
                scope: Some(session.scope),
                credentials: Some(session.credentials),
                allowed_refresh_initiators: session.allowed_refresh_initiators,
            },
        }
    }
}

#[cfg(test)]
mod tests;
