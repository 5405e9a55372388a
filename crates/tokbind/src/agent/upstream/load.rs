//! What is under way on a connection to a server, and what the server may send besides.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::body::Body;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Requests at a time on an HTTP/2 connection.
pub(super) const MAX_STREAMS: u32 = 256;
/// What a server may send of a response that nobody reads (RFC 9113 section 5.2).
pub(super) const STREAM_WINDOW: u32 = 1024 * 1024;
/// As much for each of the streams at once, so that no stream has to wait for another one's reader.
pub(super) const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;
/// What a server may send as the head of a response.
pub(super) const MAX_HEAD: u32 = 256 * 1024;
/// A body up to this is sent before anybody could notice that the server does not read.
const SMALL: u64 = 32 * 1024;
/// What a frame or chunk of a body costs on the wire, at most and with TLS taken off.
const FRAMING: i64 = 256;

/// How much a request sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Sends {
    Nothing,
    Little,
    /// Or nobody knows how much.
    Much,
}

impl Sends {
    pub(in crate::agent) fn of(body: &impl Body) -> Self {
        match body.size_hint().exact() {
            _ if body.is_end_stream() => Sends::Nothing,
            Some(length) if length <= SMALL => Sends::Little,
            _ => Sends::Much,
        }
    }
}

/// The requests that are under way on a connection.
#[derive(Default)]
pub(super) struct Load {
    counts: Mutex<Counts>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    streams: u32,
    little: u32,
    much: u32,
}

impl Counts {
    fn of(&mut self, what: What) -> &mut u32 {
        match what {
            What::Stream => &mut self.streams,
            What::Body(Sends::Much) => &mut self.much,
            What::Body(_) => &mut self.little,
        }
    }

    /// A server that does not read a request's body has the window of the whole connection used up by it. So what is sent
    /// behind a large body goes on another connection.
    fn have_room_for(self, sends: Sends) -> bool {
        self.streams < MAX_STREAMS
            && match sends {
                Sends::Nothing => true,
                Sends::Little => self.much == 0,
                Sends::Much => self.much == 0 && self.little == 0,
            }
    }
}

#[derive(Clone, Copy)]
enum What {
    Stream,
    Body(Sends),
}

impl Load {
    /// The slots for one more request, if that would not have to wait for the others.
    pub(super) fn take(self: &Arc<Self>, sends: Sends) -> Option<Slots> {
        let has_room = self.counts().have_room_for(sends);
        has_room.then(|| self.squeeze(sends))
    }

    /// The slots for one more request, whether it will have to wait or not.
    pub(super) fn squeeze(self: &Arc<Self>, sends: Sends) -> Slots {
        let slot = |what| {
            *self.counts().of(what) += 1;
            Slot { load: Arc::clone(self), what }
        };
        let sent = (sends != Sends::Nothing).then(|| slot(What::Body(sends)));
        Slots { stream: Some(slot(What::Stream)), sent }
    }

    pub(super) fn streams(&self) -> u32 {
        self.counts().streams
    }

    /// Plain numbers: nothing leaves them half changed.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's places on a connection: until its response is read, and until its body is sent.
pub(super) struct Slots {
    pub(super) stream: Option<Slot>,
    pub(super) sent: Option<Slot>,
}

pub(super) struct Slot {
    load: Arc<Load>,
    what: What,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.load.counts();
        let count = counts.of(self.what);
        *count = count.saturating_sub(1);
    }
}

/// How many bytes a server may still send that are nobody's body: heads, interim responses, frames that say nothing. A
/// server without end of these would keep the agent busy for ever.
pub(super) struct Traffic {
    left: AtomicI64,
}

/// For one request: its head, some interim responses, and what may arrive of a body that the client does not want any more.
const PER_REQUEST: i64 = MAX_HEAD as i64 + STREAM_WINDOW as i64;

impl Default for Traffic {
    fn default() -> Self {
        Traffic { left: AtomicI64::new(PER_REQUEST) }
    }
}

impl Traffic {
    /// One more request is sent; `alone`: and no other one is under way.
    pub(super) fn asked(&self, alone: bool) {
        if alone {
            self.left.store(PER_REQUEST, Ordering::Relaxed);
        } else {
            self.left.fetch_add(PER_REQUEST, Ordering::Relaxed);
        }
    }

