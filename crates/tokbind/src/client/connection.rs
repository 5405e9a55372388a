//! A connection to an origin, whatever is spoken on it.

use std::sync::Arc;

use tokio::net::TcpStream;

use super::options::HttpVersion;
use crate::binding::once::{Bound, Handshake, Once};
use crate::error::{Error, Result};
use crate::http1::Http1;
use crate::http2::Http2;
use crate::keys::Key;
use crate::keys::KeyStore;
use crate::message::{Request, Response, Sink};
use crate::proxies::Proxy;
use crate::tls::{Info, TlsConnection};

/// A connection.
#[derive(Debug)]
pub(super) enum Connection {
    /// Without TLS, perhaps to a proxy.
    Plain(Box<Http1<TcpStream>>, Option<Proxy>),
    Http1(Box<Http1<TlsConnection>>, Once),
    Http2(Http2, Once),
}

impl Connection {
    /// Speaks what the handshake settled by ALPN (RFC 9113 section 3.2).
    pub(super) async fn start(connection: TlsConnection, http: HttpVersion) -> Result<Self> {
        if connection.alpn() == Some(b"h2") {
            return Ok(Connection::Http2(Http2::handshake(connection).await?, Once::default()));
        }
        if http == HttpVersion::Http2 {
            return Err(Error::NoHttp2);
        }
        Ok(Connection::Http1(Box::new(Http1::new(connection)), Once::default()))
    }

    /// What the TLS handshake came to; `None` without TLS.
    pub(super) fn info(&self) -> Option<Info> {
        match self {
            Connection::Plain(..) => None,
            Connection::Http1(http, _) => Some(http.get_ref().info()),
            Connection::Http2(http, _) => Some(http.info().clone()),
        }
    }

    pub(super) fn http(&self) -> &'static str {
        match self {
            Connection::Plain(..) | Connection::Http1(..) => "HTTP/1.1",
            Connection::Http2(..) => "HTTP/2",
        }
    }

    /// Whether another request can follow. HTTP/2 finds that out by itself.
    pub(super) fn reusable(&self) -> bool {
        match self {
            Connection::Plain(http, _) => http.reusable(),
            Connection::Http1(http, _) => http.reusable(),
            Connection::Http2(..) => true,
        }
    }

    pub(super) async fn request_into(&mut self, request: &Request, sink: &mut dyn Sink) -> Result<Response> {
        match self {
            Connection::Plain(http, None) => http.request_into(request, sink).await,
            Connection::Plain(http, Some(proxy)) => {
                // A proxy is told the whole URL (RFC 9112 section 3.2.2).
                let mut request = request.clone();
                request.path = format!("http://{}{}", request.host, request.path);
                if let Some(authorization) = &proxy.authorization {
                    request = request.header("Proxy-Authorization", authorization);
                }
                http.request_into(&request, sink).await
            }
            Connection::Http1(http, _) => http.request_into(request, sink).await,
            Connection::Http2(http, _) => http.request_into(request, sink).await,
        }
    }

    /// The binding for a request to `host`; `None` when the connection has no Token Binding.
    pub(super) async fn bind(
        &mut self,
        keys: &KeyStore,
        host: &str,
        referred: Option<&Arc<Key>>,
    ) -> Result<Option<Bound>> {
        let (once, handshake) = match self {
            Connection::Plain(..) => return Ok(None),
            Connection::Http1(http, _) if http.get_ref().negotiated().is_none() => return Ok(None),
            // A renegotiation changes the EKM (RFC 8471 section 3.3), and may change the key parameters.
            Connection::Http1(http, once) => (once, Handshake::of(http.get_ref())?),
            Connection::Http2(http, once) => {
                let handshake = Handshake::new(http.negotiated(), http.ekm().clone());
                (once, handshake)
            }
        };
        once.header(keys, host, handshake, referred).await
    }
}
