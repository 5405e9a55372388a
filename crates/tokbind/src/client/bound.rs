//! The client's part of Device Bound Session Credentials: registers where a server offers it, and refreshes before a request
//! that would go out without a session's cookie.

use ::dbsc::headers::{
    Challenge, RegistrationOffer, SEC_SECURE_SESSION_ID, SECURE_SESSION_CHALLENGE,
    SECURE_SESSION_REGISTRATION, SECURE_SESSION_RESPONSE, SECURE_SESSION_SKIPPED, quote,
};
use ::dbsc::instructions::Instructions;
use ::dbsc::sign::Signer as _;
use ::dbsc::sign::openssl::SigningKey;
use url::Url;

use super::trace::{SessionEvent, Trace};
use super::{Client, Fetch, Last};
use crate::error::Result;
use crate::http1::MAX_BODY;
use crate::message::{Collect, Response};
use crate::sessions::{BoundSession, InstructionsError, StoreError, of_site, site};

/// Where a site says who may start sessions of all of it.
const WELL_KNOWN: &str = "/.well-known/device-bound-sessions";
/// How often a server may answer one refresh with a challenge.
const CHALLENGES: usize = 3;

/// What a refresh came to.
enum Refreshed {
    Done,
    Ended,
    /// The request goes out without the cookie, and says why.
    Skipped(&'static str),
}

impl Client {
    /// Refreshes the sessions that a request is in and has no cookie of. Adds a header line for those that could not be.
    pub(super) async fn refresh_sessions(&mut self, fetch: &mut Fetch, trace: &mut (dyn Trace + Send)) {
        let site = site(&fetch.url);
        let due = match self.due(&site, &fetch.url) {
            Ok(due) => due,
            Err(error) => return trace.session(&SessionEvent::Failed { reason: error.to_string() }),
        };
        for session in due {
            let identifier = session.identifier.clone();
            match self.refresh(session, trace).await {
                Refreshed::Done => trace.session(&SessionEvent::Refreshed),
                Refreshed::Ended => {
                    self.change(&site, trace, |sessions| {
                        sessions.retain(|session| session.identifier != identifier);
                    });
                    trace.session(&SessionEvent::Ended);
                }
                Refreshed::Skipped(reason) => {
                    let text = match quote(&identifier) {
                        Ok(identifier) => format!("{reason};session_identifier={identifier}"),
                        Err(_) => reason.to_owned(),
                    };
                    fetch.headers.push((SECURE_SESSION_SKIPPED.to_owned(), text.into_bytes()));
                    trace.session(&SessionEvent::Failed { reason: format!("refresh skipped: {reason}") });
                }
            }
        }
    }

    fn due(&mut self, site: &str, url: &Url) -> Result<Vec<BoundSession>, StoreError> {
        let Some(store) = &mut self.sessions else { return Ok(Vec::new()) };
        let cookies = &self.cookies;
        let is_due = |session: &&BoundSession| {
            session.covers(url) && session.cookies().any(|name| !cookies.has(url, name))
        };
        Ok(store.of(site)?.iter().filter(is_due).cloned().collect())
    }

    async fn refresh(&mut self, mut session: BoundSession, trace: &mut (dyn Trace + Send)) -> Refreshed {
        for _ in 0..=CHALLENGES {
            let response = match self.ask_for_refresh(&session, trace).await {
                Ok(response) => response,
                Err(_) => return Refreshed::Skipped("unreachable"),
            };
            let challenge =
                challenges(&response).into_iter().find(|new| new.session_id == session.identifier);
            match (response.status, challenge) {
                (200..=299, challenge) => {
                    session.challenge = challenge.map(|challenge| challenge.challenge);
                    return self.refreshed(session, &response, trace);
                }
                (403, Some(challenge)) => session.challenge = Some(challenge.challenge),
                (407 | 429 | 500..=599, _) => return Refreshed::Skipped("server_error"),
                _ => return Refreshed::Ended,
            }
        }
        Refreshed::Skipped("server_error")
    }

    async fn ask_for_refresh(
        &mut self,
        session: &BoundSession,
        trace: &mut (dyn Trace + Send),
    ) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
        let mut fetch = Fetch::post(session.refresh_url.clone());
        fetch.push(SEC_SECURE_SESSION_ID, &quote(&session.identifier)?);
        if let Some(challenge) = &session.challenge {
            fetch.push(SECURE_SESSION_RESPONSE, &quote(&session.key()?.refresh_proof(challenge)?)?);
        }
        Ok(self.exchange_and_keep(&fetch, trace).await?)
    }

    /// The server has taken the proof: what it says of the session from now on.
    fn refreshed(
        &mut self,
        mut session: BoundSession,
        response: &Response,
        trace: &mut (dyn Trace + Send),
    ) -> Refreshed {
        // Without a body, everything stays as it is.
        if !response.body.is_empty() {
            let at = session.refresh_url.clone();
            match instructions(response) {
                Ok(Instructions::End) => return Refreshed::Ended,
                Ok(Instructions::Continue(instructed)) => {
                    if let Err(error) = session.update(&at, instructed) {
                        trace.session(&SessionEvent::Failed { reason: error.to_string() });
                        return Refreshed::Ended;
                    }
                }
                Err(error) => {
                    trace.session(&SessionEvent::Failed { reason: error.to_string() });
                    return Refreshed::Ended;
                }
            }
        }
        self.change(&session.site(), trace, |sessions| {
            sessions.retain(|other| other.identifier != session.identifier);
            sessions.push(session.clone());
        });
        Refreshed::Done
    }