    /// So much of a body has reached its reader.
    pub(super) fn delivered(&self, bytes: usize) {
        self.left.fetch_add(i64::try_from(bytes).unwrap_or(0) + FRAMING, Ordering::Relaxed);
    }

    /// The connection is no longer HTTP.
    pub(super) fn unlimited(&self) {
        self.left.store(i64::MAX / 2, Ordering::Relaxed);
    }

    fn received(&self, bytes: usize) -> io::Result<()> {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.left.fetch_sub(bytes, Ordering::Relaxed) < bytes {
            return Err(io::Error::other("the server sends without end, and no response"));
        }
        Ok(())
    }
}

/// A connection whose traffic is counted.
pub(super) struct Metered<S> {
    stream: S,
    traffic: Arc<Traffic>,
    /// What went wrong behind the bytes that were read last. A connection tells a fault once.
    failed: Option<io::Error>,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, traffic: Arc<Traffic>) -> Self {
        Metered { stream, traffic, failed: None }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        // TLS gives a record at a time. What is there already is better passed on in one piece: each piece wakes another task.
        let read = loop {
            let so_far = buffer.filled().len();
            let read = Pin::new(&mut self.stream).poll_read(context, buffer);
            let is_more = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() > so_far;
            if !is_more || buffer.remaining() == 0 {
                break read;
            }
        };
        let received = buffer.filled().len().saturating_sub(before);
        match read {
            other if received == 0 => other,
            Poll::Ready(Err(error)) => {
                self.failed = Some(error);
                Poll::Ready(self.traffic.received(received))
            }
            // An end comes again.
            _ => Poll::Ready(self.traffic.received(received)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn what_follows_a_large_body_goes_elsewhere_and_a_download_need_not() {
        let load = Arc::new(Load::default());
        let large = load.take(Sends::Much).unwrap();
        assert!(load.take(Sends::Little).is_none() && load.take(Sends::Much).is_none());
        let download = load.take(Sends::Nothing).unwrap();
        assert_eq!(load.streams(), 2);
        // The body is sent, and the response is still to come.
        let Slots { stream, sent } = large;
        drop(sent);
        let little = load.take(Sends::Little).unwrap();
        assert!(load.take(Sends::Much).is_none());
        drop((stream, download, little));
        assert_eq!(load.streams(), 0);
        assert!(load.take(Sends::Much).is_some());
    }

    #[test]
    fn a_connection_takes_so_many_requests_and_is_squeezed_for_more() {
        let load = Arc::new(Load::default());
        let all: Vec<_> = (0..MAX_STREAMS).map(|_| load.take(Sends::Nothing).unwrap()).collect();
        assert!(load.take(Sends::Nothing).is_none());
        drop(load.squeeze(Sends::Nothing));
        drop(all);
        assert_eq!(load.streams(), 0);
    }

    /// Gives a record, and then a fault that is told once.
    struct FaultOnce(Vec<io::Result<&'static [u8]>>);

    impl AsyncRead for FaultOnce {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                return Poll::Pending;
            }
            Poll::Ready(self.0.remove(0).map(|bytes| buffer.put_slice(bytes)))
        }
    }

    #[tokio::test]
    async fn a_fault_behind_a_record_is_told_after_it() {
        let stream = FaultOnce(vec![Ok(b"record"), Err(io::Error::other("a rule was broken"))]);
        let mut metered = Metered::new(stream, Arc::default());
        let mut bytes = [0; 64];
        assert_eq!(metered.read(&mut bytes).await.unwrap(), 6);
        let told = tokio::time::timeout(std::time::Duration::from_secs(5), metered.read(&mut bytes));
        let told = told.await.expect("the fault is told").unwrap_err();
        assert_eq!(told.to_string(), "a rule was broken");
    }

    #[test]
    fn bodies_are_not_counted_and_everything_else_is() {
        let traffic = Traffic::default();
        traffic.asked(true);
        traffic.received(10_000_000).unwrap_err();
        traffic.asked(true);
        for _ in 0..1000 {
            traffic.received(100_000).unwrap();
            traffic.delivered(100_000);
        }
        traffic.asked(false);
        traffic.received(usize::try_from(PER_REQUEST).unwrap() * 2).unwrap();
        traffic.unlimited();
        traffic.received(usize::try_from(u32::MAX).unwrap()).unwrap();
    }
}
