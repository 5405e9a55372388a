//! Which server a request is for.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::uri::Authority;

/// A DNS name (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 253;

/// How to talk to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Scheme, host and port. The host is in lower case, without a final dot, and an IPv6 address without brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Origin {
    /// `None` for what can't be a host's name, so that nothing else gets into certificates, file names and logs.
    pub(super) fn new(scheme: Scheme, authority: &Authority) -> Option<Self> {
        // An authority with user information means somebody wants to look like somebody else.
        if authority.as_str().contains('@') {
            return None;
        }
        // `Authority::port` has no word for a port that is out of range.
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" => scheme.default_port(),
            port => number(port.strip_prefix(':')?)?,
        };
        Some(Origin { scheme, host: host(authority.host())?, port })
    }

    /// As a `Host` header has it.
    pub(super) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            bracketed(&self.host)
        } else {
            format!("{}:{}", bracketed(&self.host), self.port)
        }
    }

    /// The URL of something on this server.
    pub(super) fn url(&self, path_and_query: &str) -> String {
        format!("{}://{}{path_and_query}", self.scheme.name(), self.authority())
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url(""))
    }
}

/// A port that can be connected to. (`parse` alone takes `+1`.)
fn number(digits: &str) -> Option<u16> {
    let port = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    (port != 0).then_some(port)
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn host(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().ok().map(|address| address.to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = !name.is_empty() && name.len() <= MAX_HOST && name.bytes().all(plain);
    fits.then(|| name.to_ascii_lowercase())
}

/// The domains that `--only` names; none means all.
#[derive(Clone, Debug, Default)]
pub(super) struct Only(Vec<String>);

impl Only {
    pub(super) fn new(domains: &[String]) -> Self {
        let normal = |domain: &String| domain.trim_matches('.').to_ascii_lowercase();
        Only(domains.iter().map(normal).collect())
    }

    /// Whether the host is one of the domains, or below one.
    pub(super) fn includes(&self, host: &str) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|domain| {
                let above = host.strip_suffix(domain.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            })
    }
}

/// `HOST:PORT:ADDRESS`: connect to this address instead of what the host's name resolves to. The address may have a
/// port of its own, as in `example.com:443:127.0.0.1:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) address: SocketAddr,
}

/// What is no [`Resolve`].
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not HOST:PORT:ADDRESS, as in example.com:443:127.0.0.1")]
pub struct ParseResolveError(String);

impl FromStr for Resolve {
    type Err = ParseResolveError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (name, rest) = text.split_once(':')?;
            let (port, address) = rest.split_once(':')?;
            let port = number(port)?;
            let bare = address.trim_start_matches('[').trim_end_matches(']');
            let address = match bare.parse::<IpAddr>() {
                Ok(ip) => SocketAddr::new(ip, port),
                Err(_) => address.parse().ok()?,
            };
            Some(Resolve { host: host(name)?, port, address })
        };
        parse().ok_or_else(|| ParseResolveError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(authority: &str) -> Option<String> {
        Origin::new(Scheme::Https, &authority.parse().unwrap()).map(|origin| origin.to_string())
    }

    #[test]
    fn an_origin_has_one_spelling() {
        assert_eq!(origin("Example.COM").unwrap(), "https://example.com");
        assert_eq!(origin("example.com.:443").unwrap(), "https://example.com");
        assert_eq!(origin("example.com:8443").unwrap(), "https://example.com:8443");
        assert_eq!(origin("[2001:DB8:0::1]:443").unwrap(), "https://[2001:db8::1]");
        assert_eq!(origin("127.0.0.1").unwrap(), "https://127.0.0.1");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(254);
        for bad in
            ["user@example.com", "a,b", "a*b", "a:0", "a:65536", "a:", "a:+1", "[::g]", "[v1.a]", ".", &long]
        {
            if let Ok(authority) = bad.parse() {
                assert_eq!(Origin::new(Scheme::Https, &authority), None, "{bad}");
            }
        }
    }

    #[test]
    fn only_means_the_domain_and_what_is_below() {
        let only = Only::new(&["Example.com".to_owned(), ".test".to_owned()]);
        for host in ["example.com", "www.example.com", "a.test", "test"] {
            assert!(only.includes(host), "{host}");
        }
        for host in ["badexample.com", "example.com.evil.org", "com", "contest"] {
            assert!(!only.includes(host), "{host}");
        }
        assert!(Only::new(&[]).includes("anything"));
    }

    #[test]
    fn resolve_is_host_port_and_address() {
        let resolve: Resolve = "A.test:443:127.0.0.1".parse().unwrap();
        assert_eq!((resolve.host.as_str(), resolve.port), ("a.test", 443));
        assert_eq!(resolve.address, "127.0.0.1:443".parse().unwrap());
        let address = |text: &str| text.parse::<Resolve>().unwrap().address;
        assert_eq!(address("a:443:127.0.0.1:8443"), "127.0.0.1:8443".parse().unwrap());
        assert_eq!(address("a:443:::1"), "[::1]:443".parse().unwrap());
        assert_eq!(address("a:443:[::1]"), "[::1]:443".parse().unwrap());
        assert_eq!(address("a:443:[::1]:8443"), "[::1]:8443".parse().unwrap());
        for bad in ["", "a", "a:443", "a:443:b", "a:0:127.0.0.1", "a:x:127.0.0.1", ":443:127.0.0.1"] {
            assert!(bad.parse::<Resolve>().is_err(), "{bad}");
        }
    }
}