    /// Takes the challenges and registrations that a response offers.
    pub(super) async fn take_sessions(
        &mut self,
        url: &Url,
        response: &Response,
        trace: &mut (dyn Trace + Send),
    ) {
        if self.sessions.is_none() || url.scheme() != "https" {
            return;
        }
        let site = site(url);
        for challenge in challenges(response) {
            self.change(&site, trace, |sessions| {
                let session = sessions.iter_mut().find(|session| session.identifier == challenge.session_id);
                if let Some(session) = session {
                    session.challenge = Some(challenge.challenge.clone());
                }
            });
        }
        let offers = lines(response, SECURE_SESSION_REGISTRATION)
            .flat_map(|line| RegistrationOffer::parse_list(line).unwrap_or_default());
        for offer in offers {
            match self.register(url, &offer, trace).await {
                Ok(session) => {
                    self.change(&site, trace, |sessions| sessions.push(session.clone()));
                    trace.session(&SessionEvent::Registered);
                }
                Err(error) => trace.session(&SessionEvent::Failed { reason: error.to_string() }),
            }
        }
    }

    async fn register(
        &mut self,
        url: &Url,
        offer: &RegistrationOffer,
        trace: &mut (dyn Trace + Send),
    ) -> Result<BoundSession, Box<dyn std::error::Error + Send + Sync>> {
        let at = of_site(url, &offer.path, "path of the offer")?;
        let algorithm = *offer.algorithms.first().ok_or(::dbsc::HeaderError::NoAlgorithm)?;
        let key = SigningKey::generate(algorithm)?;
        let challenge = offer.challenge.as_deref().unwrap_or_default();
        let proof = key.registration_proof(challenge, offer.authorization.as_deref())?;
        let mut fetch = Fetch::post(at.clone());
        fetch.push(SECURE_SESSION_RESPONSE, &quote(&proof)?);
        let response = self.exchange_and_keep(&fetch, trace).await?;
        if !(200..300).contains(&response.status) {
            return Err(format!("the registration was answered with status {}", response.status).into());
        }
        let Instructions::Continue(instructed) = instructions(&response)? else {
            return Err(InstructionsError::Ended.into());
        };
        let session = BoundSession::new(&at, &key, instructed)?;
        if session.needs_permission() {
            self.ask_for_permission(&session, trace).await?;
        }
        Ok(session)
    }

    /// Whether the site says that a subdomain may start sessions of all of it.
    async fn ask_for_permission(
        &mut self,
        session: &BoundSession,
        trace: &mut (dyn Trace + Send),
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        #[derive(serde::Deserialize)]
        struct WellKnown {
            registering_origins: Vec<String>,
        }
        let (site, origin) = (session.site(), session.registered_at().origin().ascii_serialization());
        let mut url = session.registered_at().clone();
        url.set_host(Some(&site))?;
        url.set_path(WELL_KNOWN);
        url.set_query(None);
        let response = self.exchange_and_keep(&Fetch::get(url.as_str())?, trace).await?;
        let known: WellKnown = serde_json::from_slice(&response.body)?;
        if known.registering_origins.contains(&origin) {
            Ok(())
        } else {
            Err(InstructionsError::NotRegistering { origin, site }.into())
        }
    }

    /// Sends a request of the protocol's own, and takes the cookies that come back. Redirects are not followed.
    async fn exchange_and_keep(&mut self, fetch: &Fetch, trace: &mut (dyn Trace + Send)) -> Result<Response> {
        let mut body = Collect::up_to(MAX_BODY);
        let mut last = Last::any(&mut body);
        let (response, _) = self.exchange(fetch, None, trace, &mut last).await?;
        trace.received(&fetch.url, &response, last.length);
        let response = Response { body: body.into_bytes(), ..response };
        self.cookies.take(&fetch.url, &response);
        Ok(response)
    }

    /// Changes the sessions of a site, and writes them down.
    fn change(
        &mut self,
        site: &str,
        trace: &mut (dyn Trace + Send),
        change: impl FnOnce(&mut Vec<BoundSession>),
    ) {
        let Some(store) = &mut self.sessions else { return };
        let changed = store.of(site).map(change).and_then(|()| store.save(site));
        if let Err(error) = changed {
            trace.session(&SessionEvent::Failed { reason: error.to_string() });
        }
    }
}

fn lines<'r>(response: &'r Response, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
    response.headers_named(name)
}

fn challenges(response: &Response) -> Vec<Challenge> {
    lines(response, SECURE_SESSION_CHALLENGE)
        .flat_map(|line| Challenge::parse_list(line).unwrap_or_default())
        .collect()
}

fn instructions(response: &Response) -> Result<Instructions, InstructionsError> {
    let json = |error: String| InstructionsError::Json(error);
    let text = std::str::from_utf8(&response.body).map_err(|error| json(error.to_string()))?;
    Instructions::from_json(text).map_err(|error| json(error.to_string()))
}

#[cfg(test)]
mod tests;
