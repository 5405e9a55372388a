//! What can go wrong, by whose fault.

use std::io;
use std::time::Duration;

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
    #[error("TLS handshake: {0}")]
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
    /// The request can't be written in this HTTP version.
    #[error("request: {0}")]
    Request(http::Error),
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
    /// The peer sent more, in bytes or in number, than this client is ready to hold.
    #[error("{what}: more than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The cap.
        limit: usize,
    },
}

impl Error {
    /// The TLS alert that the peer sent (RFC 8446 section 6), when one ended the handshake.
    pub fn alert_received(&self) -> Option<u8> {
        // OpenSSL has one reason per alert: SSL_AD_REASON_OFFSET + the alert's number.
        const SSL_AD_REASON_OFFSET: i32 = 1000;
        let stack = match self {
            Error::Handshake(error) => error.source()?.downcast_ref::<openssl::ssl::Error>()?.ssl_error()?,
            Error::Io { source, .. } => {
                source.get_ref()?.downcast_ref::<openssl::ssl::Error>()?.ssl_error()?
            }
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

    pub(crate) fn openssl(doing: &'static str) -> impl FnOnce(openssl::error::ErrorStack) -> Error {
        move |source| Error::OpenSsl { doing, source }
    }
}

impl From<http::Error> for Error {
    fn from(error: http::Error) -> Self {
        Error::Request(error)
    }
}
