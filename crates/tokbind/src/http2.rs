//! HTTP/2 over a TLS connection (RFC 9113), with many requests at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, PushPromises, SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};

use crate::error::{Error, Result};
use crate::http1::MAX_BODY;
use crate::message::{Collect, Pushed, Request, Response, Sink};
use crate::timeout::within;
use crate::tls::{Info, TlsConnection};
use crate::{Ekm, Negotiated};

/// How much a server may send of a response that is not read yet, and of all of them. HTTP/2's 64 KiB, a server that waits for
/// acknowledgements and a client that delays them make a megabyte a second.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 8 * STREAM_WINDOW;
/// Responses that a server may push along with one response.
const MAX_PUSHED: usize = 64;

/// An HTTP/2 connection. Clones send on the same connection, at the same time if they like; it closes when the last one
/// is gone.
#[derive(Clone)]
pub struct Http2 {
    sender: SendRequest<Bytes>,
    about: Arc<About>,
}

/// What is read from the connection before it moves into `h2`. It stays true: HTTP/2 forbids renegotiation (RFC 9113 section
/// 9.2.1).
struct About {
    info: Info,
    ekm: Ekm,
    timeout: Duration,
}

impl Http2 {
    /// Starts HTTP/2 and refuses server push. The connection must have agreed on `h2` by ALPN.
    pub async fn handshake(connection: TlsConnection) -> Result<Self> {
        Http2::start(connection, false).await
    }

    /// Starts HTTP/2 and accepts server push; what is pushed comes with the [`Response`].
    pub async fn handshake_with_push(connection: TlsConnection) -> Result<Self> {
        Http2::start(connection, true).await
    }

    async fn start(connection: TlsConnection, push: bool) -> Result<Self> {
        let timeout = connection.timeout();
        let about = Arc::new(About { info: connection.info(), ekm: connection.ekm()?, timeout });
        within(timeout, "starting HTTP/2", async {
            let (sender, connection) = Builder::new()
                .enable_push(push)
                .initial_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .handshake(connection)
                .await?;
            tokio::spawn(async move {
                // A failed connection also fails each of its requests, and that is where the error is reported.
                let _ = connection.await;
            });
            Ok(Http2 { sender, about })
        })
        .await
    }

    /// What the TLS handshake came to.
    pub fn info(&self) -> &Info {
        &self.about.info
    }

    /// What Token Binding the TLS handshake negotiated.
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.about.info.negotiated
    }

    /// The connection's exported keying material.
    pub fn ekm(&self) -> &Ekm {
        &self.about.ekm
    }

    /// Sends a request on a stream of its own and receives the response.
    pub async fn request(&self, request: &Request) -> Result<Response> {
        let mut body = Collect::up_to(MAX_BODY);
        let exchange = self.exchange(request, &mut body);
        let response = within(self.about.timeout, "an HTTP/2 request", exchange).await?;
        Ok(Response { body: body.into_bytes(), ..response })
    }

    /// Sends a request and hands on the response's body as it comes. The timeout is for each piece of it.
    pub(crate) async fn request_into(&self, request: &Request, sink: &mut dyn Sink) -> Result<Response> {
        self.exchange(request, sink).await
    }

    async fn exchange(&self, request: &Request, sink: &mut dyn Sink) -> Result<Response> {
        let trailers = header_map(&request.trailers)?;
        let body_follows = !request.body.is_empty() || !trailers.is_empty();
        let limit = self.about.timeout;

        let ready = async { Ok(self.sender.clone().ready().await?) };
        let mut sender = within(limit, "an HTTP/2 request", ready).await?;
        let (mut response, mut body) = sender.send_request(head(request)?, !body_follows)?;
        let pushes = response.push_promises();
        if body_follows {
            // Held in memory by the caller anyway, so it may as well wait for the peer's window in h2's buffer.
            body.send_data(Bytes::copy_from_slice(&request.body), trailers.is_empty())?;
            if !trailers.is_empty() {
                body.send_trailers(trailers)?;
            }
        }
        let main = async {
            let response = within(limit, "an HTTP/2 request", async { Ok(response.await?) }).await?;
            receive(response, limit, sink).await
        };
        // Polls the response first: at its end, h2 wakes those who wait for it but not those who wait for pushes.
        let (mut response, pushed) = tokio::try_join!(biased; main, receive_pushed(pushes, limit))?;
        response.pushed = pushed;
        Ok(response)
    }
}

impl std::fmt::Debug for Http2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http2").field("info", &self.about.info).finish_non_exhaustive()
    }
}

fn head(request: &Request) -> Result<http::Request<()>> {
    let uri = Uri::builder()
        .scheme("https")
        .authority(request.host.as_str())
        .path_and_query(request.path.as_str())
        .build()?;
    let mut head =
        http::Request::builder().version(Version::HTTP_2).method(request.method.as_str()).uri(uri).body(())?;
    *head.headers_mut() = header_map(&request.headers)?;
    Ok(head)
}

fn header_map(lines: &[(String, Vec<u8>)]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(http::Error::from)?;
        let value = HeaderValue::from_bytes(value).map_err(http::Error::from)?;
        map.try_append(name, value).map_err(http::Error::from)?;
    }
    Ok(map)
}

fn lines(map: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

async fn receive(
    response: http::Response<RecvStream>,
    limit: Duration,
    sink: &mut dyn Sink,
) -> Result<Response> {
    let (head, mut stream) = response.into_parts();
    let mut response =
        Response { status: head.status.as_u16(), headers: lines(&head.headers), ..Response::default() };
    sink.begin(&response)?;
    while let Some(data) = within(limit, "receiving a response", async { Ok(stream.data().await) }).await? {
        let data = data?;
        sink.data(&data)?;
        stream.flow_control().release_capacity(data.len())?;
    }
    let trailers = within(limit, "receiving a response", async { Ok(stream.trailers().await?) }).await?;
    response.trailers = trailers.as_ref().map(lines).unwrap_or_default();
    Ok(response)
}

async fn receive_pushed(mut promises: PushPromises, limit: Duration) -> Result<Vec<Pushed>> {
    let mut pushed = Vec::new();
    while let Some(promise) = promises.push_promise().await {
        if pushed.len() == MAX_PUSHED {
            return Err(Error::TooLarge { what: "the number of pushed responses", limit: MAX_PUSHED });
        }
        let (request, response) = promise?.into_parts();
        let mut body = Collect::up_to(MAX_BODY);
        let response = receive(response.await?, limit, &mut body).await?;
        pushed.push(Pushed {
            method: request.method().to_string(),
            uri: request.uri().to_string(),
            headers: lines(request.headers()),
            response: Response { body: body.into_bytes(), ..response },
        });
    }
    Ok(pushed)
}

#[cfg(test)]
mod tests;
