//! What all connections of an agent have in common.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ca::Leaves;
use super::origin::Only;
use super::referred::Referrals;
use super::upstream::Upstream;

pub(super) struct Context {
    pub(super) leaves: Leaves,
    pub(super) upstream: Upstream,
    pub(super) referrals: Referrals,
    pub(super) only: Only,
    /// Everything that a client may be waiting for.
    pub(super) tasks: TaskTracker,
    /// Finish what is under way and begin nothing new.
    pub(super) drain: CancellationToken,
    /// Stop at once.
    pub(super) cut: CancellationToken,
}
