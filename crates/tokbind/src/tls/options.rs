//! How to connect.

use std::path::{Path, PathBuf};
use std::time::Duration;

use openssl::pkey::{PKey, Private};
use openssl::ssl::SslVersion;
use openssl::x509::X509;

use crate::{KeyParameters, ProtocolVersion, timeout};

/// What the `token_binding` extension of a ClientHello holds (RFC 8472 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offer {
    /// No extension.
    None,
    /// The highest version the client speaks and its key parameters, the preferred ones first.
    Parameters {
        /// The version.
        version: ProtocolVersion,
        /// The key parameters.
        key_parameters: Vec<KeyParameters>,
    },
    /// Any bytes, well-formed or not.
    Raw(Vec<u8>),
}

impl Offer {
    /// Token Binding 1.0 with these key parameters, the preferred ones first.
    pub fn v1(key_parameters: impl Into<Vec<KeyParameters>>) -> Self {
        Offer::Parameters { version: ProtocolVersion::V1_0, key_parameters: key_parameters.into() }
    }
}

/// Token Binding 1.0 with ecdsap256, which is what browsers offered.
impl Default for Offer {
    fn default() -> Self {
        Offer::v1([KeyParameters::ECDSAP256])
    }
}

/// What the `server_name` extension holds (RFC 6066 section 3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerName {
    /// The host being connected to, unless it is an address.
    #[default]
    Host,
    /// This name, whatever the host is.
    Other(String),
    /// No extension.
    None,
}

/// How to connect. A new one is strict, verifies certificates with the system's CAs and offers Token Binding 1.0.
#[derive(Clone)]
pub struct ConnectOptions {
    pub(crate) min_version: SslVersion,
    pub(crate) max_version: SslVersion,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) server_name: ServerName,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) ca_certificates: Vec<X509>,
    pub(crate) accept_any_certificate: bool,
    pub(crate) client_certificate: Option<(X509, PKey<Private>)>,
    pub(crate) client_chain: Vec<X509>,
    pub(crate) session_tickets: bool,
    pub(crate) extended_master_secret: bool,
    pub(crate) cipher_list: Option<String>,
    pub(crate) offer: Offer,
    pub(crate) renegotiation_offer: Option<Offer>,
    pub(crate) oldest_version: ProtocolVersion,
    pub(crate) lenient: bool,
    pub(crate) timeout: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            min_version: SslVersion::TLS1_2,
            max_version: SslVersion::TLS1_3,
            alpn: Vec::new(),
            server_name: ServerName::default(),
            ca_file: None,
            ca_certificates: Vec::new(),
            accept_any_certificate: false,
            client_certificate: None,
            client_chain: Vec::new(),
            session_tickets: true,
            extended_master_secret: true,
            cipher_list: None,
            offer: Offer::default(),
            renegotiation_offer: None,
            oldest_version: ProtocolVersion::OLDEST,
            lenient: false,
            timeout: timeout::DEFAULT,
        }
    }
}

impl ConnectOptions {
    /// The defaults.
    pub fn new() -> Self {
        ConnectOptions::default()
    }

    /// The oldest and the newest TLS version. Default: 1.2 and 1.3.
    #[must_use]
    pub fn tls_versions(mut self, min: SslVersion, max: SslVersion) -> Self {
        (self.min_version, self.max_version) = (min, max);
        self
    }

    /// Exactly one TLS version.
    #[must_use]
    pub fn tls_version(self, version: SslVersion) -> Self {
        self.tls_versions(version, version)
    }

    /// The application protocols to offer, the preferred ones first (RFC 7301), as in `["h2", "http/1.1"]`. Default: none.
    #[must_use]
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(|protocol| protocol.as_ref().to_vec()).collect();
        self
    }

    /// The server name to indicate. Default: the host. The certificate must fit the host in any case.
    #[must_use]
    pub fn server_name(mut self, name: ServerName) -> Self {
        self.server_name = name;
        self
    }

    /// Trust the CA certificates of this PEM file and no others.
    #[must_use]
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Self {
        self.ca_file = Some(path.as_ref().to_owned());
        self
    }

    /// Trust this CA certificate, and no others than those given.
    #[must_use]
    pub fn ca_certificate(mut self, certificate: X509) -> Self {
        self.ca_certificates.push(certificate);
        self
    }

    /// Take any certificate for any name. The connection is then with whoever answers: for tests only.
    #[must_use]
    pub fn accept_any_certificate(mut self, accept: bool) -> Self {
        self.accept_any_certificate = accept;
        self
    }

    /// The certificate and key to show to a server that asks for one.
    #[must_use]
    pub fn client_certificate(mut self, certificate: X509, key: PKey<Private>) -> Self {
        self.client_certificate = Some((certificate, key));
        self
    }

    /// The certificates between the client's and a CA that servers know, to send along; the client's issuer first.
    #[must_use]
    pub fn client_chain(mut self, issuers: impl IntoIterator<Item = X509>) -> Self {
        self.client_chain = issuers.into_iter().collect();
        self
    }

    /// Whether to ask for session tickets on TLS 1.2 (RFC 5077); without them sessions are resumed by their id.
    /// Default: on.
    #[must_use]
    pub fn session_tickets(mut self, on: bool) -> Self {
        self.session_tickets = on;
        self
    }

    /// Whether to offer the Extended Master Secret on TLS 1.2 (RFC 7627). Default: on. Needs OpenSSL 3 to be turned off.
    #[must_use]
    pub fn extended_master_secret(mut self, on: bool) -> Self {
        self.extended_master_secret = on;
        self
    }

    /// OpenSSL's cipher list for TLS 1.2, as in `ECDHE+AESGCM`.
    #[must_use]
    pub fn cipher_list(mut self, list: &str) -> Self {
        self.cipher_list = Some(list.to_owned());
        self
    }

    /// What to offer. Default: Token Binding 1.0 with ecdsap256.
    #[must_use]
    pub fn offer(mut self, offer: Offer) -> Self {
        self.offer = offer;
        self
    }

    /// What to offer when the server renegotiates (TLS 1.2). Default: the same as at first.
    #[must_use]
    pub fn renegotiation_offer(mut self, offer: Offer) -> Self {
        self.renegotiation_offer = Some(offer);
        self
    }

    /// The oldest Token Binding version to speak when the server chooses it. Default: 0.13, the first with RFC 8471's
    /// wire format. When the server chooses an older one the connection goes on without (RFC 8472 section 4).
    #[must_use]
    pub fn oldest_version(mut self, version: ProtocolVersion) -> Self {
        self.oldest_version = version;
        self
    }

    /// Record the server's answer instead of ending the connection when it breaks a rule. For testing servers: a binding
    /// made on such a connection may be open to the triple handshake attack (RFC 8471 section 7.4). Default: off.
    #[must_use]
    pub fn lenient(mut self, lenient: bool) -> Self {
        self.lenient = lenient;
        self
    }

    /// How long each network operation may take. Default: 30 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Leaves the client's private key out.
impl std::fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("min_version", &self.min_version)
            .field("max_version", &self.max_version)
            .field("server_name", &self.server_name)
            .field("offer", &self.offer)
            .field("renegotiation_offer", &self.renegotiation_offer)
            .field("lenient", &self.lenient)
            .finish_non_exhaustive()
    }
}
