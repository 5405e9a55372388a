//! A client of the agent, and what it may send.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

/// How long a client may take for the head of a request, the time between two requests included.
pub(super) const READ_HEAD: Duration = Duration::from_secs(60);
/// What a client may send as the head of a request: cookies of several kilobytes are common.
pub(super) const MAX_HEAD: usize = 128 * 1024;

/// A client's address and its permit: one of the connections that clients may have at a time. A tunnel or WebSocket that the
/// connection becomes keeps the permit.
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
