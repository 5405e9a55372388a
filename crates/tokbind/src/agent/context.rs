//! What all connections of an agent have in common.

use std::net::SocketAddr;
use std::pin::{Pin, pin};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ca::Leaves;
use super::origin::Only;
use super::referred::Referrals;
use super::report::Report;
use super::upstream::Upstream;

pub(super) struct Context {
    /// Where the agent listens.
    pub(super) address: SocketAddr,
    pub(super) leaves: Leaves,
    pub(super) upstream: Upstream,
    pub(super) referrals: Referrals,
    pub(super) only: Only,
    pub(super) report: Report,
    /// Everything that a client may be waiting for.
    pub(super) tasks: TaskTracker,
    /// Finish what is under way and begin nothing new.
    pub(super) drain: CancellationToken,
    /// Stop at once.
    pub(super) cut: CancellationToken,
}

impl Context {
    /// Serves a client's connection until it ends. When the agent drains, the connection takes no new request; when the
    /// agent cuts, it ends at once.
    pub(super) async fn serve<C, E>(&self, connection: C, drain: fn(Pin<&mut C>)) -> Result<(), E>
    where
        C: Future<Output = Result<(), E>>,
    {
        let mut connection = pin!(connection);
        tokio::select! {
            served = connection.as_mut() => return served,
            () = self.drain.cancelled() => drain(connection.as_mut()),
        }
        self.cut.run_until_cancelled(connection).await.unwrap_or(Ok(()))
    }
}
