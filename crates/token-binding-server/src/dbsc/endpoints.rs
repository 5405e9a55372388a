//! What is answered where a browser registers its key, and where it proves it again.
//!
//! A browser ends a session for good on most 4xx. So one is sent only for what nobody but a forger sends; whoever has no proof, or
//! one that answers an old challenge, gets 403 with a new challenge; and what can't be decided here and now is a 5xx, on which
//! the browser tries again later.

use std::fmt;

use ::dbsc::headers::{self, Challenge as ChallengeHeader};
use ::dbsc::instructions::Instructions;
use ::dbsc::{Fault, HeaderError, ProofError, UnverifiedRefresh, UnverifiedRegistration};

use super::settings::{Dbsc, Endpoint};
use super::tokens::{Challenge, Offered, Registered, Session, ShortLived, Unreadable};
use crate::cookies::envelope::NotSealed;
use crate::cookies::keyring::Keyring;
use crate::counters::Count;
use crate::outcome::{Level, tags};

/// How long the first short-lived cookie lives, in seconds: so short that the browser proves its key at once, and shorter than a
/// pending cookie is taken for.
const FIRST_LIFETIME: u64 = 30;

/// A request to an endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub is_post: bool,
    /// `Secure-Session-Response`
    pub proof: Option<&'a [u8]>,
    /// `Sec-Secure-Session-Id`
    pub session_id: Option<&'a [u8]>,
    /// The newest registration that its cookies tell of.
    pub newest: Option<Registered>,
    /// Seconds since 1970.
    pub now: u64,
}

/// The response.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or nothing.
    pub body: String,
    pub count: Option<Count>,
    /// For the error log: tag, level, words.
    pub line: Option<(&'static str, Level, String)>,
}

/// Why a request was not answered with what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    NoProof,
    NoSessionId,
    Header(HeaderError),
    Proof(ProofError),
    Identifier(Unreadable),
    Challenge(Unreadable),
    /// It answers another session's challenge.
    OtherChallenge,
    OldChallenge,
    NotSealed,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unreadable = |unreadable: &Unreadable| match unreadable {
            Unreadable::Malformed => "is none of this server's",
            Unreadable::Forged => "is changed, or was made for something else",
            Unreadable::UnknownSecret => "is sealed with a secret that is not in force here",
            Unreadable::OtherRealm => "is another virtual host's",
            Unreadable::UnknownForm => "is of another version of this module",
        };
        match self {
            Self::NoProof => write!(f, "no {} header", headers::SECURE_SESSION_RESPONSE),
            Self::NoSessionId => write!(f, "no {} header", headers::SEC_SECURE_SESSION_ID),
            Self::Header(error) => write!(f, "{error}"),
            Self::Proof(error) => write!(f, "{error}"),
            Self::Identifier(why) => write!(f, "the session identifier {}", unreadable(why)),
            Self::Challenge(why) => write!(f, "the challenge {}", unreadable(why)),
            Self::OtherChallenge => f.write_str("the challenge is another session's"),
            Self::OldChallenge => f.write_str("the challenge is too old"),
            Self::NotSealed => f.write_str("there are no random numbers to seal with"),
        }
    }
}

impl Refused {
    /// Whether nothing is known about whoever sent it.
    const fn is_undecided(self) -> bool {
        match self {
            Self::Proof(error) => matches!(error.fault(), Fault::Undecided),
            Self::Identifier(why) => {
                matches!(why, Unreadable::UnknownSecret | Unreadable::OtherRealm | Unreadable::UnknownForm)
            }
            Self::NotSealed => true,
            _ => false,
        }
    }

    /// Whether only a forger sends it.
    const fn is_forged(self) -> bool {
        match self {
            Self::Proof(error) => matches!(error.fault(), Fault::Forged),
            _ => false,
        }
    }

    const fn count(self) -> Count {
        match self {
            _ if self.is_undecided() => Count::DbscRefusedFault,
            Self::Identifier(_) => Count::DbscRefusedIdentifier,
            Self::Challenge(_) | Self::OtherChallenge | Self::OldChallenge => Count::DbscRefusedChallenge,
            Self::Proof(_) if self.is_forged() => Count::DbscRefusedSignature,
            _ => Count::DbscRefusedMalformed,
        }
    }

