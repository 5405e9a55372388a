//! Why there is no response, and whether asking again may help.

use std::error::Error as StdError;

use crate::error;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent) enum Failure {
    /// There is no TCP connection.
    #[error("no connection: {}", causes(&**.0))]
    Connect(Box<dyn StdError + Send + Sync>),
    /// The TLS handshake failed, or Token Binding in it. The error says itself what of OpenSSL's reasons helps.
    #[error("{0}")]
    Tls(crate::Error),
    /// HTTP failed.
    #[error("{}", causes(.0))]
    Http(hyper::Error),
    /// The response can't be passed on.
    #[error("{0}")]
    Response(&'static str),
    /// The request can't be written.
    #[error("{}", causes(.0))]
    Request(http::Error),
    /// There is no key to sign with.
    #[error("the Token Binding key: {}", causes(.0))]
    Key(crate::Error),
    /// The address is the agent's own.
    #[error("the address is this agent's own")]
    Loop,
}

/// Whether the server wants this request over HTTP/1.1.
pub(in crate::agent) fn wants_http1(error: &hyper::Error) -> bool {
    http2(error).is_some_and(error::wants_http1)
}

/// Whether the server says that it has not begun to process the request.
pub(in crate::agent) fn is_unprocessed(error: &hyper::Error) -> bool {
    http2(error).is_some_and(error::is_unprocessed)
}

fn http2(error: &hyper::Error) -> Option<&h2::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// An error with its causes, as one line. Many errors say what their cause says already.
pub(in crate::agent) fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}
