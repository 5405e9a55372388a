//! Which server a request is for.

use http::uri::Authority;

use crate::resolve::{host_name, port_number};

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
}