    /// What the error log says. `what` was asked for.
    fn line(self, tag: &'static str, what: &str) -> (&'static str, Level, String) {
        let (tag, level) = match self {
            Self::NotSealed | Self::Proof(_) if self.is_undecided() => (tags::DBSC_FAULT, Level::Error),
            _ if self.is_undecided() => (tags::DBSC_FAULT, Level::Info),
            _ => (tag, Level::Info),
        };
        (tag, level, format!("DBSC: {what} refused: {self}"))
    }
}

impl From<HeaderError> for Refused {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

impl From<ProofError> for Refused {
    fn from(error: ProofError) -> Self {
        Self::Proof(error)
    }
}

impl From<NotSealed> for Refused {
    fn from(NotSealed: NotSealed) -> Self {
        Self::NotSealed
    }
}

/// Answers a request to an endpoint.
pub fn answer(endpoint: Endpoint, dbsc: Dbsc<'_>, keyring: &Keyring, call: Call<'_>) -> Answer {
    match endpoint {
        Endpoint::WellKnown => well_known(dbsc),
        Endpoint::Register | Endpoint::Refresh if !call.is_post => {
            let mut answer = Answer::new(405, String::new());
            answer.headers.push(("Allow", "POST".to_owned()));
            answer
        }
        Endpoint::Register => register(dbsc, keyring, call).unwrap_or_else(|refused| {
            let status = match refused {
                _ if refused.is_undecided() => 503,
                Refused::Challenge(_) | Refused::OldChallenge => 403,
                _ => 400,
            };
            Answer::new(status, String::new())
                .counted(refused.count())
                .logged(refused.line(tags::DBSC_REGISTRATION, "registration"))
        }),
        Endpoint::Refresh => refresh(dbsc, keyring, call),
    }
}

fn well_known(dbsc: Dbsc<'_>) -> Answer {
    let origins: Vec<String> = dbsc.origins.iter().map(|origin| format!("\"{origin}\"")).collect();
    Answer {
        status: 200,
        headers: Vec::new(),
        body: format!("{{\"registering_origins\":[{}]}}", origins.join(",")),
        count: None,
        line: None,
    }
}

fn register(dbsc: Dbsc<'_>, keyring: &Keyring, call: Call<'_>) -> Result<Answer, Refused> {
    let proof = headers::proof(call.proof.ok_or(Refused::NoProof)?)?;
    let proof = UnverifiedRegistration::parse(&proof)?;
    let offered = Offered::open(keyring, proof.challenge()).map_err(Refused::Challenge)?;
    if !offered.is_live(call.now) {
        return Err(Refused::OldChallenge);
    }
    let key = proof.verify()?.key;
    let registered = Registered { id: offered.registration, at: call.now };
    let thumbprint = key.thumbprint();
    let identifier = Session { key, registered }.seal(keyring)?;
    let expires = call.now.saturating_add(FIRST_LIFETIME);
    let cookie = ShortLived { thumbprint, registered, expires, is_proved: false };
    Ok(Answer::new(200, dbsc.instructions(&identifier))
        .with_cookie(dbsc, &cookie.seal(keyring)?, FIRST_LIFETIME)
        .counted(Count::DbscRegistered)
        .with_newest(dbsc, keyring, call, registered))
}

fn refresh(dbsc: Dbsc<'_>, keyring: &Keyring, call: Call<'_>) -> Answer {
    let refuse = |status, refused: Refused| {
        Answer::new(status, String::new())
            .counted(refused.count())
            .logged(refused.line(tags::DBSC_REFRESH, "refresh"))
    };
    let unless_undecided = |status, refused: Refused| if refused.is_undecided() { 503 } else { status };
    let (identifier, session) = match session(keyring, call) {
        Ok(session) => session,
        Err(refused) => return refuse(unless_undecided(400, refused), refused),
    };
    if call.newest > Some(session.registered) {
        let line = "DBSC: session ended: the same browser has registered a newer one".to_owned();
        return Answer::new(200, Instructions::End.to_json()).counted(Count::DbscEnded).logged((
            tags::DBSC_ENDED,
            Level::Info,
            line,
        ));
    }
    let challenge = || -> Result<String, Refused> {
        let challenge = Challenge { thumbprint: session.key.thumbprint(), at: call.now }.seal(keyring)?;
        Ok(ChallengeHeader::new(challenge, &identifier).to_header()?)
    };
    let challenged = |answer: Answer| match challenge() {
        Ok(header) => answer.with(headers::SECURE_SESSION_CHALLENGE, header),
        Err(refused) => refuse(503, refused),
    };
    let Some(proof) = call.proof else {
        return challenged(Answer::new(403, String::new()).counted(Count::DbscChallenged));
    };
    match prove(keyring, &session, call, proof) {
        Ok(()) => {
            let expires = call.now.saturating_add(dbsc.lifetime);
            let cookie = ShortLived {
                thumbprint: session.key.thumbprint(),
                registered: session.registered,
                expires,
                is_proved: true,
            };
            match cookie.seal(keyring) {
                Ok(cookie) => {
                    let answer = Answer::new(200, dbsc.instructions(&identifier))
                        .with_cookie(dbsc, &cookie, dbsc.lifetime)
                        .counted(Count::DbscRefreshed);
                    answer.with_newest(dbsc, keyring, call, session.registered)
                }
                Err(NotSealed) => refuse(503, Refused::NotSealed),
            }
        }
        Err(refused) if refused.is_undecided() => refuse(503, refused),
        Err(refused) if refused.is_forged() => refuse(400, refused),
        Err(refused) => challenged(refuse(403, refused)),
    }
}

/// The session that a refresh is of, and its identifier as it came.
fn session(keyring: &Keyring, call: Call<'_>) -> Result<(String, Session), Refused> {
    let identifier = headers::session_id(call.session_id.ok_or(Refused::NoSessionId)?)?;
    let session = Session::open(keyring, &identifier).map_err(Refused::Identifier)?;
    Ok((identifier, session))
}

/// Whether the proof is one of the session's key, for a challenge that this server gave it a short while ago.
fn prove(keyring: &Keyring, session: &Session, call: Call<'_>, proof: &[u8]) -> Result<(), Refused> {
    let proof = headers::proof(proof)?;
    let proof = UnverifiedRefresh::parse(&proof)?;
    let challenge = Challenge::open(keyring, proof.challenge()).map_err(Refused::Challenge)?;
    if challenge.thumbprint != session.key.thumbprint() {
        return Err(Refused::OtherChallenge);
    }
    if !challenge.is_live(call.now) {
        return Err(Refused::OldChallenge);
    }
    proof.verify(&session.key)?;
    Ok(())
}

impl Answer {
    fn new(status: u16, body: String) -> Self {
        let headers = vec![
            ("Cache-Control", "no-store".to_owned()),
            ("Cross-Origin-Resource-Policy", "same-origin".to_owned()),
        ];
        Self { status, headers, body, count: None, line: None }
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn with_cookie(self, dbsc: Dbsc<'_>, value: &str, lifetime: u64) -> Self {
        let (name, attributes) = (dbsc.cookie_name(), dbsc.cookie_attributes());
        self.with("Set-Cookie", format!("{name}={value}; Max-Age={lifetime}; {attributes}"))
    }

    /// Has the browser tell which registration is its newest, unless it does. Without random numbers it does not: two sessions of
    /// one browser may then go on side by side.
    fn with_newest(self, dbsc: Dbsc<'_>, keyring: &Keyring, call: Call<'_>, registered: Registered) -> Self {
        match registered.seal(keyring) {
            Ok(text) if call.newest != Some(registered) => self.with("Set-Cookie", dbsc.newest(&text)),
            _ => self,
        }
    }

    fn counted(self, count: Count) -> Self {
        Self { count: Some(count), ..self }
    }

    fn logged(self, line: (&'static str, Level, String)) -> Self {
        Self { line: Some(line), ..self }
    }
}

#[cfg(test)]
mod tests;
