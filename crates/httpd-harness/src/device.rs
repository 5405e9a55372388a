//! A client with DBSC in software: a key, a cookie jar, and the steps of the protocol one by one, so that tests can leave each
//! out, repeat it or do it wrongly.

use std::collections::BTreeMap;

use dbsc::Algorithm;
use dbsc::headers::{Challenge, RegistrationOffer};
use dbsc::instructions::{Instructions, Session as Instructed};
use dbsc::sign::Signer as _;
use dbsc::sign::openssl::SigningKey;
use tokbind::{Request, Response};

use super::httpd::{HOST, Httpd};
use super::session::{Protocol, submit};

pub const REGISTER: &str = "/.well-known/token-binding-dbsc/register";
pub const REFRESH: &str = "/.well-known/token-binding-dbsc/refresh";
/// The short-lived cookie's name.
pub const SHORT_LIVED: &str = "__Host-tb-dbsc";

/// A device with a key of its own.
pub struct Device {
    pub key: SigningKey,
    pub protocol: Protocol,
    /// The cookies that it sends.
    pub jar: BTreeMap<String, String>,
    /// The identifier of its session.
    pub session: String,
}

impl Device {
    pub fn new(protocol: Protocol) -> Self {
        Self::with(protocol, Algorithm::Es256)
    }

    pub fn with(protocol: Protocol, algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm).unwrap();
        Self { key, protocol, jar: BTreeMap::new(), session: String::new() }
    }

    /// The key's name, as the server shows it.
    pub fn thumbprint(&self) -> String {
        self.key.public_key().thumbprint().to_string()
    }

    /// The jar as a `Cookie` header.
    pub fn cookies(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Sends a request with the jar's cookies, and keeps those that come back.
    pub async fn send(&mut self, server: &Httpd, request: Request) -> Response {
        let cookies = self.cookies();
        let request = if cookies.is_empty() { request } else { request.header("Cookie", cookies) };
        // On the heap: a test that holds many of these in its own future would overflow its stack.
        let response = Box::pin(submit(server, self.protocol, None, request)).await;
        for line in response.headers_named("Set-Cookie") {
            let line = String::from_utf8(line.to_vec()).unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            let is_removed = line.to_ascii_lowercase().contains("max-age=0");
            if is_removed {
                self.jar.remove(name);
            } else {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    pub async fn get(&mut self, server: &Httpd, path: &str) -> Response {
        self.send(server, Request::get(HOST, path)).await
    }

    /// Answers the offer of a response.
    pub async fn register(&mut self, server: &Httpd, offer: &Response) -> Response {
        let challenge = offered(offer).expect("an offer");
        let proof = self.key.registration_proof(&challenge, None).unwrap();
        let request = Request::new("POST", HOST, REGISTER).header("Secure-Session-Response", proof);
        let response = self.send(server, request).await;
        if let Some(session) = instructed(&response) {
            self.session = session.session_identifier;
        }
        response
    }

    /// Asks for a refresh with this proof, or without one.
    pub async fn ask_for_refresh(&mut self, server: &Httpd, proof: Option<&str>) -> Response {
        let request = Request::new("POST", HOST, REFRESH).header("Sec-Secure-Session-Id", &self.session);
        let request = match proof {
            Some(proof) => request.header("Secure-Session-Response", proof),
            None => request,
        };
        self.send(server, request).await
    }

    /// A challenge of its own session.
    pub async fn challenge(&mut self, server: &Httpd) -> String {
        challenge(&self.ask_for_refresh(server, None).await).expect("a challenge")
    }

    /// Its answer to a challenge of its own session.
    pub async fn proof(&mut self, server: &Httpd) -> String {
        let challenge = self.challenge(server).await;
        self.key.refresh_proof(&challenge).unwrap()
    }

    /// Proves its key: asks for a challenge, and answers it.
    pub async fn refresh(&mut self, server: &Httpd) -> Response {
        let proof = self.proof(server).await;
        self.ask_for_refresh(server, Some(&proof)).await
    }

    /// Logs in at a page that sets a bound cookie, registers its key and proves it.
    pub async fn log_in(&mut self, server: &Httpd, path: &str) {
        let page = self.get(server, path).await;
        assert_eq!(self.register(server, &page).await.status, 200, "{}", server.log());
        assert_eq!(self.refresh(server).await.status, 200, "{}", server.log());
    }
}

/// The challenge with which a response offers a registration.
pub fn offered(response: &Response) -> Option<String> {
    let header = response.header("Secure-Session-Registration")?;
    RegistrationOffer::parse_list(header.as_bytes()).unwrap().pop()?.challenge
}

/// The challenge that a response asks to answer.
pub fn challenge(response: &Response) -> Option<String> {
    let header = response.header("Secure-Session-Challenge")?;
    Some(Challenge::parse_list(header.as_bytes()).unwrap().pop()?.challenge)
}

/// The session that a response tells of.
pub fn instructed(response: &Response) -> Option<Instructed> {
    match Instructions::from_json(&response.text()) {
        Ok(Instructions::Continue(session)) => Some(session),
        _ => None,
    }
}
