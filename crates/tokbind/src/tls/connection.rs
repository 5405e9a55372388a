//! A connection, and what its handshake came to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper_openssl::SslStream;
use hyper_openssl::client::legacy::HttpsLayer;
use hyper_util::rt::TokioIo;
use openssl::ssl::{SslRef, SslVersion};
use openssl::x509::X509;
use token_binding::{EKM_LENGTH, EXPORTER_LABEL};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::negotiation::{Answer, Negotiation};
use super::wire::Wire;
use crate::error::{Error, Result};
use crate::timeout::within;
use crate::{Ekm, Negotiated};

const TRUNCATED: &str =
    "the server closed the connection without closing TLS first (no close_notify): something may be missing";

/// A TLS connection. Reads and writes application data, and takes part when the server renegotiates (TLS 1.2).
pub struct TlsConnection {
    stream: TokioIo<SslStream<TokioIo<Wire>>>,
    negotiation: Arc<Negotiation>,
    session: Session,
    timeout: Duration,
}

/// A session that [`Connector::resume`](super::Connector::resume) can resume: the connections that it was made and
/// resumed on, and the tickets that they were given, those still to come included.
#[derive(Clone)]
pub struct Session {
    pub(super) connector: Arc<HttpsLayer>,
    pub(super) number: u64,
}

/// What a connection's latest handshake came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Info {
    /// The TLS version.
    pub version: SslVersion,
    /// Whether TLS 1.2's Extended Master Secret was used; `false` on TLS 1.3, which needs none.
    pub extended_master_secret: bool,
    /// Whether a session was resumed.
    pub session_reused: bool,
    /// The application protocol.
    pub alpn: Option<Vec<u8>>,
    /// The server's `token_binding` extension.
    pub answer: Option<Answer>,
    /// What was negotiated.
    pub negotiated: Option<Negotiated>,
    /// How often the connection was renegotiated.
    pub renegotiations: u32,
    /// The cipher suite's name.
    pub cipher: Option<&'static str>,
}

impl TlsConnection {
    pub(super) fn new(
        stream: TokioIo<SslStream<TokioIo<Wire>>>,
        negotiation: Arc<Negotiation>,
        session: Session,
        timeout: Duration,
    ) -> Self {
        TlsConnection { stream, negotiation, session, timeout }
    }

    /// OpenSSL's own view of the connection.
    pub fn ssl(&self) -> &SslRef {
        self.stream.inner().ssl()
    }

    /// The TCP connection underneath.
    pub fn tcp(&self) -> &TcpStream {
        self.stream.inner().get_ref().inner().tcp()
    }

    /// The TLS version.
    pub fn version(&self) -> SslVersion {
        // A finished handshake always has one.
        self.ssl().version2().unwrap_or(SslVersion::TLS1_2)
    }

    /// Whether TLS 1.2's Extended Master Secret was used (RFC 7627); `false` on TLS 1.3, which needs none.
    pub fn extended_master_secret(&self) -> bool {
        self.version() != SslVersion::TLS1_3 && self.ssl().extms_support() == Some(true)
    }

    /// Whether a session was resumed.
    pub fn session_reused(&self) -> bool {
        self.ssl().session_reused()
    }

    /// The application protocol that the server chose (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.ssl().selected_alpn_protocol()
    }

    /// The server's certificate.
    pub fn peer_certificate(&self) -> Option<X509> {
        self.ssl().peer_certificate()
    }

    /// The server's `token_binding` extension in the latest handshake.
    pub fn answer(&self) -> Option<Answer> {
        self.negotiation.answer()
    }

    /// What the latest handshake negotiated; `None` means no Token Binding on this connection. Also `None` when a lenient
    /// client got an answer that breaks a rule.
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.negotiation.negotiated()
    }

    /// How often the server renegotiated so far.
    pub fn renegotiations(&self) -> u32 {
        self.negotiation.renegotiations()
    }

    /// The exported keying material as of now (RFC 8471 section 3.3). A renegotiation changes it.
    pub fn ekm(&self) -> Result<Ekm> {
        let mut ekm = [0; EKM_LENGTH];
        let exported = self.ssl().export_keying_material(&mut ekm, EXPORTER_LABEL, None);
        exported.map_err(Error::openssl("exporting keying material"))?;
        Ok(Ekm::new(ekm))
    }

    /// The session, for [`Connector::resume`](super::Connector::resume).
    pub fn session(&self) -> Session {
        self.session.clone()
    }

    /// Whether the server gave anything to resume by. A TLS 1.3 server's tickets come after the handshake and are seen
    /// when application data is read.
    pub fn session_resumable(&self) -> bool {
        self.ssl().session().is_some_and(|session| !session.id().is_empty())
    }

    /// How long each network operation may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// All of these, for when the connection itself moves elsewhere, into HTTP/2 for instance.
    pub fn info(&self) -> Info {
        Info {
            version: self.version(),
            extended_master_secret: self.extended_master_secret(),
            session_reused: self.session_reused(),
            alpn: self.alpn().map(<[u8]>::to_vec),
            answer: self.answer(),
            negotiated: self.negotiated(),
            renegotiations: self.renegotiations(),
            cipher: self.ssl().current_cipher().map(|cipher| cipher.name()),
        }
    }

    /// Says goodbye to the server and closes the connection.
    pub async fn close(mut self) -> Result<()> {
        let limit = self.timeout;
        within(limit, "closing", async { self.shutdown().await.map_err(Error::io("closing")) }).await
    }

    /// What has no length of its own may have been cut off where TLS was not closed (RFC 9112 section 9.8).
    fn check_end(&self) -> io::Result<()> {
        if self.stream.inner().get_ref().inner().is_truncated() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, TRUNCATED));
        }
        Ok(())
    }

    /// The rules that a renegotiation must keep too, and the reason when it broke one.
    fn check_renegotiation(&mut self, read: io::Result<()>) -> io::Result<()> {
        let checked = self.negotiation.check_finished(self.stream.inner().ssl());
        match self.negotiation.take_fault().or(checked.err()) {
            Some(fault) => Err(io::Error::other(Error::Answer(fault))),
            None => read,
        }
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) else {
            return Poll::Pending;
        };
        let read = self.check_renegotiation(read).and_then(|()| {
            let ended = buffer.filled().len() == before && buffer.remaining() > 0;
            if ended { self.check_end() } else { Ok(()) }
        });
        if read.is_err() {
            buffer.set_filled(before);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Says goodbye, as far as that is possible without waiting. OpenSSL forgets the session of a TLS 1.2 connection that
/// ends without, and it could not be resumed.
impl Drop for TlsConnection {
    fn drop(&mut self) {
        let _ = Pin::new(&mut self.stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
    }
}

impl std::fmt::Debug for TlsConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsConnection").field("info", &self.info()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("number", &self.number).finish_non_exhaustive()
    }
}
