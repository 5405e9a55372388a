//! A client of the agent, and what it may send.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

/// How long a client may take for the head of a request, the time between two requests included.
pub(super) const READ_HEAD: Duration = Duration::from_secs(60);
/// What a client may send as the head of a request: cookies of several kilobytes are common.
pub(super) const MAX_HEAD: usize = 128 * 1024;

/// Who is served, and one of the connections that clients may have at a time: what comes of the connection, a tunnel or
/// a WebSocket, keeps it.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, permit: OwnedSemaphorePermit) -> Self {
        Client { address, _permit: Arc::new(permit) }
    }
}
