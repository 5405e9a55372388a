#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
//! A Token Binding client.
//!
//! Token Binding lets a TLS client prove, on each connection, that it holds a key; a server can then bind a cookie or
//! token to that key and a stolen copy is worth nothing. This crate is the client side: negotiation in the handshake
//! ([`tls`], RFC 8472 and draft-ietf-tokbind-tls13), the header of each request ([`binding`], RFC 8471 and 8473), and
//! HTTP/1.1 and HTTP/2 over such a connection ([`http1`], [`http2`]). Keys are kept in [`keys`], and [`federation`] says
//! when one server may learn of another's. [`client`] is all of it together: a web client.
//!
//! It is made for testing servers too. A [`tls::Connector`] can be `lenient` and offer any bytes, [`http1`] sends
//! whatever it is given, and [`probe`] writes ClientHello messages that no TLS library would.
//!
//! Given a connected TLS session, this makes the header:
//!
//! ```no_run
//! use tokbind::tls::{ConnectOptions, Connector};
//! use tokbind::keys::KeyStore;
//! use tokbind::{Request, binding, http1::Http1};
//!
//! # async fn visit() -> Result<(), tokbind::Error> {
//! let keys = KeyStore::open(None)?;
//! let host = "www.example.com";
//! let connection = Connector::new(&ConnectOptions::new())?.connect((host, 443), host).await?;
//!
//! let mut request = Request::get(host, "/");
//! if let Some(negotiated) = connection.negotiated() {
//!     let key = keys.key(host, negotiated.key_parameters)?;
//!     let header = binding::header(&connection.ekm()?, &*key, None)?;
//!     request = request.header(binding::SEC_TOKEN_BINDING, header);
//! }
//! let response = Http1::new(connection).request(&request).await?;
//! println!("{}", response.status);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "bench")]
pub mod bench;
pub mod binding;
#[cfg(feature = "check")]
pub mod check;
pub mod client;
mod error;
pub mod federation;
mod handover;
pub mod http1;
pub mod http2;
pub mod keys;
mod localhost;
mod location;
mod message;
mod private_dir;

pub mod probe;
mod proxies;
mod resolve;
#[cfg(feature = "dbsc")]
mod sessions;
#[cfg(any(feature = "bench", feature = "check"))]
mod target;
mod timeout;
pub mod tls;

pub use error::{Error, Result};
pub use message::{Pushed, Request, Response, Sink};
pub use proxies::Proxies;
pub use resolve::{ParseResolveError, Resolve};
#[cfg(feature = "dbsc")]
pub use sessions::InstructionsError;
#[cfg(any(feature = "bench", feature = "check"))]
pub use target::Target;
pub use token_binding::negotiate::Negotiated;
pub use token_binding::sign::openssl::PrivateKey;
pub use token_binding::{Ekm, KeyParameters, ProtocolVersion, TokenBindingType};
