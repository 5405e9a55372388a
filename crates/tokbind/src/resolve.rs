//! Connecting elsewhere than a host's name leads to.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use url::Host;

/// A DNS name (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 253;

/// Where to connect instead of what a host's name resolves to. For tests and debugging.
///
/// Its text is `HOST:PORT:ADDRESS`, as curl's `--resolve` takes it. The address may have a port of its own:
///
/// ```
/// let resolve: tokbind::Resolve = "example.com:443:127.0.0.1:8443".parse()?;
/// assert_eq!(resolve.address(), ([127, 0, 0, 1], 8443).into());
/// # Ok::<(), tokbind::ParseResolveError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    host: String,
    port: u16,
    address: SocketAddr,
}

/// What is no [`Resolve`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not HOST:PORT:ADDRESS, as in example.com:443:127.0.0.1")]
pub struct ParseResolveError(String);

impl Resolve {
    /// Connects to this address for that host and port.
    #[must_use]
    pub fn new(host: &str, port: u16, address: impl Into<SocketAddr>) -> Self {
        let host = written_host(host).unwrap_or_else(|| host.to_ascii_lowercase());
        Resolve { host, port, address: address.into() }
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether this is for the host and port.
    #[must_use]
    pub fn is_for(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.port == port && self.host.eq_ignore_ascii_case(host)
    }

    /// What the last of these says for the host and port.
    pub(crate) fn find(all: &[Self], host: &str, port: u16) -> Option<SocketAddr> {
        all.iter().rev().find(|resolve| resolve.is_for(host, port)).map(Resolve::address)
    }
}

impl FromStr for Resolve {
    type Err = ParseResolveError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (name, rest) = text.split_once(':')?;
            let (port, address) = rest.split_once(':')?;
            let port = port_number(port)?;
            let bare = address.trim_start_matches('[').trim_end_matches(']');
            let address = match bare.parse::<IpAddr>() {
                Ok(ip) => SocketAddr::new(ip, port),
                Err(_) => address.parse().ok()?,
            };
            Some(Resolve { host: written_host(name)?, port, address })
        };
        parse().ok_or_else(|| ParseResolveError(text.to_owned()))
    }
}

/// A port that can be connected to. (`parse` alone takes `+1`.)
pub(crate) fn port_number(digits: &str) -> Option<u16> {
    let port = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    (port != 0).then_some(port)
}

/// A host as people write it, an internationalised name (IDNA) for instance, in its one spelling.
pub(crate) fn written_host(text: &str) -> Option<String> {
    if text.is_ascii() {
        return host_name(text);
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) => host_name(&name),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

/// A host's name or address in its one spelling; `None` for what can't be one.
pub(crate) fn host_name(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().ok().map(|address| address.to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    // To OpenSSL, a name with an empty first label is a suffix, and any certificate below it fits.
    let labels = name.split('.').all(|label| !label.is_empty());
    let fits = labels && name.len() <= MAX_HOST && name.bytes().all(plain);
    fits.then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolve_is_host_port_and_address() {
        let resolve: Resolve = "A.test:443:127.0.0.1".parse().unwrap();
        assert_eq!((resolve.host.as_str(), resolve.port), ("a.test", 443));
        assert_eq!(resolve.address, "127.0.0.1:443".parse().unwrap());
        let address = |text: &str| text.parse::<Resolve>().unwrap().address;
        assert_eq!(address("a:443:127.0.0.1:8443"), "127.0.0.1:8443".parse().unwrap());
        let unicode: Resolve = "B\u{fc}cher.test:443:127.0.0.1".parse().unwrap();
        assert!(unicode.is_for("xn--bcher-kva.test", 443));
        assert_eq!(address("a:443:::1"), "[::1]:443".parse().unwrap());
        assert_eq!(address("a:443:[::1]"), "[::1]:443".parse().unwrap());
        assert_eq!(address("a:443:[::1]:8443"), "[::1]:8443".parse().unwrap());
        for bad in ["", "a", "a:443", "a:443:b", "a:0:127.0.0.1", "a:x:127.0.0.1", ":443:127.0.0.1"] {
            assert!(bad.parse::<Resolve>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_one_counts() {
        let all = ["a.test:443:127.0.0.1", "A.test.:443:127.0.0.2", "a.test:80:127.0.0.3"];
        let all: Vec<Resolve> = all.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(Resolve::find(&all, "a.Test.", 443), Some(([127, 0, 0, 2], 443).into()));
        assert_eq!(Resolve::find(&all, "b.test", 443), None);
    }
}
