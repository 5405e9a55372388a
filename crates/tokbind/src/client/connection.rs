//! A connection to an origin, whatever is spoken on it.

use std::sync::Arc;

use tokio::net::TcpStream;

use super::options::HttpVersion;
use crate::error::{Error, Result};
use crate::http1::Http1;
use crate::http2::Http2;
use crate::message::{Request, Response};
use crate::tls::{Info, TlsConnection};
use crate::{Ekm, KeyStore, Negotiated, PrivateKey, binding};

/// A connection.
#[derive(Debug)]
pub(super) enum Connection {
    Plain(Box<Http1<TcpStream>>),
    Http1(Box<Http1<TlsConnection>>, Signed),
    Http2(Http2, Signed),
}

/// The header that was made for the connection. It stays the same until a renegotiation, so that servers know it again
/// and HTTP/2 compresses it.
#[derive(Debug, Default)]
pub(super) struct Signed(Option<(u32, Binding)>);

/// A header's value, and the key that it proves.
#[derive(Clone)]
pub(super) struct Binding {
    pub(super) header: String,
    pub(super) key: Arc<PrivateKey>,
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Binding").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Connection {
    /// Speaks what the handshake settled by ALPN (RFC 9113 section 3.2).
    pub(super) async fn start(connection: TlsConnection, http: HttpVersion) -> Result<Self> {
        if connection.alpn() == Some(b"h2") {
            return Ok(Connection::Http2(Http2::handshake(connection).await?, Signed::default()));
        }
        if http == HttpVersion::Http2 {
            return Err(Error::NoHttp2);
        }
        Ok(Connection::Http1(Box::new(Http1::new(connection)), Signed::default()))
    }

    /// What the TLS handshake came to; `None` without TLS.
    pub(super) fn info(&self) -> Option<Info> {
        match self {
            Connection::Plain(_) => None,
            Connection::Http1(http, _) => Some(http.get_ref().info()),
            Connection::Http2(http, _) => Some(http.info().clone()),
        }
    }

    pub(super) fn http(&self) -> &'static str {
        match self {
            Connection::Plain(_) | Connection::Http1(..) => "HTTP/1.1",
            Connection::Http2(..) => "HTTP/2",
        }
    }

    /// Whether another request can follow. HTTP/2 finds that out by itself.
    pub(super) fn reusable(&self) -> bool {
        match self {
            Connection::Plain(http) => http.reusable(),
            Connection::Http1(http, _) => http.reusable(),
            Connection::Http2(..) => true,
        }
    }

    pub(super) async fn request(&mut self, request: &Request) -> Result<Response> {
        match self {
            Connection::Plain(http) => http.request(request).await,
            Connection::Http1(http, _) => http.request(request).await,
            Connection::Http2(http, _) => http.request(request).await,
        }
    }

    /// The binding for a request to `host`; `None` when the connection has no Token Binding.
    pub(super) async fn bind(
        &mut self,
        keys: &KeyStore,
        host: &str,
        referred: Option<&PrivateKey>,
    ) -> Result<Option<Binding>> {
        match self {
            Connection::Plain(_) => Ok(None),
            Connection::Http1(http, signed) => {
                let tls = http.get_ref();
                let Some(negotiated) = tls.negotiated() else { return Ok(None) };
                // A renegotiation changes the EKM (RFC 8471 section 3.3), and may change the key parameters.
                let handshake = tls.renegotiations();
                signed.bind(keys, host, negotiated, handshake, &tls.ekm()?, referred).await.map(Some)
            }
            Connection::Http2(http, signed) => {
                let Some(negotiated) = http.negotiated() else { return Ok(None) };
                let ekm = http.ekm().clone();
                signed.bind(keys, host, negotiated, 0, &ekm, referred).await.map(Some)
            }
        }
    }
}

impl Signed {
    async fn bind(
        &mut self,
        keys: &KeyStore,
        host: &str,
        negotiated: Negotiated,
        handshake: u32,
        ekm: &Ekm,
        referred: Option<&PrivateKey>,
    ) -> Result<Binding> {
        let key = match &self.0 {
            Some((made_for, binding)) if *made_for == handshake => {
                if referred.is_none() {
                    return Ok(binding.clone());
                }
                Arc::clone(&binding.key)
            }
            _ => {
                let (keys, host) = (keys.clone(), host.to_owned());
                let key = tokio::task::spawn_blocking(move || keys.key(&host, negotiated.key_parameters));
                key.await.map_err(|error| Error::Io { doing: "finding a key", source: error.into() })??
            }
        };
        if let Some(referred) = referred {
            let header = binding::header(ekm, &*key, Some(referred))?;
            return Ok(Binding { header, key });
        }
        let binding = Binding { header: binding::header(ekm, &*key, None)?, key };
        self.0 = Some((handshake, binding.clone()));
        Ok(binding)
    }
}
