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

/// How long resolving a name and reaching one of its addresses may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Finds out that a peer is gone when nothing is sent for hours, on a tunnel for instance.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Resolves names and connects, IPv6 and IPv4 as it comes (RFC 8305).
pub(super) struct Dialer {
    connector: HttpConnector,
    resolve: Vec<Resolve>,
    own: SocketAddr,
}

impl Dialer {
    pub(super) fn new(resolve: &[Resolve], own: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(TIMEOUT));
        connector.set_keepalive(Some(KEEP_ALIVE));
        Dialer { connector, resolve: resolve.to_vec(), own }
    }

    pub(super) async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let authority = match Resolve::find(&self.resolve, host, port) {
            Some(address) => address.to_string(),
            None if host.contains(':') => format!("[{host}]:{port}"),
            None => format!("{}:{port}", name_to_look_up(host)),
        };
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
