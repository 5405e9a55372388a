//! The server: what it keeps is in a map, and a restart forgets all of it.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dbsc::headers::{
    self, Challenge, RegistrationOffer, SEC_SECURE_SESSION_ID, SECURE_SESSION_CHALLENGE,
    SECURE_SESSION_REGISTRATION, SECURE_SESSION_RESPONSE, SECURE_SESSION_SKIPPED,
};
use dbsc::instructions::{Credential, Instructions, Scope, Session};
use dbsc::{Algorithm, Fault, ProofError, PublicKey, UnverifiedRefresh, UnverifiedRegistration};

use crate::http::{Request, Response};

/// The cookie of the login. Stolen, it is worth nothing without the other.
pub(crate) const LOGIN: &str = "sid";
/// The short-lived cookie, and how long it lives.
pub(crate) const BOUND: &str = "__Host-bound";
const LIFETIME: Duration = Duration::from_secs(600);
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
/// How long a challenge may be answered.
const CHALLENGE_LIFETIME: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct Server {
    /// By the value of the login's cookie, which is the session identifier too: it is no secret any more once a key is
    /// registered.
    sessions: Mutex<HashMap<String, Login>>,
}

struct Login {
    challenge: (String, Instant),
    key: Option<PublicKey>,
    bound: Option<(String, Instant)>,
}

impl Login {
    fn answers(&self, challenge: &str) -> bool {
        self.challenge.0 == challenge && self.challenge.1.elapsed() < CHALLENGE_LIFETIME
    }

    /// A new short-lived cookie.
    fn renew(&mut self) -> Result<String, Box<dyn Error>> {
        let value = random()?;
        self.bound = Some((value.clone(), Instant::now()));
        Ok(format!("{BOUND}={value}; Max-Age={}; {ATTRIBUTES}", LIFETIME.as_secs()))
    }
}

impl Server {
    pub(crate) fn answer(&self, request: &Request) -> Response {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/login") => self.log_in(),
            ("POST", "/dbsc/register") => self.register(request),
            ("POST", "/dbsc/refresh") => self.refresh(request),
            ("GET", "/account") => self.account(request),
            _ => Ok(Response::new(404, "")),
        };
        answer.unwrap_or_else(|error| {
            eprintln!("  server: {error}");
            Response::new(503, "")
        })
    }

    fn log_in(&self) -> Result<Response, Box<dyn Error>> {
        let (id, challenge) = (random()?, random()?);
        let offer = RegistrationOffer::new(Algorithm::ALL.to_vec(), "/dbsc/register", challenge.as_str());
        let login = Login { challenge: (challenge, Instant::now()), key: None, bound: None };
        self.with_sessions(|sessions| sessions.insert(id.clone(), login));
        Ok(Response::new(200, "welcome")
            .with("Set-Cookie", format!("{LOGIN}={id}; {ATTRIBUTES}"))
            .with(SECURE_SESSION_REGISTRATION, offer.to_header()?))
    }

    fn register(&self, request: &Request) -> Result<Response, Box<dyn Error>> {
        let Some(jwt) = request.headers.get(SECURE_SESSION_RESPONSE) else {
            return Ok(Response::new(400, "no proof"));
        };
        let id = request.headers.cookie(LOGIN).unwrap_or_default();
        self.with_sessions(|sessions| {
            let Some(login) = sessions.get_mut(id) else { return Ok(Response::new(403, "no session")) };
            let Ok(jwt) = headers::proof(jwt.as_bytes()) else { return Ok(Response::new(400, "no proof")) };
            let proof = match UnverifiedRegistration::parse(&jwt) {
                Ok(proof) => proof,
                Err(error) => return Ok(refuse(error)),
            };
            // A key that is there is not replaced, and a challenge of another login is none.
            if login.key.is_some() || !login.answers(proof.challenge()) {
                return Ok(Response::new(403, "not offered"));
            }
            match proof.verify() {
                Ok(registration) => login.key = Some(registration.key),
                Err(error) => return Ok(refuse(error)),
            }
            let credentials = vec![Credential::cookie(BOUND, ATTRIBUTES)];
            let session = Session::new(id, Scope::origin(), credentials).with_refresh_url("/dbsc/refresh");
            Ok(Response::new(200, Instructions::Continue(session).to_json())
                .with("Content-Type", "application/json")
                .with("Set-Cookie", login.renew()?))
        })
    }

    fn refresh(&self, request: &Request) -> Result<Response, Box<dyn Error>> {
        let id = request.headers.get(SEC_SECURE_SESSION_ID).unwrap_or_default();
        let Ok(id) = headers::session_id(id.as_bytes()) else { return Ok(Response::new(400, "no session")) };
        self.with_sessions(|sessions| {
            // 4xx: the browser forgets a session that is not known here.
            let Some(login) = sessions.get_mut(&id) else { return Ok(Response::new(404, "no session")) };
            let Some(key) = login.key.clone() else { return Ok(Response::new(404, "no session")) };
            let Some(jwt) = request.headers.get(SECURE_SESSION_RESPONSE) else {
                return challenge(login, &id);
            };
            let Ok(jwt) = headers::proof(jwt.as_bytes()) else { return Ok(Response::new(400, "no proof")) };
            let proof = match UnverifiedRefresh::parse(&jwt) {
                Ok(proof) => proof,
                Err(error) => return Ok(refuse(error)),
            };
            // An old challenge is an honest mistake: here is a new one.
            if !login.answers(proof.challenge()) {
                return challenge(login, &id);
            }
            match proof.verify(&key) {
                Ok(_) => Ok(Response::new(200, "").with("Set-Cookie", login.renew()?)),
                Err(error) => Ok(refuse(error)),
            }
        })
    }

    fn account(&self, request: &Request) -> Result<Response, Box<dyn Error>> {
        let id = request.headers.cookie(LOGIN).unwrap_or_default();
        let bound = request.headers.cookie(BOUND);
        let skipped = request.headers.get(SECURE_SESSION_SKIPPED).is_some();
        Ok(self.with_sessions(|sessions| match sessions.get(id) {
            None => Response::new(401, "log in first"),
            Some(Login { key: None, .. }) => Response::new(200, "your account, not bound yet"),
            Some(Login { bound: Some((value, given)), .. })
                if bound == Some(value.as_str()) && given.elapsed() < LIFETIME =>
            {
                Response::new(200, "your account, on your device")
            }
            // The browser could not refresh: it is to try again, and not to take this for a logout.
            Some(_) if skipped => Response::new(503, "try again").with("Retry-After", "5"),
            Some(_) => Response::new(401, "this session is bound to a device"),
        }))
    }

    fn with_sessions<T>(&self, body: impl FnOnce(&mut HashMap<String, Login>) -> T) -> T {
        body(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// 403 with a challenge: the one that still lives, as browsers sign few in a given time, or else a new one.
fn challenge(login: &mut Login, id: &str) -> Result<Response, Box<dyn Error>> {
    if login.challenge.1.elapsed() > CHALLENGE_LIFETIME / 2 {
        login.challenge = (random()?, Instant::now());
    }
    let header = Challenge::new(login.challenge.0.as_str(), id).to_header()?;
    Ok(Response::new(403, "").with(SECURE_SESSION_CHALLENGE, header))
}

/// A 5xx where nothing is known: a 4xx would end the session of an honest browser.
fn refuse(error: ProofError) -> Response {
    let status = if error.fault() == Fault::Undecided { 503 } else { 400 };
    Response::new(status, error.to_string())
}

/// 128 bits, in hex.
fn random() -> Result<String, Box<dyn Error>> {
    let mut bytes = [0; 16];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
