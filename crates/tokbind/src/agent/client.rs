//! A client of the agent, and what it may send.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::origin::Origin;
use super::upstream::Connection;

/// How long a client may take for the head of a request, the time between two requests included.
pub(super) const READ_HEAD: Duration = Duration::from_secs(60);
/// What a client may send as the head of a request: cookies of several kilobytes are common.
pub(super) const MAX_HEAD: usize = 128 * 1024;
/// Servers that one connection of a client can be logged in to. A tunnel leads to one.
const MAX_OWN: usize = 8;

/// A client's connection: its address and its permit, one of the connections that clients may have at a time. A tunnel or
/// WebSocket that the connection becomes keeps the permit.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    own: Arc<Mutex<Vec<(Origin, Connection)>>>,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, permit: OwnedSemaphorePermit) -> Self {
        Client { address, own: Arc::default(), _permit: Arc::new(permit) }
    }

    /// The connection to the server that is this client connection's alone, if there is one.
    pub(super) fn take_own(&self, origin: &Origin) -> Option<Connection> {
        let mut own = self.own();
        let place = own.iter().position(|(server, _)| server == origin)?;
        Some(own.swap_remove(place).1)
    }

    /// Keeps a connection for this client connection alone: NTLM and Negotiate log in connections, so that others would be
    /// served as this client (RFC 4559 section 6).
    pub(super) fn keep_own(&self, origin: Origin, connection: Connection) {
        let mut own = self.own();
        if own.len() >= MAX_OWN {
            own.remove(0);
        }
        own.push((origin, connection));
    }

    fn own(&self) -> MutexGuard<'_, Vec<(Origin, Connection)>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
