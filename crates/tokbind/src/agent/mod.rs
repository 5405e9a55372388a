//! A local proxy that gives Token Binding to any browser, or any other program that can use a proxy.
//!
//! A browser's HTTPS goes to a proxy as a tunnel (`CONNECT`). The agent answers the TLS handshake in it in the server's
//! name, with a certificate of a local authority ([`Authority`]) that the browser was told to trust, and talks to
//! the server over a TLS connection of its own: one that verifies the server's certificate and negotiates Token
//! Binding. If the server does, each request gets a `Sec-Token-Binding` header that was signed for the very
//! connection that it is sent on, with the key of the server's registered domain. If it does not, the request goes on
//! as it is.
//!
//! - HTTP/1.1 and HTTP/2 on both sides, independently; WebSocket; bodies are passed on as they come.
//! - A `Sec-Token-Binding` header of the client's own is dropped, always.
//! - A redirect with `Include-Referred-Token-Binding-ID` gets its referred binding (RFC 8473 section 5.3).
//! - Plain `http` requests are passed on without Token Binding, and so are tunnels to hosts outside of
//!   [`AgentOptions::only`], byte by byte; and so is TLS whose client does not offer HTTP (RFC 7301), mail for instance.
//! - A client that logs in its connection (NTLM, Negotiate: RFC 4559) has a connection to the server for itself.
//!
//! # What it can't do
//! A browser sends requests without credentials (anonymous CORS requests for instance) without Token Binding, on
//! connections of their own. A proxy can't tell them from others: with the agent they carry the site's key too, and
//! such a site can recognise the visitor by it. `--ephemeral` keys limit that to one run of the agent.
//!
//! To the proxy, all programs of one address with one `User-Agent` are one client (this matters for redirects only).
//! A server's request for a client certificate can't be answered. Interim responses (103 Early Hints) are not passed on.
//! In a tunnel the client speaks first, within 15 seconds.
//!
//! # Its own pages
//! At its own address the agent serves a page that says which sites are bound, and `/proxy.pac`, which has browsers use it for the
//! domains of [`AgentOptions::only`] alone. Websites can't read either.
//!
//! The agent does not announce itself in a `Via` line, against RFC 9110 section 7.6.3: to the server it is the browser.
//!
//! # Whom it trusts
//! It listens on a loopback address unless told otherwise, because whoever reaches it uses the user's keys. That
//! includes other users of the same machine.

mod ca;
mod client;
mod context;
mod error;
mod forward;
mod headers;
mod hello;
mod intercept;
mod origin;
mod own;
mod page;
mod proxy;
mod referred;
mod relay;
mod replay;
mod report;
mod upstream;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::Client;
use self::context::Context;
use self::origin::Only;
use self::referred::Referrals;
use self::report::Report;
use self::upstream::Upstream;
use crate::keys::KeyStore;
use crate::tls::{ConnectOptions, Offer};
use crate::{KeyParameters, Proxies, Resolve};

pub use ca::Authority;
pub use error::{Error, Result};

/// The port that the agent listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 8473;
/// How long to wait when the system has no more file descriptors.
const BREATHER: Duration = Duration::from_millis(100);
/// How long tasks may take to notice that they have been cut.
const CUT: Duration = Duration::from_secs(2);

/// Whether these can be [`AgentOptions::only`].
///
/// # Errors
/// [`Error::NotADomain`]
pub fn check_domains(domains: &[String]) -> Result<()> {
    Only::new(domains).map(|_| ())
}

/// How the agent works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AgentOptions {
    /// Where to listen. Default: port [`DEFAULT_PORT`] on 127.0.0.1.
    pub listen: SocketAddr,
    /// Whether `listen` may be an address that other machines can reach. Default: no.
    pub allow_remote: bool,
    /// The domains, with all below them, that get Token Binding; everything else is passed on untouched. Unicode will do.
    /// Default: empty, which means all.
    pub only: Vec<String>,
    /// Where to connect instead of where a host's name leads to. For tests and debugging.
    pub resolve: Vec<Resolve>,
    /// By which proxies to reach servers. Default: none, whatever the environment says. The agent itself is not asked.
    pub proxies: Proxies,
    /// How to connect to servers. Its application protocols are the agent's business. Default: as in
    /// [`ConnectOptions`], offering all key parameters, ecdsap256 first.
    pub connect: ConnectOptions,
    /// The connections that clients may have at a time; more wait. Default: 1024.
    pub max_connections: usize,
    /// How long requests and tunnels that are under way may take when the agent ends. Default: 10 seconds.
    pub drain: Duration,
}

