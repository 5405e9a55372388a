//! URLs that can be fetched.

use url::{Host, Url};

use crate::error::{Error, Result};

/// Refuses what this client can't fetch, and what it would fetch otherwise than expected.
pub(super) fn checked(url: Url) -> Result<Url> {
    let problem = match url.scheme() {
        "http" | "https" if !url.has_host() => "it names no host",
        "http" | "https" if !url.username().is_empty() || url.password().is_some() => {
            "it has a user name or password; send those in an Authorization header"
        }
        "http" | "https" => return Ok(url),
        // `example.com:8443` is a URL, too: its scheme is `example.com`.
        scheme if scheme.contains('.') || scheme == "localhost" => {
            "it does not say how; write https:// before it"
        }
        _ => "only https and http can be fetched",
    };
    // The password is left out of the message.
    let mut shown = url;
    let _ = shown.set_password(None);
    Err(Error::url(shown.as_str(), problem))
}

/// The host, an IPv6 address without its brackets.
pub(super) fn host(url: &Url) -> Result<String> {
    match url.host() {
        Some(Host::Domain(name)) => Ok(name.to_owned()),
        Some(Host::Ipv4(address)) => Ok(address.to_string()),
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
        None => Err(Error::url(url.as_str(), "it names no host")),
    }
}

/// The host, and the port if it is not the scheme's own.
pub(super) fn authority(url: &Url) -> Result<String> {
    let host = url.host_str().ok_or_else(|| Error::url(url.as_str(), "it names no host"))?;
    Ok(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}
