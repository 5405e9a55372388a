//! What a site notes of its visitors.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use token_binding::{Ekm, KeyParameters};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// What the tests watch and steer.
pub struct Shared {
    pub connections: AtomicUsize,
    /// Bytes of `/download` that were handed to HTTP, and bytes of `/upload` that came out of it.
    pub produced: AtomicUsize,
    pub consumed: AtomicUsize,
    /// `/hold` or `/upload` has come.
    pub held: Notify,
    /// How many of them may be answered.
    pub release: Semaphore,
    pub(super) alive: Mutex<CancellationToken>,
}

impl Default for Shared {
    fn default() -> Self {
        Shared {
            connections: AtomicUsize::default(),
            produced: AtomicUsize::default(),
            consumed: AtomicUsize::default(),
            held: Notify::default(),
            release: Semaphore::new(0),
            alive: Mutex::default(),
        }
    }
}

/// One connection, as the requests on it see it.
pub(crate) struct Visit {
    pub(crate) number: usize,
    pub(crate) token_binding: Option<(KeyParameters, Ekm)>,
    pub(crate) shared: Arc<Shared>,
}
