//! What can go wrong, by whose fault.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Origin;

use crate::keys::KeyStoreError;
use crate::tls::AnswerFault;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The operating system's or TLS library's reason.
        source: io::Error,
    },
    /// The peer took longer than the options allow.
    #[error("{doing} took longer than {limit:?}")]
    Timeout {
        /// What was being done.
        doing: &'static str,
        /// The time that was allowed.
        limit: Duration,
    },
    /// The TLS handshake failed, for OpenSSL's reason; [`Error::alert_received`] tells the peer's.
    #[error("TLS handshake: {}", handshake_reason(.0.as_ref()))]
    Handshake(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server's `token_binding` answer breaks a rule, and the client ended the connection (RFC 8472 section 4).
    #[error("the server's token_binding answer is refused: {0}")]
    Answer(#[from] AnswerFault),
    /// A session can only be resumed by the [`Connector`](crate::tls::Connector) that it came from.
    #[error("the session belongs to another connector")]
    ForeignSession,
    /// OpenSSL refused an option, a certificate or a key.
    #[error("{doing}: {source}")]
    OpenSsl {
        /// What was being done.
        doing: &'static str,
        /// OpenSSL's reason.
        source: openssl::error::ErrorStack,
    },
    /// A Token Binding message could not be made.
    #[error("Token Binding: {0}")]
    TokenBinding(#[from] token_binding::Error),
    /// The key store is refused, or can't be read or written.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// A proof or header of a device-bound session could not be made.
    #[cfg(feature = "dbsc")]
    #[error("device-bound session: {0}")]
    Session(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request can't be written in this HTTP version.
    #[error("request: {0}")]
    Request(http::Error),
    /// The URL can't be fetched, or redirects to one that can't.
    #[error("{url} can't be fetched: {problem}")]
    Url {
        /// The URL.
        url: String,
        /// Why not.
        problem: String,
    },
    /// Redirects did not come to an end.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// How many were followed.
        limit: usize,
    },
    /// The proxy does not connect to the server.
    #[error("the proxy {proxy} does not connect to the server: {reason}")]
    Proxy {
        /// The proxy's host and port.
        proxy: String,
        /// What it said.
        reason: String,
    },
    /// HTTP/2 was wanted, and the server did not agree to it by ALPN.
    #[error("the server does not speak HTTP/2")]
    NoHttp2,
    /// A file could not be read or written.
    #[error("{doing} {path}: {source}", path = path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Something failed at this server.
    #[error("{place}: {source}")]
    At {
        /// The server's origin, as in `https://www.example.com`.
        place: String,
        /// What failed.
        source: Box<Error>,
    },
    /// The peer closed the connection in the middle of something.
    #[error("the peer closed the connection {0}")]
    Closed(&'static str),
    /// The peer's HTTP/1.1 response is malformed.
    #[error("malformed HTTP/1.1 response: {0}")]
    Http1(&'static str),
    /// HTTP/2 failed: the stream, the connection or the request.
    #[error("HTTP/2: {0}")]
    Http2(#[from] h2::Error),
    /// The peer's answer to a raw ClientHello is malformed.
    #[error("malformed TLS answer: {0}")]
    Tls(&'static str),
    /// What takes the response's body refused it.
    #[error("writing the response: {0}")]
    Output(#[source] io::Error),
    /// A fault of this crate's own, and of nobody else.
    #[error("a fault of tokbind itself: {0}")]
    Internal(&'static str),
    /// Something has more, in bytes or in number, than the protocol allows or than this client is ready to hold.
    #[error("{what}: more than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The cap.
        limit: usize,
    },
}

impl Error {
    #[cfg(all(feature = "check", feature = "dbsc"))]
    pub(crate) fn session(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::Session(Box::new(error))
    }

    /// The TLS alert that the peer sent (RFC 8446 section 6), when one ended the handshake.
    pub fn alert_received(&self) -> Option<u8> {
        // OpenSSL has one reason per alert: SSL_AD_REASON_OFFSET + the alert's number.
        const SSL_AD_REASON_OFFSET: i32 = 1000;
        let stack = match self {
            Error::Handshake(error) => error.source()?.downcast_ref::<openssl::ssl::Error>()?.ssl_error()?,
            Error::Io { source, .. } => {
                source.get_ref()?.downcast_ref::<openssl::ssl::Error>()?.ssl_error()?
            }
            Error::At { source, .. } => return source.alert_received(),
            _ => return None,
        };
        stack.errors().iter().find_map(|error| {
            let alert = error.reason_code().checked_sub(SSL_AD_REASON_OFFSET)?;
            u8::try_from(alert).ok()
        })
    }

    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
        // A refused renegotiation comes through `AsyncRead`, which knows only `io::Error`.
        move |source| source.downcast().unwrap_or_else(|source| Error::Io { doing, source })
    }

    /// Whether the connection failed, and not what was said on it: another one may work.
    pub(crate) fn is_connections(&self) -> bool {
        matches!(self, Error::Io { .. } | Error::Closed(_) | Error::Http2(_))
    }

    /// Whether the server wants this request over HTTP/1.1.
    pub(crate) fn wants_http1(&self) -> bool {
        matches!(self, Error::Http2(error) if wants_http1(error))
    }

    /// Whether the server says that it has not begun to process the request.
    pub(crate) fn is_unprocessed(&self) -> bool {
        matches!(self, Error::Http2(error) if is_unprocessed(error))
    }

    pub(crate) fn at(origin: &Origin) -> impl FnOnce(Error) -> Error {
        move |source| Error::At { place: origin.ascii_serialization(), source: Box::new(source) }
    }

    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File { doing, path, source }
    }

    pub(crate) fn url(url: &str, problem: impl Into<String>) -> Error {
        Error::Url { url: url.to_owned(), problem: problem.into() }
    }

    pub(crate) fn openssl(doing: &'static str) -> impl FnOnce(openssl::error::ErrorStack) -> Error {
        move |source| Error::OpenSsl { doing, source }
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        Error::Request(error)
    }
}

/// Whether the server wants this request over HTTP/1.1 (RFC 9113 section 7).
pub(crate) fn wants_http1(error: &h2::Error) -> bool {
    error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED)
}

/// Whether the server says that it has not begun to process the request (RFC 9113 section 8.7): it refused the stream, or
/// went away before it.
pub(crate) fn is_unprocessed(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (refused || error.is_go_away())
}

/// OpenSSL's reasons without its codes and the places in its source, and why the certificate was refused, if it was.
fn handshake_reason(error: &(dyn StdError + Send + Sync + 'static)) -> String {
    let text = error.to_string();
    let Some(cause) = error.source().and_then(|source| source.downcast_ref::<openssl::ssl::Error>()) else {
        return text;
    };
    let Some(stack) = cause.ssl_error() else { return text };
    let reasons: Vec<_> = stack.errors().iter().filter_map(|error| error.reason()).collect();
    // What OpenSSL says when it reads something else than a TLS record.
    if ["wrong version number", "packet length too long", "http request"]
        .iter()
        .any(|no_tls| reasons.contains(no_tls))
    {
        return format!("the server does not speak TLS on this port ({})", reasons.join(", "));
    }
    // What `hyper-openssl` adds: the verdict on the certificate.
    let certificate = text.strip_prefix(&cause.to_string()).unwrap_or_default();
    format!("{}{certificate}", reasons.join(", "))
}
