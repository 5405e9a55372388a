//! Making connections.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Uri;
use hyper_openssl::client::legacy::{HttpsLayer, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use openssl::error::ErrorStack;
use openssl::ssl::{
    ConnectConfiguration, SslConnector, SslConnectorBuilder, SslMethod, SslOptions, SslVerifyMode,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509CheckFlags;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, ToSocketAddrs};
use tower_layer::Layer;
use tower_service::Service;

use super::connection::{Session, TlsConnection};
use super::negotiation::{self, Negotiation};
use super::options::{ConnectOptions, Offer, ServerName};
use super::wildcard;
use super::wire::Wire;
use crate::error::{Error, Result};
use crate::handover::Handover;
use crate::timeout::within;

/// `SSL_OP_NO_EXTENDED_MASTER_SECRET` of OpenSSL 3, which the `openssl` crate has no name for.
const NO_EXTENDED_MASTER_SECRET: SslOptions = SslOptions::from_bits_retain(1);
/// `SSL_OP_LEGACY_SERVER_CONNECT`: go on with a server that has no renegotiation indication (RFC 5746).
const LEGACY_SERVER_CONNECT: SslOptions = SslOptions::from_bits_retain(4);
/// Sessions kept for resumption, per connector.
const SESSIONS: i32 = 1024;

/// Connects to servers. Cheap to clone; clones share their sessions.
#[derive(Clone)]
pub struct Connector {
    options: ConnectOptions,
    tls: Arc<HttpsLayer>,
}

impl Connector {
    /// Makes a connector; reads the files that the options name.
    pub fn new(options: &ConnectOptions) -> Result<Self> {
        let tls = context(options).and_then(HttpsLayer::with_connector);
        let tls = tls.map_err(Error::openssl("setting up TLS"))?;
        Ok(Connector { options: options.clone(), tls: Arc::new(tls) })
    }

    /// The same connector, sessions included, with another offer in the first handshake and in renegotiations.
    #[must_use]
    pub fn with_offer(&self, offer: Offer) -> Self {
        let mut connector = self.clone();
        connector.options.offer = offer;
        connector.options.renegotiation_offer = None;
        connector
    }

    /// The same connector, sessions included, with another server name.
    #[must_use]
    pub fn with_server_name(&self, name: ServerName) -> Self {
        let mut connector = self.clone();
        connector.options.server_name = name;
        connector
    }

    /// Connects to `address` and makes a new session with `host`, the name that the server's certificate must have.
    pub async fn connect(&self, address: impl ToSocketAddrs, host: &str) -> Result<TlsConnection> {
        self.connect_over(self.dial(address).await?, host, None).await
    }

    /// Connects and offers to resume the session. Whether the server did: [`TlsConnection::session_reused`].
    ///
    /// Token Binding is negotiated anew on resumption (RFC 8472 section 4). A TLS 1.3 ticket is used once, so each
    /// resumption takes the next of those that the session's connections were given.
    pub async fn resume(
        &self,
        address: impl ToSocketAddrs,
        host: &str,
        session: &Session,
    ) -> Result<TlsConnection> {
        self.connect_over(self.dial(address).await?, host, Some(session)).await
    }

    /// Does the TLS handshake on a TCP connection that is there already, for instance a tunnel through a proxy.
    pub async fn connect_over(
        &self,
        tcp: TcpStream,
        host: &str,
        session: Option<&Session>,
    ) -> Result<TlsConnection> {
        let session = match session {
            Some(session) if !Arc::ptr_eq(&session.connector, &self.tls) => {
                return Err(Error::ForeignSession);
            }
            Some(session) => session.clone(),
            None => Session::fresh(&self.tls),
        };
        let negotiation = Arc::new(Negotiation::new(&self.options)?);
        let limit = self.options.timeout;
        within(limit, "the TLS handshake", self.handshake(tcp, host, session, negotiation)).await
    }

    pub(crate) async fn dial(&self, address: impl ToSocketAddrs) -> Result<TcpStream> {
        within(self.options.timeout, "connecting", async {
            let tcp = TcpStream::connect(address).await.map_err(Error::io("connecting"))?;
            tcp.set_nodelay(true).map_err(Error::io("connecting"))?;
            Ok(tcp)
        })
        .await
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        host: &str,
        session: Session,
        negotiation: Arc<Negotiation>,
    ) -> Result<TlsConnection> {
        let uri = session.uri()?;
        let mut service = self.tls.layer(Handover::of(Wire::new(tcp)));
        let setup = Setup {
            negotiation: Arc::clone(&negotiation),
            server_name: match &self.options.server_name {
                ServerName::Host => {
                    Some(host).filter(|host| host.parse::<IpAddr>().is_err()).map(str::to_owned)
                }
                ServerName::Other(name) => Some(name.clone()),
                ServerName::None => None,
            },
            host: Some(host).filter(|_| !self.options.accept_any_certificate).map(str::to_owned),
        };
        service.set_callback(move |configuration, _| setup.apply(configuration));

        let stream = match service.call(uri).await {
            Ok(MaybeHttpsStream::Https(stream)) => stream,
            Ok(MaybeHttpsStream::Http(_)) => {
                return Err(Error::Handshake("the connection is not encrypted".into()));
            }
            Err(error) => {
                return Err(negotiation.take_fault().map_or_else(|| Error::Handshake(error), Error::Answer));
            }
        };
        if !self.options.accept_any_certificate
            && stream
                .ssl()
                .peer_certificate()
                .is_some_and(|certificate| wildcard::is_too_wide(&certificate, host))
        {
            return Err(Error::Handshake(
                "the certificate is for a whole public suffix, and for nobody".into(),
            ));
        }
        negotiation.established();
        let finished = negotiation.check_finished(stream.ssl());
        let mut connection =
            TlsConnection::new(TokioIo::new(stream), negotiation, session, self.options.timeout);
        if let Err(fault) = finished {
            // The fault is what matters; whether the farewell still reaches the server does not.
            let _ = connection.shutdown().await;
            return Err(Error::Answer(fault));
        }
        Ok(connection)
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Session {
    /// A session that has nothing to resume yet.
    fn fresh(connector: &Arc<HttpsLayer>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Session { connector: Arc::clone(connector), number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// `hyper-openssl` keeps sessions by the host of the URI it connects to. The real host is set by [`Setup`], so this
    /// one can be the session's own name, and no connection resumes a session that it was not told to.
    fn uri(&self) -> Result<Uri> {
        let uri =
            Uri::builder().scheme("https").authority(format!("session-{}", self.number)).path_and_query("/");
        Ok(uri.build()?)
    }
}

/// What is set on each connection's `Ssl`, not on the context.
struct Setup {
    negotiation: Arc<Negotiation>,
    server_name: Option<String>,
    /// The host that the certificate must have; `None` accepts any.
    host: Option<String>,
}

impl Setup {
    fn apply(&self, configuration: &mut ConnectConfiguration) -> Result<(), ErrorStack> {
        configuration.set_use_server_name_indication(false);
        configuration.set_verify_hostname(false);
        if let Some(name) = &self.server_name {
            configuration.set_hostname(name)?;
        }
        if let Some(host) = &self.host {
            let expected = configuration.param_mut();
            // A name is an alternative name, as it is to browsers: a common name is none (RFC 9525 section 2).
            expected
                .set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS | X509CheckFlags::NEVER_CHECK_SUBJECT);
            match host.parse::<IpAddr>() {
                Ok(address) => expected.set_ip(address)?,
                Err(_) => expected.set_host(host)?,
            }
        }
        configuration.set_ex_data(negotiation::index()?, Arc::clone(&self.negotiation));
        Ok(())
    }
}

fn context(options: &ConnectOptions) -> Result<SslConnectorBuilder, ErrorStack> {
    let mut context = SslConnector::builder(SslMethod::tls_client())?;
    context.set_min_proto_version(Some(options.min_version))?;
    context.set_max_proto_version(Some(options.max_version))?;
    context.clear_options(LEGACY_SERVER_CONNECT);
    if !options.session_tickets {
        context.set_options(SslOptions::NO_TICKET);
    }
    if !options.extended_master_secret {
        context.set_options(NO_EXTENDED_MASTER_SECRET);
    }
    if let Some(list) = &options.cipher_list {
        context.set_cipher_list(list)?;
    }
    context.set_session_cache_size(SESSIONS);
    // Otherwise OpenSSL asks for a record's head first, and then for the rest.
    context.set_read_ahead(true);

    if options.ca_file.is_some() || !options.ca_certificates.is_empty() {
        context.set_cert_store(X509StoreBuilder::new()?.build());
        if let Some(path) = &options.ca_file {
            context.set_ca_file(path)?;
        }
        for certificate in &options.ca_certificates {
            context.cert_store_mut().add_cert(certificate.clone())?;
        }
    }
    if options.accept_any_certificate {
        context.set_verify(SslVerifyMode::NONE);
    }
    if let Some((certificate, key)) = &options.client_certificate {
        context.set_certificate(certificate)?;
        context.set_private_key(key)?;
    }
    for issuer in &options.client_chain {
        context.add_extra_chain_cert(issuer.clone())?;
    }

    if !options.alpn.is_empty() {
        let mut protocols = Vec::new();
        for protocol in &options.alpn {
            // OpenSSL refuses an empty name, so one that is too long fails there.
            protocols.push(u8::try_from(protocol.len()).unwrap_or(0));
            protocols.extend_from_slice(protocol);
        }
        context.set_alpn_protos(&protocols)?;
    }
    negotiation::register(&mut context, options.lenient)?;
    Ok(context)
}
