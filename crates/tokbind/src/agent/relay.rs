//! Bytes that are only passed on: tunnels without Token Binding, and what an upgraded connection carries.

use std::sync::Arc;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;

use super::context::Context;
use super::origin::Origin;

/// Passes bytes between the client and a server that gets no Token Binding.
pub(super) async fn blind(context: Arc<Context>, on_upgrade: OnUpgrade, server: TcpStream, origin: Origin) {
    match on_upgrade.await {
        Ok(upgraded) => pass(&context, TokioIo::new(upgraded), server, &origin).await,
        Err(error) => tracing::debug!(%origin, %error, "no tunnel"),
    }
}

/// Passes bytes between the two ends of an upgraded connection.
pub(super) async fn join(context: &Context, browser: Upgraded, server: Upgraded, origin: &Origin) {
    pass(context, TokioIo::new(browser), TokioIo::new(server), origin).await;
}

/// Passes bytes both ways until both ends are done, or the agent cuts the connection.
pub(super) async fn pass<A, B>(context: &Context, mut a: A, mut b: B, origin: &Origin)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        copied = copy_bidirectional(&mut a, &mut b) => match copied {
            Ok((sent, received)) => tracing::debug!(%origin, sent, received, "a tunnel ended"),
            Err(error) => tracing::debug!(%origin, %error, "a tunnel ended"),
        },
        () = context.cut.cancelled() => tracing::debug!(%origin, "a tunnel was cut"),
    }
}
