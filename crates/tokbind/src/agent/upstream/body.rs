//! The bodies of requests and responses, on their way through.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming, SizeHint};

use super::load::{Slot, Traffic};

/// A request's or response's body on its way through. Frames are passed on as they come; nothing is collected.
pub(in crate::agent) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended too early.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent) enum BodyError {
    /// On the connection that it comes from.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// On the way to a server, because the request goes out again.
    #[error("the request is sent again")]
    Superseded,
}

/// A request's body, and the slot that it has until it is sent.
pub(super) struct Upload {
    body: Body,
    _slot: Option<Slot>,
}

impl Upload {
    pub(super) fn new(body: Body, slot: Option<Slot>) -> Self {
        Upload { body, _slot: slot }
    }
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// HTTP/2's connection is a task of its own, which tells the server that there is room again. It has to run before the server has
/// used up the window, or else both wait for each other by turns.
const TURN: usize = 256 * 1024;

/// A response's body, and the slot that it has until it is read.
pub(super) struct Download {
    body: Incoming,
    /// How many bytes may pass before the connection gets its turn.
    turn: usize,
    traffic: Arc<Traffic>,
    _slot: Option<Slot>,
}

impl Download {
    pub(super) fn through(body: Incoming, traffic: Arc<Traffic>, slot: Option<Slot>) -> Body {
        Download { body, turn: TURN, traffic, _slot: slot }.boxed_unsync()
    }
}

impl hyper::body::Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.turn == 0 {
            self.turn = TURN;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len);
            self.turn = self.turn.saturating_sub(length);
            self.traffic.delivered(length);
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
