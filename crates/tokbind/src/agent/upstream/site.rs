//! The connections to one server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::connection::Connection;
use super::failure::Failure;
use super::load::{Sends, Slots};
use crate::tls::Session;

/// HTTP/1.1 requests to one server at a time. More wait.
const MAX_ACTIVE: usize = 256;
/// HTTP/1.1 connections kept for later. As many as there can be requests: with fewer, a client that keeps all of them busy
/// would see connections closed and made again all the time.
const MAX_IDLE: usize = MAX_ACTIVE;
/// HTTP/2 connections to one server. One is enough until a request would have to wait for others.
const MAX_SHARED: usize = 8;
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
    /// The server refused a request over HTTP/2, so it is no longer offered any.
    http1_required: bool,
    shared: Vec<(Connection, Instant)>,
    idle: Vec<(Connection, Instant)>,
    session: Option<Session>,
    /// The latest attempt to connect, if it failed: its end and why.
    failed: Option<(Instant, Arc<Failure>)>,
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

    /// Whether anything is known of the server, or was found out in vain.
    pub(super) fn is_known(&self) -> bool {
        let state = self.state();
        state.http1 || !state.shared.is_empty() || !state.idle.is_empty() || state.failed.is_some()
    }

    pub(super) fn chose_http1(&self) {
        self.state().http1 = true;
    }

    /// Whether the server refuses HTTP/2.
    pub(super) fn requires_http1(&self) -> bool {
        self.state().http1_required
    }

    /// The server wants HTTP/1.1 (RFC 9113 section 7).
    pub(super) fn require_http1(&self) {
        let mut state = self.state();
        (state.http1, state.http1_required) = (true, true);
        state.shared.clear();
    }

    /// Why the attempt failed that ended since: whoever waited for it need not try for himself.
    pub(super) fn failure_since(&self, since: Instant) -> Option<Arc<Failure>> {
        let state = self.state();
        state.failed.as_ref().filter(|(ended, _)| *ended >= since).map(|(_, failure)| Arc::clone(failure))
    }

    pub(super) fn failed(&self, failure: &Arc<Failure>) {
        self.state().failed = Some((Instant::now(), Arc::clone(failure)));
    }

    pub(super) fn session(&self) -> Option<Session> {
        self.state().session.clone()
    }

    pub(super) fn keep_session(&self, session: Session) {
        self.state().session.get_or_insert(session);
    }

    /// A handle of a connection that requests share, with a place on it. With as many connections as there may be, it is the
    /// one with the fewest requests.
    pub(super) fn shared(&self, sends: Sends) -> Option<(Connection, Slots)> {
        let mut state = self.state();
        state.forget_what_is_over();
        let full = state.shared.len() >= MAX_SHARED;
        let found =
            state.shared.iter().enumerate().find_map(|(place, (connection, _))| {
                connection.load().take(sends).map(|slots| (place, slots))
            });
        let (place, slots) = found.or_else(|| {
            let loads = state.shared.iter().map(|(connection, _)| connection.load()).enumerate();
            let (place, load) = loads.filter(|_| full).min_by_key(|(_, load)| load.streams())?;
            Some((place, load.squeeze(sends)))
        })?;
        let (connection, used) = state.shared.get_mut(place)?;
        *used = Instant::now();
        Some((connection.share()?, slots))
    }

    /// A connection that was used before, the latest one: it is the least likely to have been closed.
    pub(super) fn take_idle(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut state = self.state();
        while let Some((connection, since)) = state.idle.pop() {
            if !connection.is_over() && now.saturating_duration_since(since) < IDLE {
                return Some(connection);
            }
        }
        None
    }

    /// Forgets a connection on which a request failed, so that no other request uses it.
    pub(super) fn forget(&self, connection: &Connection) {
        self.state().shared.retain(|(shared, _)| !shared.is(connection));
    }

    /// Keeps a connection that requests share.
    pub(super) fn keep_shared(&self, connection: Connection) {
        let mut state = self.state();
        state.http1 = false;
        state.shared.push((connection, Instant::now()));
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
            !connection.is_over() && now.saturating_duration_since(since) < IDLE
        };
        state.idle.retain(|(connection, since)| fresh(connection, *since));
        // Requests that are under way on it have handles of their own: it closes after the last one.
        state.shared.retain(|(connection, used)| fresh(connection, *used));
        !(state.shared.is_empty() && state.idle.is_empty())
    }
}

impl State {
    /// A connection that is known by a deleted key has a session that is known by it too.
    fn forget_what_is_over(&mut self) {
        let before = self.shared.len();
        self.shared.retain(|(connection, _)| !connection.is_over());
        if self.shared.len() < before {
            self.session = None;
        }
    }
}