impl Default for AgentOptions {
    fn default() -> Self {
        let offer =
            Offer::v1([KeyParameters::ECDSAP256, KeyParameters::RSA2048_PSS, KeyParameters::RSA2048_PKCS1_5]);
        AgentOptions {
            listen: (Ipv4Addr::LOCALHOST, DEFAULT_PORT).into(),
            allow_remote: false,
            only: Vec::new(),
            resolve: Vec::new(),
            proxies: Proxies::default(),
            connect: ConnectOptions::new().offer(offer),
            max_connections: 1024,
            drain: Duration::from_secs(10),
        }
    }
}

impl AgentOptions {
    /// What can be told before anything is done.
    fn check(&self, listen: SocketAddr) -> Result<()> {
        if !self.allow_remote && !listen.ip().to_canonical().is_loopback() {
            return Err(Error::NotLoopback { address: listen });
        }
        check_domains(&self.only)
    }
}

/// An agent that listens.
///
/// ```no_run
/// use tokbind::keys::KeyStore;
/// use tokbind::agent::{Agent, AgentOptions, Authority};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let agent = Agent::bind(AgentOptions::default(), Authority::open(None)?, KeyStore::open(None)?).await?;
/// println!("the proxy is http://{}", agent.address());
/// agent.run(async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await;
/// # Ok(())
/// # }
/// ```
pub struct Agent {
    listener: TcpListener,
    address: SocketAddr,
    context: Arc<Context>,
    max_connections: usize,
    drain: Duration,
}

impl Agent {
    /// Starts to listen. Clients are answered when the agent [runs](Self::run).
    ///
    /// # Errors
    /// [`Error::NotLoopback`], [`Error::NotADomain`], [`Error::Listen`], and when TLS can't be set up as the options say.
    pub async fn bind(options: AgentOptions, authority: Authority, keys: KeyStore) -> Result<Self> {
        let listen = options.listen;
        options.check(listen)?;
        let listener = TcpListener::bind(listen).await;
        Agent::on(
            listener.map_err(|source| Error::Listen { address: listen, source })?,
            options,
            authority,
            keys,
        )
    }

    /// Takes a socket that listens already, systemd's for instance; the options' own address does not matter.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn on(
        listener: TcpListener,
        options: AgentOptions,
        authority: Authority,
        keys: KeyStore,
    ) -> Result<Self> {
        let listen = options.listen;
        let address = listener.local_addr().map_err(|source| Error::Listen { address: listen, source })?;
        options.check(address)?;
        let AgentOptions { only, resolve, proxies, connect, max_connections, drain, .. } = options;
        let context = Context {
            address,
            leaves: ca::Leaves::new(Arc::new(authority))?,
            upstream: Upstream::new(&connect, &resolve, proxies, keys, address)?,
            referrals: Referrals::default(),
            only: Only::new(&only)?,
            report: Report::default(),
            tasks: TaskTracker::new(),
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
        };
        Ok(Agent { listener, address, context: Arc::new(context), max_connections, drain })
    }

    /// Where the agent listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves clients until `shutdown` is ready; then finishes what is under way, as long as the options allow.
    ///
    /// Returns how many connections had to be cut.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> usize {
        let Agent { listener, context, max_connections, drain, .. } = self;
        let permits = Arc::new(Semaphore::new(max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        tokio::select! {
            () = shutdown => {}
            () = accept(&listener, &context, &permits) => {}
            () = context.upstream.keep_clean() => {}
        }
        drop(listener);
        context.drain.cancel();
        context.tasks.close();
        if tokio::time::timeout(drain, context.tasks.wait()).await.is_ok() {
            return 0;
        }
        let left = context.tasks.len();
        tracing::warn!(connections = left, "still busy: cut");
        context.cut.cancel();
        // Whoever does not notice is at an await point where dropping it does no harm.
        let _ = tokio::time::timeout(CUT, context.tasks.wait()).await;
        left
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn accept(listener: &TcpListener, context: &Arc<Context>, permits: &Arc<Semaphore>) {
    // Never closed, so there always is one in the end.
    while let Ok(permit) = Arc::clone(permits).acquire_owned().await {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                if let Err(error) = tcp.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "no TCP_NODELAY");
                }
                let client = Client::new(peer, permit);
                context.tasks.spawn(proxy::serve(Arc::clone(context), tcp, client));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}
