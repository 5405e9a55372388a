//! One way to put a limit on waiting for a peer.

use std::time::Duration;

use crate::error::{Error, Result};

/// How long an operation may wait for the network unless told otherwise.
pub(crate) const DEFAULT: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(
    limit: Duration,
    doing: &'static str,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(Error::Timeout { doing, limit }))
}
