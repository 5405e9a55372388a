//! The server under test, and the steps of the protocol one by one.

use std::net::SocketAddr;
use std::time::Duration;

use ::dbsc::Algorithm;
use ::dbsc::headers::{
    Challenge, RegistrationOffer, SEC_SECURE_SESSION_ID, SECURE_SESSION_CHALLENGE,
    SECURE_SESSION_REGISTRATION, SECURE_SESSION_RESPONSE, quote,
};
use ::dbsc::instructions::{Instructions, Session};
use ::dbsc::sign::Signer as _;
use ::dbsc::sign::openssl::SigningKey;
use url::Url;

use super::options::SessionOptions;
use crate::error::{Error, Result};
use crate::http1::Http1;
use crate::message::{Request, Response};
use crate::target::Target;
use crate::tls::{Connector, Offer};

pub(super) struct Site {
    connector: Connector,
    address: SocketAddr,
    target: Target,
    login: Request,
    pub(super) patience: Option<Duration>,
}

/// A registration that the server has offered.
pub(super) struct Offered {
    pub(super) response: Response,
    pub(super) offer: RegistrationOffer,
}

/// A session that was begun as it should be.
pub(super) struct Begun {
    pub(super) key: SigningKey,
    pub(super) response: Response,
    pub(super) session: Session,
    pub(super) refresh: Url,
}

impl Site {
    pub(super) async fn meet(target: &Target, options: &SessionOptions) -> Result<Self> {
        let address = target.address().await?;
        let connector = Connector::new(&target.options.clone().offer(Offer::None))?;
        let login = options.login.clone().unwrap_or_else(|| target.request());
        let site = Site { connector, address, target: target.clone(), login, patience: options.patience };
        // Whether it can be reached at all.
        site.connector.connect(site.address, &site.target.host).await?;
        Ok(site)
    }

    /// Sends a request, on a connection of its own.
    pub(super) async fn send(&self, request: &Request) -> Result<Response> {
        let connection = self.connector.connect(self.address, &self.target.host).await?;
        Http1::new(connection).request(request).await
    }

    pub(super) fn url(&self) -> Result<Url> {
        let text = format!("https://{}{}", self.target.request().host, self.login.path);
        Url::parse(&text).map_err(|error| Error::url(&text, error.to_string()))
    }

    /// The response to the login, and what it offers.
    pub(super) async fn log_in(&self) -> Result<Option<Offered>> {
        let response = self.send(&self.login).await?;
        let offer = response
            .headers_named(SECURE_SESSION_REGISTRATION)
            .find_map(|line| RegistrationOffer::parse_list(line).ok()?.into_iter().next());
        Ok(offer.map(|offer| Offered { response, offer }))
    }

    /// A request to one of the server's endpoints. `None`: it is another server's.
    pub(super) fn post(&self, url: &Url) -> Option<Request> {
        let own = self.url().ok()?;
        (url.origin() == own.origin()).then(|| {
            let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
            Request::new("POST", &self.target.request().host, &format!("{}{query}", url.path()))
        })
    }

    /// Where the offer says that keys are registered.
    pub(super) fn registration_url(&self, offer: &RegistrationOffer) -> Result<Url> {
        let own = self.url()?;
        own.join(&offer.path).map_err(|error| Error::url(&offer.path, error.to_string()))
    }

    /// Registers with this proof.
    pub(super) async fn register(&self, offer: &RegistrationOffer, proof: &str) -> Result<Option<Response>> {
        let Some(request) = self.post(&self.registration_url(offer)?) else { return Ok(None) };
        let request = request.header(SECURE_SESSION_RESPONSE, quote(proof).map_err(Error::session)?);
        self.send(&request).await.map(Some)
    }

    /// Begins a session as a browser does.
    pub(super) async fn begin(&self) -> Result<Result<Begun, String>> {
        let Some(offered) = self.log_in().await? else {
            return Ok(Err("the login's response offers no registration".into()));
        };
        let algorithm = offered.offer.algorithms.first().copied().unwrap_or(Algorithm::Es256);
        let key = SigningKey::generate(algorithm).map_err(Error::session)?;
        let challenge = offered.offer.challenge.as_deref().unwrap_or_default();
        let proof = key
            .registration_proof(challenge, offered.offer.authorization.as_deref())
            .map_err(Error::session)?;
        let Some(response) = self.register(&offered.offer, &proof).await? else {
            return Ok(Err("keys are registered with another server".into()));
        };
        if !is_success(&response) {
            return Ok(Err(format!("the registration is answered with status {}", response.status)));
        }
        let at = self.registration_url(&offered.offer)?;
        match instructions(&response) {
            Some(Instructions::Continue(session)) => {
                let refresh = at.join(session.refresh_url.as_deref().unwrap_or_default());
                let refresh = refresh.map_err(|error| Error::url(at.as_str(), error.to_string()))?;
                Ok(Ok(Begun { key, response, session, refresh }))
            }
            _ => Ok(Err("the registration is not answered with a session's instructions".into())),
        }
    }

    /// Asks for a refresh, with this proof or without.
    pub(super) async fn refresh(&self, begun: &Begun, id: &str, proof: Option<&str>) -> Result<Response> {
        let own = self.target.request().host;
        let mut request = self.post(&begun.refresh).unwrap_or_else(|| Request::new("POST", &own, "/"));
        request = request.header(SEC_SECURE_SESSION_ID, quote(id).map_err(Error::session)?);
        if let Some(proof) = proof {
            request = request.header(SECURE_SESSION_RESPONSE, quote(proof).map_err(Error::session)?);
        }
        self.send(&request).await
    }

    /// A challenge for a session.
    pub(super) async fn challenge(&self, begun: &Begun) -> Result<Option<String>> {
        let id = &begun.session.session_identifier;
        Ok(challenge(&self.refresh(begun, id, None).await?, id))
    }
}

pub(super) fn is_success(response: &Response) -> bool {
    (200..300).contains(&response.status)
}

/// The challenge that a response gives to a session.
pub(super) fn challenge(response: &Response, id: &str) -> Option<String> {
    let all =
        response.headers_named(SECURE_SESSION_CHALLENGE).filter_map(|line| Challenge::parse_list(line).ok());
    all.flatten().find(|challenge| challenge.session_id == id).map(|challenge| challenge.challenge)
}

pub(super) fn instructions(response: &Response) -> Option<Instructions> {
    Instructions::from_json(std::str::from_utf8(&response.body).ok()?).ok()
}

/// The lines of a response that set one of these cookies.
pub(super) fn cookies(response: &Response, name: &str) -> Vec<String> {
    let line = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    let all = response.headers_named("set-cookie").map(line);
    all.filter(|line| line.split('=').next().is_some_and(|known| known.trim() == name)).collect()
}

/// Whether caches must not give a response to others.
pub(super) fn is_private(response: &Response, directives: &[&str]) -> bool {
    response.headers_named("cache-control").any(|line| {
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        line.split(',').any(|directive| directives.contains(&directive.trim()))
    })
}
