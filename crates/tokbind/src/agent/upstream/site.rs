//! The connections to one server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::connection::Connection;
use crate::tls::Session;

/// HTTP/1.1 requests to one server at a time. More wait.
const MAX_ACTIVE: usize = 256;
/// HTTP/1.1 connections kept for later. As many as there can be requests: with fewer, a client that keeps all of them busy
/// would see connections closed and made again all the time.
const MAX_IDLE: usize = MAX_ACTIVE;
/// How long a connection is kept that nobody uses. Servers keep theirs for about as long.
const IDLE: Duration = Duration::from_secs(50);

/// The connections to one server.
pub(super) struct Site {
    state: Mutex<State>,
    /// Held while connecting to a server that may speak HTTP/2: one connection is enough for all who wait.
    pub(super) connecting: tokio::sync::Mutex<()>,
    pub(super) active: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    /// The server chose HTTP/1.1, so each request at a time needs a connection of its own.
    http1: bool,
    shared: Option<(Connection, Instant)>,
    idle: Vec<(Connection, Instant)>,
    session: Option<Session>,
}

impl Default for Site {
    fn default() -> Self {
        Site {
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            active: Arc::new(Semaphore::new(MAX_ACTIVE)),
        }
    }
}

impl Site {
    /// Nothing that holds this lock can panic half-way through a change, so a poisoned one is as good as new.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether each request at a time needs a connection of its own.
    pub(super) fn speaks_http1(&self) -> bool {
        self.state().http1
    }

    pub(super) fn chose_http1(&self) {
        self.state().http1 = true;
    }

    pub(super) fn session(&self) -> Option<Session> {
        self.state().session.clone()
    }

    pub(super) fn keep_session(&self, session: Session) {
        self.state().session.get_or_insert(session);
    }

    /// A handle of the connection that all requests share, if there is one.
    pub(super) fn shared(&self) -> Option<Connection> {
        let mut state = self.state();
        let (shared, used) = state.shared.as_mut()?;
        if shared.is_closed() {
            state.shared = None;
            return None;
        }
        *used = Instant::now();
        shared.share()
    }

    /// A connection that was used before, the latest one: it is the least likely to have been closed.
    pub(super) fn take_idle(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut state = self.state();
        while let Some((connection, since)) = state.idle.pop() {
            if !connection.is_closed() && now.duration_since(since) < IDLE {
                return Some(connection);
            }
        }
        None
    }

    /// Forgets a connection on which a request failed, so that no other request uses it.
    pub(super) fn forget(&self, connection: &Connection) {
        self.state().shared.take_if(|(shared, _)| shared.is(connection));
    }

    /// Keeps the connection that all requests share.
    pub(super) fn keep_shared(&self, connection: Connection) {
        let mut state = self.state();
        state.http1 = false;
        state.shared = Some((connection, Instant::now()));
    }

    /// Takes back a connection that is ready for another request.
    pub(super) fn keep_idle(&self, connection: Connection) {
        let mut state = self.state();
        if state.idle.len() < MAX_IDLE {
            state.idle.push((connection, Instant::now()));
        }
    }

    /// Closes connections that nobody has used for a while. Returns whether any is left.
    pub(super) fn sweep(&self, now: Instant) -> bool {
        let mut state = self.state();
        let fresh = |connection: &Connection, since: Instant| {
            !connection.is_closed() && now.saturating_duration_since(since) < IDLE
        };
        state.idle.retain(|(connection, since)| fresh(connection, *since));
        // Requests that are under way on it have handles of their own: it closes after the last one.
        state.shared.take_if(|(connection, used)| !fresh(connection, *used));
        state.shared.is_some() || !state.idle.is_empty()
    }
}
