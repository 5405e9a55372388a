//! What a request comes to: a body, or the reason why there is none.

use std::error::Error as StdError;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// A request's or response's body on its way through. Frames are passed on as they come; nothing is collected.
pub(in crate::agent) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent) enum Failure {
    /// There is no TCP connection.
    #[error("no connection: {}", causes(&**.0))]
    Connect(Box<dyn StdError + Send + Sync>),
    /// The TLS handshake failed, or Token Binding in it.
    #[error("{}", causes(.0))]
    Tls(crate::Error),
    /// HTTP failed.
    #[error("{}", causes(.0))]
    Http(hyper::Error),
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
