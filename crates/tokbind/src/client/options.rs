//! How a client works.

use std::net::SocketAddr;

use crate::keys::KeyStore;
use crate::tls::ConnectOptions;
use crate::{Proxies, Resolve};

/// Redirects that are followed before a client gives up. Browsers stop at 20.
const MAX_REDIRECTS: usize = 20;

/// Which HTTP to speak over TLS. Without TLS it is always HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/2 if the server wants it, else HTTP/1.1.
    #[default]
    Any,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2. Fails when the server does not speak it.
    Http2,
}

impl HttpVersion {
    /// The protocols to offer by ALPN.
    pub(crate) fn alpn(self) -> &'static [&'static str] {
        match self {
            HttpVersion::Any => &["h2", "http/1.1"],
            HttpVersion::Http1 => &["http/1.1"],
            HttpVersion::Http2 => &["h2"],
        }
    }
}

/// How a client works.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    pub(super) keys: KeyStore,
    pub(super) connect: ConnectOptions,
    pub(super) http: HttpVersion,
    pub(super) max_redirects: usize,
    resolve: Vec<Resolve>,
    pub(super) proxies: Proxies,
    #[cfg(feature = "dbsc")]
    pub(super) has_sessions: bool,
}

impl ClientOptions {
    /// The defaults, with keys from this store.
    #[must_use]
    pub fn new(keys: KeyStore) -> Self {
        ClientOptions {
            keys,
            connect: ConnectOptions::default(),
            http: HttpVersion::default(),
            max_redirects: MAX_REDIRECTS,
            resolve: Vec::new(),
            proxies: Proxies::default(),
            #[cfg(feature = "dbsc")]
            has_sessions: false,
        }
    }

    /// How to make TLS connections, and what Token Binding to offer on them. The client decides on ALPN.
    #[must_use]
    pub fn connect(mut self, connect: ConnectOptions) -> Self {
        self.connect = connect;
        self
    }

    /// Which HTTP to speak. Default: either.
    #[must_use]
    pub fn http(mut self, http: HttpVersion) -> Self {
        self.http = http;
        self
    }

    /// How many redirects to follow. A redirect is returned like any response when that is 0. Default: 20.
    #[must_use]
    pub fn max_redirects(mut self, limit: usize) -> Self {
        self.max_redirects = limit;
        self
    }

    /// By which proxies to reach servers. Default: none, whatever the environment says.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Connects where this says for URLs of its host and port.
    #[must_use]
    pub fn resolve(mut self, resolve: Resolve) -> Self {
        self.resolve.push(resolve);
        self
    }

    /// Begins sessions by Device Bound Session Credentials where a server offers it, and keeps them beside the keys. What
    /// goes wrong with one is told to [`Trace`](super::Trace), and fails no request.
    #[cfg(feature = "dbsc")]
    #[must_use]
    pub fn device_bound_sessions(mut self, yes: bool) -> Self {
        self.has_sessions = yes;
        self
    }

    pub(super) fn address(&self, host: &str, port: u16) -> Option<SocketAddr> {
        Resolve::find(&self.resolve, host, port)
    }
}
