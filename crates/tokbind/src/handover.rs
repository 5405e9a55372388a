//! The "dialling" half that connectors of hyper's family ask for, where the connection is there already.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::rt::TokioIo;
use tower_service::Service;

/// Hands over a connection, once.
pub(crate) struct Handover<T>(Option<T>);

impl<T> Handover<T> {
    pub(crate) fn of(connection: T) -> Self {
        Handover(Some(connection))
    }
}

impl<T> Service<Uri> for Handover<T> {
    type Response = TokioIo<T>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().map(TokioIo::new).ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}
