//! The pages of a site.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::SEC_WEBSOCKET_KEY;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use token_binding::header::SEC_TOKEN_BINDING;
use token_binding::verify::verify_header;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::visit::{Shared, Visit};

type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// Answers, and says in header lines what the request proved.
pub(crate) async fn answer(visit: Arc<Visit>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let report = report(&visit, &request);
    let mut response = route(&visit, request).await;
    response.headers_mut().extend(report);
    Ok(response)
}

fn report(visit: &Visit, request: &Request<Incoming>) -> HeaderMap {
    let mut report = HeaderMap::new();
    let mut say = |name: &'static str, value: &str| report.append(name, value.parse().unwrap());
    say("x-connection", &visit.number.to_string());
    say("x-version", &format!("{:?}", request.version()));
    let values: Vec<_> = request.headers().get_all(SEC_TOKEN_BINDING).iter().collect();
    say("x-tokens", &values.len().to_string());
    if let (Some((key_parameters, ekm)), [value]) = (&visit.token_binding, &values[..]) {
        match verify_header(value.as_bytes(), *key_parameters, ekm) {
            Ok(message) => {
                say("x-provided", message.provided().base64url());
                if let Some(referred) = message.referred() {
                    say("x-referred", referred.base64url());
                }
            }
            Err(error) => {
                say("x-refused", &error.to_string());
            }
        }
        say("x-message", value.to_str().unwrap());
    }
    report
}

async fn route(visit: &Visit, request: Request<Incoming>) -> Answer {
    let query = request.uri().query().unwrap_or_default().to_owned();
    match request.uri().path() {
        "/headers" => text(&lines(request.headers())),
        "/echo" => Response::new(request.into_body().boxed_unsync()),
        "/trailers" => {
            let announced =
                request.headers().get("te").map_or(String::new(), |te| te.to_str().unwrap().into());
            let trailers = request.into_body().collect().await.unwrap().trailers().cloned();
            let got = trailers.map(|trailers| lines(&trailers)).unwrap_or_default();
            let mut sent = HeaderMap::new();
            sent.insert("x-checksum", "42".parse().unwrap());
            let frames = [Frame::data(Bytes::from(got)), Frame::trailers(sent)].map(Ok::<_, hyper::Error>);
            let mut response =
                Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync());
            response.headers_mut().insert("trailer", "x-checksum".parse().unwrap());
            response.headers_mut().insert("x-te", announced.parse().unwrap());
            response
        }
        "/download" => {
            let left = query.parse().unwrap();
            Response::new(Download { left, shared: Arc::clone(&visit.shared) }.boxed_unsync())
        }
        "/upload" => {
            visit.shared.held.notify_one();
            visit.shared.release.acquire().await.unwrap().forget();
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                let data = frame.unwrap().into_data().unwrap_or_default();
                visit.shared.consumed.fetch_add(data.len(), Ordering::SeqCst);
            }
            text(&visit.shared.consumed.load(Ordering::SeqCst).to_string())
        }
        "/hold" => {
            visit.shared.held.notify_one();
            visit.shared.release.acquire().await.unwrap().forget();
            text("released")
        }
        "/redirect" => redirect(&query, true),
        "/plain-redirect" => redirect(&query, false),
        "/hop" => {
            let mut response = text("hop");
            let headers = response.headers_mut();
            headers.insert("keep-alive", "timeout=5".parse().unwrap());
            headers.append("set-cookie", "a=1; Secure".parse().unwrap());
            headers.append("set-cookie", "b=2; HttpOnly".parse().unwrap());
            response
        }
        "/websocket" => websocket(request),
        _ => text("hello"),
    }
}

fn text(text: &str) -> Answer {
    Response::new(Full::from(text.to_owned()).map_err(|never| match never {}).boxed_unsync())
}

fn lines(headers: &HeaderMap) -> String {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}\n", value.to_str().unwrap())
    };
    headers.iter().map(line).collect()
}

fn redirect(location: &str, ask: bool) -> Answer {
    let mut response = text("");
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert("location", location.parse().unwrap());
    if ask {
        response.headers_mut().insert("include-referred-token-binding-id", "true".parse().unwrap());
    }
    response
}

fn websocket(mut request: Request<Incoming>) -> Answer {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else { return text("no upgrade") };
    let accept = derive_accept_key(key.as_bytes());
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() || socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut response = text("");
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in
        [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", accept.as_str())]
    {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// Bytes that are made when they are asked for.
struct Download {
    left: usize,
    shared: Arc<Shared>,
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        static CHUNK: [u8; 64 * 1024] = [b'x'; 64 * 1024];
        let chunk = &CHUNK[..CHUNK.len().min(self.left)];
        if chunk.is_empty() {
            return Poll::Ready(None);
        }
        self.left -= chunk.len();
        self.shared.produced.fetch_add(chunk.len(), Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(chunk)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}
