//! TLS connections that negotiate Token Binding (RFC 8472; draft-ietf-tokbind-tls13).
//!
//! [`ConnectOptions`] say how to connect, a [`Connector`] connects, a [`TlsConnection`] tells what came of it. The TLS
//! library is OpenSSL, so what its client can't be talked into (an extension sent twice, no renegotiation indication)
//! is the business of [`probe`](crate::probe).

mod connection;
mod connector;
mod fault;
mod negotiation;
mod options;
mod wildcard;
mod wire;

pub use connection::{Info, Session, TlsConnection};
pub use connector::Connector;
pub use fault::AnswerFault;
pub use negotiation::{Answer, Location};
pub use openssl::ssl::SslVersion;
pub use options::{ConnectOptions, Offer, ServerName};

#[cfg(test)]
pub(crate) mod tests;
