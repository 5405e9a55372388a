//! A request's body that can be sent again, as long as not much of it was sent.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};

use super::page;
use super::upstream::{Body, BodyError};

/// What is kept of a body. Forms fit, and a server that refuses a request seldom reads more of it first.
const KEPT: usize = 64 * 1024;

/// A body that is read once and can be sent several times.
pub(super) struct Replay {
    /// `None`: the body is empty.
    read: Option<Arc<Mutex<Read>>>,
}

/// What was read of the body.
struct Read {
    rest: Body,
    /// Everything from the beginning; `None` when that is too much.
    kept: Option<Vec<Bytes>>,
    size: usize,
    /// The body has been read to its end.
    trailers: Option<Option<HeaderMap>>,
    /// Which of the copies may read on.
    latest: u64,
}

impl Replay {
    pub(super) fn new(body: Body) -> Self {
        let read = (!body.is_end_stream()).then(|| Read {
            rest: body,
            kept: Some(Vec::new()),
            size: 0,
            trailers: None,
            latest: 0,
        });
        Replay { read: read.map(|read| Arc::new(Mutex::new(read))) }
    }

    /// The body from its beginning; earlier copies end here. `None` when the beginning is not there any more.
    pub(super) fn body(&self) -> Option<Body> {
        let Some(shared) = &self.read else { return Some(page::empty()) };
        let mut read = lock(shared);
        read.kept.as_ref()?;
        read.latest += 1;
        let copy = Copy { read: Arc::clone(shared), number: read.latest, next: 0 };
        Some(copy.boxed_unsync())
    }

    /// Whether the body can be sent again.
    pub(super) fn is_whole(&self) -> bool {
        self.read.as_ref().is_none_or(|read| lock(read).kept.is_some())
    }
}

/// One sending of the body.
struct Copy {
    read: Arc<Mutex<Read>>,
    number: u64,
    /// How many of the kept pieces it has sent.
    next: usize,
}

impl hyper::body::Body for Copy {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let shared = Arc::clone(&self.read);
        let mut read = lock(&shared);
        if read.latest != self.number {
            return Poll::Ready(Some(Err(BodyError::Superseded)));
        }
        if let Some(piece) = read.kept.as_ref().and_then(|kept| kept.get(self.next)) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        if let Some(trailers) = read.trailers.clone() {
            let sent = self.next == usize::MAX;
            self.next = usize::MAX;
            return Poll::Ready(trailers.filter(|_| !sent).map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let Poll::Ready(frame) = Pin::new(&mut read.rest).poll_frame(context) else { return Poll::Pending };
        match frame {
            None => read.trailers = Some(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    read.keep(&data);
                    self.next += 1;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Err(frame) => read.trailers = Some(frame.into_trailers().ok()),
            },
        }
        drop(read);
        self.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        let read = lock(&self.read);
        let sent = read.kept.as_ref().is_none_or(|kept| self.next >= kept.len());
        let ended =
            matches!(read.trailers, Some(None)) || (read.trailers.is_none() && read.rest.is_end_stream());
        sent && ended
    }

    fn size_hint(&self) -> SizeHint {
        let read = lock(&self.read);
        let kept: usize = read.kept.iter().flatten().skip(self.next).map(Bytes::len).sum();
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        let rest = read.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(kept));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(kept));
        }
        hint
    }
}

impl Read {
    fn keep(&mut self, data: &Bytes) {
        self.size = self.size.saturating_add(data.len());
        match &mut self.kept {
            Some(kept) if self.size <= KEPT => kept.push(data.clone()),
            kept => *kept = None,
        }
    }
}

/// Nothing that holds this lock can panic half-way through a change.
fn lock(read: &Mutex<Read>) -> MutexGuard<'_, Read> {
    read.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;

    fn body(pieces: &[&'static [u8]], trailers: bool) -> Body {
        let mut frames: Vec<Result<Frame<Bytes>, BodyError>> =
            pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))).collect();
        if trailers {
            let mut lines = HeaderMap::new();
            lines.insert("x-sum", "1".parse().unwrap());
            frames.push(Ok(Frame::trailers(lines)));
        }
        StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
    }

    async fn all(body: Body) -> (Vec<u8>, usize) {
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().map_or(0, HeaderMap::len);
        (collected.to_bytes().to_vec(), trailers)
    }

    #[tokio::test]
    async fn it_is_the_same_each_time() {
        for trailers in [false, true] {
            let replay = Replay::new(body(&[b"one", b"two"], trailers));
            for _ in 0..3 {
                assert_eq!(all(replay.body().unwrap()).await, (b"onetwo".to_vec(), trailers.into()));
            }
        }
        let empty = Replay::new(page::empty()).body().unwrap();
        assert!(empty.is_end_stream());
        assert_eq!(all(empty).await, (Vec::new(), 0));
    }

    #[tokio::test]
    async fn a_copy_goes_on_where_another_one_was_and_that_one_ends() {
        let replay = Replay::new(body(&[b"one", b"two", b"three"], true));
        let mut first = replay.body().unwrap();
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        let second = replay.body().unwrap();
        assert!(first.frame().await.unwrap().is_err());
        assert_eq!(all(second).await, (b"onetwothree".to_vec(), 1));
    }

    #[tokio::test]
    async fn what_is_too_much_is_passed_on_once() {
        static LARGE: [u8; KEPT] = [b'x'; KEPT];
        let replay = Replay::new(body(&[&LARGE, b"y"], true));
        let mut first = replay.body().unwrap();
        first.frame().await.unwrap().unwrap();
        let mut second = replay.body().unwrap();
        assert_eq!(second.frame().await.unwrap().unwrap().into_data().unwrap().len(), KEPT);
        assert_eq!(second.frame().await.unwrap().unwrap().into_data().unwrap(), "y");
        assert!(replay.body().is_none());
        assert!(second.frame().await.unwrap().unwrap().is_trailers());
        assert!(second.frame().await.is_none());
    }
}
