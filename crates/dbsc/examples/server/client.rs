//! A browser's part, step by step, with a key in software; and a thief's.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;

use dbsc::Algorithm;
use dbsc::headers::{
    Challenge, RegistrationOffer, SEC_SECURE_SESSION_ID, SECURE_SESSION_CHALLENGE,
    SECURE_SESSION_REGISTRATION, SECURE_SESSION_RESPONSE, quote,
};
use dbsc::instructions::{Instructions, Session};
use dbsc::sign::Signer;
use dbsc::sign::openssl::SigningKey;

use crate::http::{Headers, Response, send};
use crate::server::BOUND;

/// A jar of cookies, and where to send them.
#[derive(Clone)]
struct Browser {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn send(
        &mut self,
        method: &str,
        path: &str,
        more: &[(&str, String)],
    ) -> Result<Response, Box<dyn Error>> {
        let mut headers = Headers::default();
        for (name, value) in more {
            headers.add(name, value.as_str());
        }
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            headers.add("Cookie", cookies.join("; "));
        }
        let response = send(self.address, method, path, &headers)?;
        for line in response.headers.lines("Set-Cookie") {
            let (pair, _) = line.split_once(';').unwrap_or((line, ""));
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(response)
    }

    /// What the account page says.
    fn account(&mut self) -> Result<String, Box<dyn Error>> {
        let response = self.send("GET", "/account", &[])?;
        Ok(format!("{}: {}", response.status, response.body))
    }

    /// Asks for a challenge, and answers it.
    fn refresh(&mut self, session: &Session, key: &SigningKey) -> Result<Response, Box<dyn Error>> {
        let url = session.refresh_url.as_deref().ok_or("no refresh_url")?;
        let id = (SEC_SECURE_SESSION_ID, quote(&session.session_identifier)?);
        let asked = self.send("POST", url, std::slice::from_ref(&id))?;
        let challenges = asked.headers.get(SECURE_SESSION_CHALLENGE).ok_or("no challenge")?;
        let challenges = Challenge::parse_list(challenges.as_bytes())?;
        let mut challenges = challenges.into_iter();
        let ours = challenges.find(|challenge| challenge.session_id == session.session_identifier);
        let proof = key.refresh_proof(&ours.ok_or("no challenge for this session")?.challenge)?;
        self.send("POST", url, &[id, (SECURE_SESSION_RESPONSE, quote(&proof)?)])
    }
}

pub(crate) fn run(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let mut browser = Browser { address, cookies: BTreeMap::new() };

    println!("log in");
    let response = browser.send("POST", "/login", &[])?;
    let offer = response.headers.get(SECURE_SESSION_REGISTRATION).ok_or("no offer")?;
    println!("  {SECURE_SESSION_REGISTRATION}: {offer}");
    println!("  account: {}", browser.account()?);

    println!("register a key");
    let offer = RegistrationOffer::parse_list(offer.as_bytes())?.into_iter().next().ok_or("no offer")?;
    let algorithm = *offer.algorithms.first().unwrap_or(&Algorithm::Es256);
    let key = SigningKey::generate(algorithm)?;
    let challenge = offer.challenge.as_deref().ok_or("no challenge")?;
    let proof = key.registration_proof(challenge, offer.authorization.as_deref())?;
    let response = browser.send("POST", &offer.path, &[(SECURE_SESSION_RESPONSE, quote(&proof)?)])?;
    let Instructions::Continue(session) = Instructions::from_json(&response.body)? else {
        return Err("the server wants no session".into());
    };
    println!("  {algorithm} key {}", key.public_key().thumbprint());
    println!("  {}", response.body);
    println!("  account: {}", browser.account()?);

    println!("the short-lived cookie runs out");
    browser.cookies.remove(BOUND);
    let stolen = browser.clone();
    println!("  account: {}", browser.account()?);

    println!("refresh");
    let response = browser.refresh(&session, &key)?;
    println!("  answer: {}", response.status);
    let account = browser.account()?;
    println!("  account: {account}");

    println!("a thief with a copy of the cookies, and a key of his own");
    let mut thief = stolen;
    let response = thief.refresh(&session, &SigningKey::generate(algorithm)?)?;
    println!("  answer: {}: {}", response.status, response.body);
    let thiefs_account = thief.account()?;
    println!("  account: {thiefs_account}");

    if account.starts_with("200") && thiefs_account.starts_with("401") {
        println!("the session is bound to its device");
        Ok(())
    } else {
        Err("the session is not bound to its device".into())
    }
}
