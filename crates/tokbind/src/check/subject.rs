//! The server under test, and what the probes need to know of it.

use std::net::{IpAddr, SocketAddr};

use super::finding::Seen;
use crate::binding::Signer as _;
use crate::error::{Error, Result};
use crate::http1::Http1;
use crate::message::{Request, Response};
use crate::target::Target;
use crate::tls::{ConnectOptions, Connector, Offer, ServerName, TlsConnection};
use crate::{KeyParameters, PrivateKey, binding};
use openssl::ssl::SslVersion;

/// The server, as a first visit has shown it.
pub(super) struct Subject {
    pub(super) target: Target,
    pub(super) address: SocketAddr,
    /// The key parameters that it prefers of all, where it negotiates at all.
    pub(super) preferred: Option<KeyParameters>,
    /// The status of a response to a good message.
    pub(super) served: u16,
    /// Whether the page shows the Token Binding ID that was verified.
    pub(super) shows_id: bool,
}

impl Subject {
    pub(super) async fn meet(target: &Target) -> Result<Self> {
        let address = target.address().await?;
        let mut subject =
            Subject { target: target.clone(), address, preferred: None, served: 0, shows_id: false };
        let connection = subject.connect(&subject.options()).await?;
        subject.preferred =
            connection.answer().and_then(|answer| answer.body.get(3).copied()).map(KeyParameters);
        if let Some(preferred) = subject.preferred.filter(|preferred| preferred.is_known()) {
            let key = PrivateKey::generate(preferred)?;
            let header = binding::header(&connection.ekm()?, &key, None)?;
            if let Some(response) =
                subject.send(connection, subject.request().header(binding::SEC_TOKEN_BINDING, header)).await?
            {
                subject.served = response.status;
                subject.shows_id = shows(&response, &id(&key));
            }
        }
        Ok(subject)
    }

    /// A tester's client: offers everything, and takes any answer.
    pub(super) fn options(&self) -> ConnectOptions {
        self.target.options.clone().offer(Offer::v1(KeyParameters::ALL_KNOWN)).lenient(true)
    }

    /// The same, on one version of TLS.
    pub(super) fn on(&self, version: SslVersion) -> ConnectOptions {
        self.options().tls_version(version)
    }

    pub(super) async fn connect(&self, options: &ConnectOptions) -> Result<TlsConnection> {
        self.connect_with(&Connector::new(options)?).await
    }

    pub(super) async fn connect_with(&self, connector: &Connector) -> Result<TlsConnection> {
        connector.connect(self.address, &self.target.host).await
    }

    /// A connection for HTTP/1.1 on which the preferred key parameters are negotiated, and a key of that kind.
    pub(super) async fn bound(&self) -> Result<Option<(TlsConnection, PrivateKey)>> {
        let Some(preferred) = self.preferred.filter(|preferred| preferred.is_known()) else {
            return Ok(None);
        };
        let connection = self.connect(&self.options().offer(Offer::v1([preferred]))).await?;
        Ok(Some((connection, PrivateKey::generate(preferred)?)))
    }

    pub(super) fn request(&self) -> Request {
        self.target.request()
    }

    /// The host by which the probes without a TLS library ask for this server.
    pub(super) fn server_name(&self) -> Option<&str> {
        match &self.target.options.server_name {
            ServerName::None => None,
            ServerName::Other(name) => Some(name),
            ServerName::Host => {
                Some(self.target.host.as_str()).filter(|host| host.parse::<IpAddr>().is_err())
            }
        }
    }

    /// The answer, or `None` if the server closes the connection instead.
    pub(super) async fn send(&self, connection: TlsConnection, request: Request) -> Result<Option<Response>> {
        answer_of(Http1::new(connection).request(&request).await)
    }

    /// Whether the server has not taken this response's request as bound to the key with this ID.
    pub(super) fn refused(&self, response: Option<&Response>, id: &str) -> Seen {
        let Some(response) = response else { return Seen::AsItShould };
        if (400..500).contains(&response.status) {
            return Seen::AsItShould;
        }
        if self.shows_id {
            return Seen::unless(
                shows(response, id),
                format!("status {}, and the page shows the ID as verified", response.status),
            );
        }
        Seen::unless(
            response.status == self.served,
            format!("status {}, as for a good message (the page shows no ID)", response.status),
        )
    }

    /// Whether the server has taken this response's request as bound to the key with this ID.
    pub(super) fn accepted(&self, response: Option<&Response>, id: &str) -> Seen {
        match response {
            None => Seen::Wrong("the server closed the connection".into()),
            Some(response) if response.status != self.served => {
                Seen::Wrong(format!("status {}, and {} for a simple message", response.status, self.served))
            }
            Some(response) => Seen::unless(
                self.shows_id && !shows(response, id),
                format!("status {}, and the page does not show the ID", response.status),
            ),
        }
    }
}

/// A server may answer a wrong request by closing the connection.
pub(super) fn answer_of(answer: Result<Response>) -> Result<Option<Response>> {
    match answer {
        Ok(response) => Ok(Some(response)),
        Err(Error::Closed(_) | Error::Http2(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A key's ID as servers show it.
pub(super) fn id(key: &PrivateKey) -> String {
    token_binding::header::encode(&key.token_binding_id())
}

/// Whether a response holds this text, in its page or its headers.
pub(super) fn shows(response: &Response, text: &str) -> bool {
    let is_in = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(text);
    is_in(&response.body) || response.headers.iter().any(|(_, value)| is_in(value))
}

/// The probe can't be made of a server that does not negotiate.
pub(super) fn not_negotiated() -> Seen {
    Seen::NotApplicable("the server does not negotiate Token Binding".into())
}
