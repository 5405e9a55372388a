//! One connection to a server, ready for requests.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::binding::{Binding, Observed};
use super::body::Upload;
use super::failure::Failure;
use super::load::{CONNECTION_WINDOW, Load, MAX_HEAD, Metered, STREAM_WINDOW, Traffic};
use crate::binding::once::Bound;
use crate::keys::Key;
use crate::keys::KeyStore;
use crate::proxies::Proxy;
use crate::tls::TlsConnection;

const MAX_HEADERS: usize = 256;
/// Finds out that an HTTP/2 server is gone while requests wait for it.
const PING: Duration = Duration::from_secs(30);

/// A connection. A clone of an HTTP/2 connection is the same connection; an HTTP/1.1 connection has one owner.
pub(in crate::agent) struct Connection {
    sender: Sender,
    binding: Option<Arc<Binding>>,
    load: Arc<Load>,
    traffic: Arc<Traffic>,
    /// Who is at the other end, where that is not the server.
    proxy: Option<Proxy>,
}

enum Sender {
    Http1(http1::SendRequest<Upload>),
    Http2(http2::SendRequest<Upload>),
}

impl Connection {
    /// Starts HTTP on a TLS connection, in the version that it agreed on.
    pub(super) async fn over_tls(
        connection: TlsConnection,
        host: &str,
        keys: &KeyStore,
    ) -> Result<Self, Failure> {
        let http2 = connection.alpn() == Some(b"h2");
        let traffic = Arc::default();
        let (binding, io) =
            Binding::observe(connection, host, keys, Arc::clone(&traffic)).map_err(Failure::Tls)?;
        let sender = if http2 { start_http2(io).await? } else { start_http1(io).await? };
        Ok(Connection {
            sender,
            binding: Some(Arc::new(binding)),
            load: Arc::default(),
            traffic,
            proxy: None,
        })
    }

    /// Starts HTTP/1.1 without encryption, with a proxy perhaps.
    pub(super) async fn over_tcp(tcp: TcpStream, proxy: Option<Proxy>) -> Result<Self, Failure> {
        let traffic = Arc::default();
        let sender = start_http1(TokioIo::new(Metered::new(tcp, Arc::clone(&traffic)))).await?;
        Ok(Connection { sender, binding: None, load: Arc::default(), traffic, proxy })
    }

    /// The HTTP version.
    pub(in crate::agent) fn version(&self) -> Version {
        match &self.sender {
            Sender::Http1(_) => Version::HTTP_11,
            Sender::Http2(_) => Version::HTTP_2,
        }
    }

    /// The proxy at the other end, where that is not the server.
    pub(in crate::agent) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Another handle, if the connection takes several requests at a time.
    pub(super) fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Connection {
                sender: Sender::Http2(sender.clone()),
                binding: self.binding.clone(),
                load: Arc::clone(&self.load),
                traffic: Arc::clone(&self.traffic),
                proxy: self.proxy.clone(),
            }),
        }
    }

    /// Whether these are handles of the same connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (&self.binding, &other.binding) {
            (Some(this), Some(other)) => Arc::ptr_eq(this, other),
            _ => false,
        }
    }

    /// Whether no other request may go out on it: it is closed, or known by a key that was deleted.
    pub(super) fn is_over(&self) -> bool {
        let closed = match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        };
        closed || self.binding.as_ref().is_some_and(|binding| binding.key_is_gone())
    }

    /// What is under way on it.
    pub(super) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// What the server may send besides bodies.
    pub(super) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Waits until another request can be sent; `false` when that will never be.
    pub(in crate::agent) async fn ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// The `Sec-Token-Binding` header for a request on this connection and no other.
    pub(in crate::agent) async fn header(&self, referred: Option<&Arc<Key>>) -> crate::Result<Option<Bound>> {
        match &self.binding {
            Some(binding) => binding.header(referred).await,
            None => Ok(None),
        }
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        self.traffic.asked(self.load.streams() <= 1);
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
    builder
        .max_buf_size(usize::try_from(MAX_HEAD).unwrap_or(usize::MAX))
        .max_headers(MAX_HEADERS)
        // White space before the colon and lines that go on are taken out, as RFC 9112 sections 5.1 and 5.2 tell a proxy to.
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
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
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEAD);
    let (sender, connection) = builder.handshake(io).await.map_err(Failure::Http)?;
    tokio::spawn(connection);
    Ok(Sender::Http2(sender))
}
