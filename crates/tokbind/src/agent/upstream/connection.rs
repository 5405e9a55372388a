//! One connection to a server, ready for requests.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::binding::{Binding, Observed};
use super::failure::{Body, Failure};
use crate::PrivateKey;
use crate::binding::once::Bound;
use crate::keys::KeyStore;
use crate::tls::TlsConnection;

/// What a server may send as the head of a response.
const MAX_HEAD: usize = 256 * 1024;
const MAX_HEADERS: usize = 256;
/// Finds out that an HTTP/2 server is gone while requests wait for it.
const PING: Duration = Duration::from_secs(30);

/// A connection. A clone of an HTTP/2 connection is the same connection; an HTTP/1.1 connection has one owner.
pub(in crate::agent) struct Connection {
    sender: Sender,
    binding: Option<Arc<Binding>>,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// A request that failed, and the request itself if nothing of it was sent.
pub(super) type SendError = TrySendError<Request<Body>>;

impl Connection {
    /// Starts HTTP on a TLS connection, in the version that it agreed on.
    pub(super) async fn over_tls(
        connection: TlsConnection,
        host: &str,
        keys: &KeyStore,
    ) -> Result<Self, Failure> {
        let http2 = connection.alpn() == Some(b"h2");
        let (binding, io) = Binding::observe(connection, host, keys).map_err(Failure::Tls)?;
        let sender = if http2 { start_http2(io).await? } else { start_http1(io).await? };
        Ok(Connection { sender, binding: Some(Arc::new(binding)) })
    }

    /// Starts HTTP/1.1 without encryption.
    pub(super) async fn over_tcp(tcp: TcpStream) -> Result<Self, Failure> {
        Ok(Connection { sender: start_http1(TokioIo::new(tcp)).await?, binding: None })
    }

    /// The HTTP version.
    pub(in crate::agent) fn version(&self) -> Version {
        match &self.sender {
            Sender::Http1(_) => Version::HTTP_11,
            Sender::Http2(_) => Version::HTTP_2,
        }
    }

    /// Another handle, if the connection takes several requests at a time.
    pub(super) fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => {
                Some(Connection { sender: Sender::Http2(sender.clone()), binding: self.binding.clone() })
            }
        }
    }

    /// Whether these are handles of the same connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.binding, &other.binding) {
            (Some(this), Some(other)) => Arc::ptr_eq(this, other),
            _ => false,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Waits until another request can be sent; `false` when that will never be.
    pub(super) async fn ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// The `Sec-Token-Binding` header for a request on this connection and no other.
    pub(in crate::agent) async fn header(
        &self,
        referred: Option<&Arc<PrivateKey>>,
    ) -> crate::Result<Option<Bound>> {
        match &self.binding {
            Some(binding) => binding.header(referred).await,
            None => Ok(None),
        }
    }

    pub(super) async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, SendError> {
        match &mut self.sender {
            Sender::Http1(sender) => sender.try_send_request(request).await,
            Sender::Http2(sender) => sender.try_send_request(request).await,
        }
    }
}

async fn start_http1<S>(io: S) -> Result<Sender, Failure>
where
    S: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let (sender, connection) = builder.handshake(io).await.map_err(Failure::Http)?;
    // A failed connection also fails its request, and that is where the error is reported.
    tokio::spawn(connection.with_upgrades());
    Ok(Sender::Http1(sender))
}

async fn start_http2(io: Observed) -> Result<Sender, Failure> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX));
    let (sender, connection) = builder.handshake(io).await.map_err(Failure::Http)?;
    tokio::spawn(connection);
    Ok(Sender::Http2(sender))
}
