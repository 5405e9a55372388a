//! A page of a server.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use tokio::net::lookup_host;

use crate::error::{Error, Result};
use crate::localhost::name_to_look_up;
use crate::message::Request;
use crate::resolve::Resolve;
use crate::tls::ConnectOptions;

/// A page of a server that `check` or `bench` works on.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) options: ConnectOptions,
    address: Option<SocketAddr>,
}

impl Target {
    /// A page. It should be one that anybody can see, and at best one that shows the visitor's Token Binding ID.
    ///
    /// # Errors
    /// [`Error::Url`] when it is not an https URL.
    pub fn new(url: &str, options: ConnectOptions) -> Result<Self> {
        let wrong = |problem: &str| Error::url(url, problem);
        let uri: Uri = url.parse().map_err(|_| wrong("it is not a URL"))?;
        if uri.scheme_str() != Some("https") {
            return Err(wrong("Token Binding needs https"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it has no host"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Target {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(443),
            path: path.to_owned(),
            options,
            address: None,
        })
    }

    /// The host that the URL names.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that the URL names, or 443.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connects to this address, whatever the name server says.
    #[must_use]
    pub fn resolve(mut self, address: IpAddr) -> Self {
        self.address = Some(SocketAddr::new(address, self.port));
        self
    }

    /// Connects where the last of these says that is for the target's host and port.
    #[must_use]
    pub fn resolve_by(mut self, all: &[Resolve]) -> Self {
        self.address = Resolve::find(all, &self.host, self.port).or(self.address);
        self
    }

    pub(crate) async fn address(&self) -> Result<SocketAddr> {
        if let Some(address) = self.address {
            return Ok(address);
        }
        let failed = |source| Error::Io { doing: "looking up the host", source };
        let mut found = lookup_host((name_to_look_up(&self.host), self.port)).await.map_err(failed)?;
        found.next().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
    }

    /// A request for the page.
    #[must_use]
    pub fn page(&self) -> Request {
        self.request()
    }

    pub(crate) fn request(&self) -> Request {
        let host = match self.port {
            443 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        };
        Request::get(&host, &self.path)
    }
}
