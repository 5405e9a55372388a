//! A visitor: a key, and connections on which it proves to hold it.

use tokbind::http1::Http1;
use tokbind::http2::Http2;
use tokbind::tls::{ConnectOptions, Connector, Offer, TlsConnection};
use tokbind::{Ekm, KeyParameters, PrivateKey, ProtocolVersion, Request, Response, binding};
use token_binding::sign::Signer as _;

use super::httpd::{HOST, Httpd};

/// The version that the last browsers spoke.
pub const BROWSER: ProtocolVersion = ProtocolVersion { major: 0, minor: 16 };

/// Somebody with a Token Binding key.
pub struct Visitor {
    pub key: PrivateKey,
}

impl Default for Visitor {
    fn default() -> Self {
        Self::new()
    }
}

impl Visitor {
    pub fn new() -> Self {
        Self::with(KeyParameters::ECDSAP256)
    }

    pub fn with(key_parameters: KeyParameters) -> Self {
        Self { key: PrivateKey::generate(key_parameters).unwrap() }
    }

    /// The ID as the server shows it: base64url.
    pub fn id(&self) -> String {
        token_binding::header::encode(&self.key.token_binding_id())
    }

    /// The header for a connection with this EKM.
    pub fn header(&self, ekm: &Ekm) -> String {
        binding::header(ekm, &self.key, None).unwrap()
    }

    /// A request with the right header.
    pub fn get(&self, ekm: &Ekm, path: &str) -> Request {
        Request::get(HOST, path).header(binding::SEC_TOKEN_BINDING, self.header(ekm))
    }

    /// Visits a page on a connection of its own.
    pub async fn visit(&self, server: &Httpd, path: &str) -> Response {
        let mut http = http1(server).await;
        let ekm = http.get_ref().ekm().unwrap();
        http.request(&self.get(&ekm, path)).await.unwrap()
    }
}

/// A client's options: our certificate is accepted, and all key parameters are offered.
pub fn options() -> ConnectOptions {
    ConnectOptions::new().accept_any_certificate(true).offer(Offer::v1(KeyParameters::ALL_KNOWN))
}

/// A client without Token Binding.
pub fn unbound() -> ConnectOptions {
    options().offer(Offer::None)
}

pub async fn connect(server: &Httpd, options: &ConnectOptions) -> TlsConnection {
    Connector::new(options).unwrap().connect(server.address(), HOST).await.unwrap()
}

/// A connection with Token Binding for HTTP/1.1.
pub async fn http1(server: &Httpd) -> Http1<TlsConnection> {
    Http1::new(connect(server, &options()).await)
}

/// A connection with Token Binding for HTTP/2.
pub async fn http2(server: &Httpd) -> Http2 {
    Http2::handshake(connect(server, &options().alpn(["h2"])).await).await.unwrap()
}

/// The value of an environment variable on the page of `env.cgi`.
pub fn shown<'a>(page: &'a str, variable: &str) -> Option<&'a str> {
    page.lines().find_map(|line| line.strip_prefix(variable)?.strip_prefix('='))
}
