//! A site with Device Bound Session Credentials that is right, or wrong in one way.

use std::sync::{Arc, Mutex};

use dbsc::headers::{Challenge, RegistrationOffer, proof, session_id};
use dbsc::instructions::{Credential, Instructions, Scope, Session};
use dbsc::{Algorithm, PublicKey, UnverifiedRefresh, UnverifiedRegistration};

use crate::web::{Reply, Seen, reply};

/// One way of being wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    #[default]
    None,
    NoChallengeInOffer,
    OfferIsShared,
    RegistrationIsCached,
    OtherAttributes,
    /// Believes every JWT.
    NoVerification,
    AnyChallenge,
    RefreshWithoutProof,
    RefreshEndsOnNoProof,
    RefreshIsCached,
    AnyIdentifier,
    NoCookieOnRefresh,
    /// The server fails at refreshes.
    RefreshFails,
    RefreshEnds,
    OtherIdentifier,
}

#[derive(Default)]
struct Known {
    offered: Vec<String>,
    sessions: Vec<(String, PublicKey)>,
    challenges: Vec<(String, String)>,
    number: usize,
}

/// Answers `/login`, `/register` and `/refresh`, and everything else with the cookies it got.
pub fn site(flaw: Flaw) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    let known = Arc::new(Mutex::new(Known::default()));
    move |seen| {
        let mut known = known.lock().unwrap();
        known.number += 1;
        match seen.path.as_str() {
            "/login" => login(&mut known, flaw),
            "/register" => register(&mut known, flaw, seen),
            "/refresh" => refresh(&mut known, flaw, seen),
            _ => reply(
                200,
                &[],
                &format!(
                    "{} {}",
                    seen.header("cookie").unwrap_or_default(),
                    seen.header("secure-session-skipped").unwrap_or_default()
                ),
            ),
        }
    }
}

const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly";

fn cache(is_cached: bool) -> (&'static str, &'static str) {
    ("Cache-Control", if is_cached { "max-age=60" } else { "no-store" })
}

fn login(known: &mut Known, flaw: Flaw) -> Reply {
    let challenge = format!("offer-{}", known.number);
    known.offered.push(challenge.clone());
    let challenge = if flaw == Flaw::NoChallengeInOffer { String::new() } else { challenge };
    let offer = RegistrationOffer::new(vec![Algorithm::Es256, Algorithm::Rs256], "/register", challenge);
    let header = offer.to_header().unwrap();
    reply(200, &[("Secure-Session-Registration", &header), cache(flaw == Flaw::OfferIsShared)], "welcome")
}

/// The members of a JWT that nobody has verified.
fn unverified(jwt: &str) -> (serde_json::Value, serde_json::Value) {
    let part = |number| {
        let text = jwt.split('.').nth(number).unwrap_or_default();
        let bytes = token_binding::header::decode(text.as_bytes()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    (part(0), part(1))
}

fn register(known: &mut Known, flaw: Flaw, seen: &Seen) -> Reply {
    let Some(jwt) = seen.header("secure-session-response").and_then(|value| proof(value.as_bytes()).ok())
    else {
        return reply(400, &[], "");
    };
    let (key, challenge) = if flaw == Flaw::NoVerification {
        let (header, payload) = unverified(&jwt);
        let key = PublicKey::from_jwk(&header["jwk"].to_string());
        // One that is no key at all is as good as any other to this server.
        let key = key.unwrap_or_else(|_| known.sessions[0].1.clone());
        (key, payload["jti"].as_str().unwrap_or_default().to_owned())
    } else {
        match UnverifiedRegistration::parse(&jwt).and_then(UnverifiedRegistration::verify) {
            Ok(registration) => (registration.key, registration.challenge),
            Err(_) => return reply(400, &[], ""),
        }
    };
    if flaw != Flaw::AnyChallenge && flaw != Flaw::NoChallengeInOffer && !known.offered.contains(&challenge) {
        return reply(403, &[], "");
    }
    let id = format!("session-{}", known.number);
    known.sessions.push((id.clone(), key));
    let set = if flaw == Flaw::OtherAttributes { "Path=/; Secure" } else { ATTRIBUTES };
    reply(
        200,
        &[
            ("Content-Type", "application/json"),
            cache(flaw == Flaw::RegistrationIsCached),
            ("Set-Cookie", &format!("short=1; Max-Age=30; {set}")),
        ],
        &instructions(&id),
    )
}

fn instructions(id: &str) -> String {
    let session = Session::new(id, Scope::origin(), vec![Credential::cookie("short", ATTRIBUTES)]);
    Instructions::Continue(session.with_refresh_url("/refresh")).to_json()
}

fn refresh(known: &mut Known, flaw: Flaw, seen: &Seen) -> Reply {
    match flaw {
        Flaw::RefreshFails => return reply(500, &[], ""),
        Flaw::RefreshEnds => return reply(200, &[], &Instructions::End.to_json()),
        _ => {}
    }
    let id = seen.header("sec-secure-session-id").and_then(|value| session_id(value.as_bytes()).ok());
    let id = id.unwrap_or_default();
    let session = known.sessions.iter().find(|(known, _)| *known == id).cloned();
    let session = match (session, flaw) {
        (None, Flaw::AnyIdentifier) => known.sessions.last().cloned(),
        (session, _) => session,
    };
    let Some((own, key)) = session else { return reply(400, &[cache(false)], "") };
    let cookie = format!("short=2; Max-Age=600; {ATTRIBUTES}");
    let shown = if flaw == Flaw::OtherIdentifier { "another" } else { &own };
    let done = || {
        let cookie = if flaw == Flaw::NoCookieOnRefresh { "other=1" } else { &cookie };
        let json = ("Content-Type", "application/json");
        reply(
            200,
            &[cache(flaw == Flaw::RefreshIsCached), json, ("Set-Cookie", cookie)],
            &instructions(shown),
        )
    };
    let jwt = seen.header("secure-session-response").and_then(|value| proof(value.as_bytes()).ok());
    let challenge = match &jwt {
        None if flaw == Flaw::RefreshWithoutProof => return done(),
        None if flaw == Flaw::RefreshEndsOnNoProof => return reply(401, &[cache(false)], ""),
        None => None,
        Some(jwt) if flaw == Flaw::NoVerification => unverified(jwt).1["jti"].as_str().map(str::to_owned),
        Some(jwt) => match UnverifiedRefresh::parse(jwt).and_then(|proof| proof.verify(&key)) {
            Ok(refresh) => Some(refresh.challenge),
            Err(_) => return reply(400, &[cache(false)], ""),
        },
    };
    let is_known = challenge.is_some_and(|challenge| {
        flaw == Flaw::AnyChallenge || known.challenges.contains(&(own.clone(), challenge))
    });
    if is_known {
        return done();
    }
    let challenge = format!("challenge-{}", known.number);
    known.challenges.push((own.clone(), challenge.clone()));
    let header = Challenge::new(challenge, id).to_header().unwrap();
    reply(403, &[cache(flaw == Flaw::RefreshIsCached), ("Secure-Session-Challenge", &header)], "")
}
