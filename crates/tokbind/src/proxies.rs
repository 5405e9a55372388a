//! Proxies between this client and the servers: `HTTPS_PROXY` and its like.

#[cfg(feature = "agent")]
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::error::{Error, Result};
use crate::handover::Handover;

/// Which proxy a server is reached by. Default: none.
///
/// Only proxies that speak plain HTTP themselves: `http://HOST:PORT`, with a user name and password before the host where they
/// want some.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    matcher: Option<Arc<Matcher>>,
}

/// A proxy.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What it wants as `Proxy-Authorization`.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Proxies {
    /// What the environment names, in upper or lower case: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, and `NO_PROXY` for the hosts
    /// that are reached without.
    #[must_use]
    pub fn from_env() -> Self {
        Proxies { matcher: Some(Arc::new(Matcher::from_env())) }
    }

    /// This proxy for all servers but those on the list, which is one as in `NO_PROXY`. An empty URL means none.
    ///
    /// # Errors
    /// [`Error::Url`] when it is no `http` URL.
    pub fn named(url: &str, except: &str) -> Result<Self> {
        if url.is_empty() {
            return Ok(Proxies::default());
        }
        // As curl has it: a host and a port will do.
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let proxies =
            Proxies { matcher: Some(Arc::new(Matcher::builder().all(url.as_str()).no(except).build())) };
        // Seen here, and not at the first request.
        let matcher = Matcher::builder().all(url.as_str()).build();
        let known = matcher.intercept(&Uri::from_static("https://localhost"));
        let known = known.ok_or_else(|| Error::url(without_password(&url), "it is no proxy's URL"))?;
        Proxy::of(known.uri(), None)?;
        Ok(proxies)
    }

    /// The proxy for a server; `None`: directly.
    pub(crate) fn of(&self, scheme: &str, host: &str, port: u16) -> Result<Option<Proxy>> {
        let Some(matcher) = &self.matcher else { return Ok(None) };
        let Some(found) = matcher.intercept(&uri(scheme, host, port)?) else { return Ok(None) };
        Proxy::of(found.uri(), found.basic_auth().cloned()).map(Some)
    }
}

fn uri(scheme: &str, host: &str, port: u16) -> Result<Uri> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Ok(Uri::builder().scheme(scheme).authority(format!("{host}:{port}")).path_and_query("/").build()?)
}

/// A URL without what stands before its host.
fn without_password(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, host)| host)
}

impl Proxy {
    fn of(uri: &Uri, authorization: Option<HeaderValue>) -> Result<Self> {
        let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            let shown = uri.authority().map_or_else(String::new, |authority| {
                format!("{}://{}", uri.scheme_str().unwrap_or_default(), without_password(authority.as_str()))
            });
            return Err(Error::url(&shown, "only proxies with http:// URLs can be used"));
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Proxy { host, port: uri.port_u16().unwrap_or(80), authorization })
    }

    /// Whether this is who asks, listening there.
    #[cfg(feature = "agent")]
    pub(crate) fn is_at(&self, address: SocketAddr) -> bool {
        let own = address.ip().to_canonical();
        let ip = match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical(),
            Err(_) if self.host.eq_ignore_ascii_case("localhost") => own,
            Err(_) => return false,
        };
        self.port == address.port() && (ip == own || (own.is_unspecified() && ip.is_loopback()))
    }

    /// Asks the proxy that the connection leads to for a tunnel to a server.
    pub(crate) async fn tunnel(&self, tcp: TcpStream, host: &str, port: u16) -> Result<TcpStream> {
        let mut tunnel = Tunnel::new(uri("http", &self.host, self.port)?, Handover::of(tcp));
        if let Some(authorization) = &self.authorization {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let tunnelled = tunnel.call(uri("https", host, port)?).await;
        tunnelled.map(TokioIo::into_inner).map_err(|error| Error::Proxy {
            proxy: format!("{}:{}", self.host, self.port),
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_with_exceptions() {
        let proxies = Proxies::named("http://me:s3cret@[::1]:3128", "a.test, 10.0.0.0/8").unwrap();
        let proxy = proxies.of("https", "b.test", 443).unwrap().unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("::1", 3128));
        assert_eq!(proxy.authorization.unwrap(), "Basic bWU6czNjcmV0");
        for direct in ["a.test", "www.a.test", "10.1.2.3"] {
            assert!(proxies.of("https", direct, 443).unwrap().is_none(), "{direct}");
        }
        assert!(Proxies::named("", "").unwrap().of("https", "b.test", 443).unwrap().is_none());
        assert_eq!(
            Proxies::named("proxy.test:8080", "").unwrap().of("http", "b.test", 80).unwrap().unwrap().port,
            8080
        );
    }

    #[test]
    fn what_can_not_be_used_is_refused_and_no_password_is_shown() {
        for url in ["https://me:s3cret@proxy.test", "socks5://me:s3cret@proxy.test", "http://"] {
            let error = Proxies::named(url, "").unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[cfg(feature = "agent")]
    #[test]
    fn whoever_is_asked_to_ask_himself_notices() {
        let own = SocketAddr::from(([127, 0, 0, 1], 8473));
        for (url, expected) in [
            ("http://127.0.0.1:8473", true),
            ("http://localhost:8473", true),
            ("http://127.0.0.1:8474", false),
            ("http://proxy.test:8473", false),
        ] {
            let proxy = Proxies::named(url, "").unwrap().of("https", "a.test", 443).unwrap().unwrap();
            assert_eq!(proxy.is_at(own), expected, "{url}");
        }
    }
}
