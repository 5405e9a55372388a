//! Which server a request is for.

use std::net::IpAddr;

use http::uri::Authority;
use url::Host;

use super::error::{Error, Result};
use crate::resolve::{host_name, port_number};

/// How to talk to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(super) fn name(self) -> &'static str {
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
            port => port_number(port.strip_prefix(':')?)?,
        };
        Some(Origin { scheme, host: host_name(authority.host())?, port })
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

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// The domains that [`AgentOptions::only`](super::AgentOptions::only) names; none means all.
#[derive(Clone, Debug, Default)]
pub(super) struct Only(Vec<String>);

impl Only {
    pub(super) fn new(domains: &[String]) -> Result<Self> {
        let normal = |domain: &String| {
            normal(domain).map_err(|reason| Error::NotADomain { given: domain.clone(), reason })
        };
        Ok(Only(domains.iter().map(normal).collect::<Result<_>>()?))
    }

    /// The domains.
    pub(super) fn domains(&self) -> &[String] {
        &self.0
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

/// A domain in its one spelling. One that could match nothing would leave people unprotected without a word.
fn normal(domain: &str) -> Result<String, &'static str> {
    let bare = domain.trim();
    let bare = bare.strip_prefix('.').unwrap_or(bare);
    if bare.is_empty() {
        return Err("name a domain, as in example.com");
    }
    if let Some((address, length)) = bare.split_once('/')
        && address.parse::<IpAddr>().is_ok()
        && length.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err("a network is no domain; name each address");
    }
    if bare.contains('/') {
        return Err("name the domain alone, as in example.com, and no URL");
    }
    if bare.contains('@') {
        return Err("name the domain alone: what is behind the @");
    }
    if bare.contains('*') {
        return Err("a domain stands for all below it: leave out the asterisk");
    }
    if bare.contains([',', ' ']) {
        return Err("it is several; name each for itself");
    }
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    if bare.contains("]:") || (bare.contains(':') && !bare.starts_with('[')) {
        return Err("a domain stands for all its ports: leave out the colon and what follows");
    }
    // Browsers take 127.1 for an address, and ask for 127.0.0.1.
    let known = match Host::parse(bare) {
        Ok(Host::Ipv4(address)) => Some(address.to_string()),
        Ok(Host::Ipv6(address)) => Some(address.to_string()),
        Ok(Host::Domain(name)) => host_name(&name),
        Err(_) => None,
    };
    known.ok_or("it is no domain")
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
        for bad in [
            "user@example.com",
            "a,b",
            "a*b",
            "a:0",
            "a:65536",
            "a:",
            "a:+1",
            "[::g]",
            "[v1.a]",
            ".",
            ".a.test",
            "a..test",
            &long,
        ] {
            if let Ok(authority) = bad.parse() {
                assert_eq!(Origin::new(Scheme::Https, &authority), None, "{bad}");
            }
        }
    }

    #[test]
    fn only_means_the_domain_and_what_is_below() {
        let only =
            ["Example.com", ".test", "b\u{fc}cher.example.", " 192.0.2.1", "[::1]", "127.1", "a_b.example"];
        let only = Only::new(&only.map(str::to_owned)).unwrap();
        for host in [
            "example.com",
            "www.example.com",
            "a.test",
            "test",
            "xn--bcher-kva.example",
            "192.0.2.1",
            "::1",
            "127.0.0.1",
            "a_b.example",
        ] {
            assert!(only.includes(host), "{host}");
        }
        for host in ["badexample.com", "example.com.evil.org", "com", "contest"] {
            assert!(!only.includes(host), "{host}");
        }
        assert!(Only::new(&[]).unwrap().includes("anything"));
        for wrong in [
            "",
            ".",
            "*.a.test",
            "https://a.test",
            "a.test/x",
            "a.test,b.test",
            "a.test:443",
            "a..test",
            "a b",
            "[::1]:443",
            "[::g]",
            "192.0.2.0/24",
            "me@a.test",
            "1.2.3.4.5",
            "xn--a.test",
        ] {
            let error = Only::new(&[wrong.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
