//! TCP connections to servers.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::failure::Failure;
use crate::Resolve;
use crate::localhost::name_to_look_up;
use crate::proxies::{Proxies, Proxy};

/// How long resolving a name and reaching one of its addresses may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Finds out that a peer is gone when nothing is sent for hours, on a tunnel for instance.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Resolves names and connects, IPv6 and IPv4 as it comes (RFC 8305).
pub(super) struct Dialer {
    connector: HttpConnector,
    resolve: Vec<Resolve>,
    proxies: Proxies,
    own: SocketAddr,
}

/// A connection, and the proxy at its other end where it leads to one that is not asked for a tunnel.
pub(super) struct Dialled {
    pub(super) tcp: TcpStream,
    pub(super) proxy: Option<Proxy>,
}

impl Dialer {
    pub(super) fn new(resolve: &[Resolve], proxies: Proxies, own: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(TIMEOUT));
        connector.set_keepalive(Some(KEEP_ALIVE));
        Dialer { connector, resolve: resolve.to_vec(), proxies, own }
    }

    /// A connection to a server, through a tunnel of the proxy's if there is one above.
    pub(super) async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let resolved = Resolve::find(&self.resolve, host, port);
        let (name, at) = match resolved {
            Some(address) => (address.ip().to_string(), address.port()),
            None => (name_to_look_up(host).to_owned(), port),
        };
        let Some(proxy) = self.proxy("https", host, port)? else { return self.connect(&name, at).await };
        let tcp = self.connect(&proxy.host, proxy.port).await?;
        let tunnel = tokio::time::timeout(TIMEOUT, proxy.tunnel(tcp, &name, at));
        let no_answer = || format!("the proxy {}:{} does not answer", proxy.host, proxy.port);
        let tunnel = tunnel.await.map_err(|_| Failure::Connect(no_answer().into()))?;
        tunnel.map_err(|error| Failure::Connect(error.into()))
    }

    /// A connection for requests without TLS.
    pub(super) async fn dial_plain(&self, host: &str, port: u16) -> Result<Dialled, Failure> {
        match self.proxy("http", host, port)? {
            Some(proxy) => {
                let tcp = self.connect(&proxy.host, proxy.port).await?;
                Ok(Dialled { tcp, proxy: Some(proxy) })
            }
            None => {
                let resolved = Resolve::find(&self.resolve, host, port);
                let tcp = match resolved {
                    Some(address) => self.connect(&address.ip().to_string(), address.port()).await?,
                    None => self.connect(name_to_look_up(host), port).await?,
                };
                Ok(Dialled { tcp, proxy: None })
            }
        }
    }

    /// The proxy above. The environment may name this very agent, for all programs and so for itself.
    fn proxy(&self, scheme: &str, host: &str, port: u16) -> Result<Option<Proxy>, Failure> {
        let proxy = self.proxies.of(scheme, host, port).map_err(|error| Failure::Connect(error.into()))?;
        Ok(proxy.filter(|proxy| !proxy.is_at(self.own)))
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let uri = Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
        let uri = uri.map_err(|error| Failure::Connect(error.into()))?;

        let mut connector = self.connector.clone();
        let connecting = async {
            poll_fn(|context| connector.poll_ready(context)).await?;
            connector.call(uri).await
        };
        let tcp = match tokio::time::timeout(TIMEOUT, connecting).await {
            Ok(connected) => {
                connected.map(TokioIo::into_inner).map_err(|error| Failure::Connect(error.into()))?
            }
            Err(_) => return Err(Failure::Connect(format!("no answer within {TIMEOUT:?}").into())),
        };
        if self.is_own(&tcp) { Err(Failure::Loop) } else { Ok(tcp) }
    }

    /// Whether the connection leads back here.
    fn is_own(&self, tcp: &TcpStream) -> bool {
        let (Ok(peer), Ok(local)) = (tcp.peer_addr(), tcp.local_addr()) else { return false };
        let (ip, own) = (peer.ip().to_canonical(), self.own.ip().to_canonical());
        let everywhere = own.is_unspecified() && (ip.is_loopback() || ip == local.ip().to_canonical());
        peer.port() == self.own.port() && (ip == own || everywhere)
    }
}
