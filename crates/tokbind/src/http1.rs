//! HTTP/1.1 over any stream (RFC 9112), for requests that a well-behaved client would not send.
//!
//! What is sent is sent as given. What is received is parsed strictly, and every size but a body's that is handed on has a cap.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::{Error, Result};
use crate::message::{Collect, Request, Response, Sink};
use crate::timeout::{self, within};
use crate::tls::TlsConnection;

/// A response's status line and header lines. httpd's own limit for requests is 8190 bytes for each of 100 lines; what
/// it sends is far below.
pub const MAX_HEAD: usize = 64 * 1024;
/// Lines in a header or trailer.
pub const MAX_HEADERS: usize = 256;
/// A response's body unless told otherwise. It is held in memory.
pub const MAX_BODY: usize = 64 * 1024 * 1024;
/// Interim responses before a final one.
const MAX_INTERIM: usize = 16;
/// Room for one reading: a TLS record.
const READ: usize = 16 * 1024;
/// A chunk's size line: 16 hex digits and an extension that nobody sends.
const MAX_CHUNK_LINE: usize = 1024;

/// An HTTP/1.1 connection, used for one request after the other.
#[derive(Debug)]
pub struct Http1<S> {
    stream: S,
    /// Bytes received and not used yet.
    received: Vec<u8>,
    timeout: Duration,
    max_body: usize,
    reusable: bool,
}

impl Http1<TlsConnection> {
    /// Speaks HTTP/1.1 on a TLS connection, with the connection's timeout.
    pub fn new(connection: TlsConnection) -> Self {
        let timeout = connection.timeout();
        Http1::over(connection).timeout(timeout)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http1<S> {
    /// Speaks HTTP/1.1 on any stream, a plain TCP connection for instance.
    pub fn over(stream: S) -> Self {
        Http1 { stream, received: Vec::new(), timeout: timeout::DEFAULT, max_body: MAX_BODY, reusable: true }
    }

    /// How long sending a request or receiving a response may take. Default: 30 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The largest body to receive. Default: [`MAX_BODY`].
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// The stream underneath.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream underneath.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream underneath, and the bytes that were received on it and belong to no response read so far.
    pub fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.received)
    }

    /// Whether the latest response left the connection open for another request (RFC 9112 section 9.3).
    pub fn reusable(&self) -> bool {
        self.reusable
    }

    /// Sends the request and receives its response.
    pub async fn request(&mut self, request: &Request) -> Result<Response> {
        self.send(request).await?;
        self.read_response_to(&request.method).await
    }

    /// Sends the request and hands on the response's body as it comes. The timeout is for each piece of it.
    pub(crate) async fn request_into(&mut self, request: &Request, sink: &mut dyn Sink) -> Result<Response> {
        self.send(request).await?;
        self.receive(&request.method, sink).await
    }

    /// Sends the request and leaves its response for later.
    pub async fn send(&mut self, request: &Request) -> Result<()> {
        self.send_raw(&encode(request)).await
    }

    /// Sends any bytes.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        within(self.timeout, "sending a request", async {
            self.stream.write_all(bytes).await.map_err(Error::io("sending a request"))?;
            self.stream.flush().await.map_err(Error::io("sending a request"))
        })
        .await
    }

    /// Receives a response to a request that may have a body in its response, that is, to any but HEAD.
    pub async fn read_response(&mut self) -> Result<Response> {
        self.read_response_to("GET").await
    }

    /// Receives a response to a request with this method.
    pub async fn read_response_to(&mut self, method: &str) -> Result<Response> {
        let mut body = Collect::up_to(self.max_body);
        let received = within(self.timeout, "receiving a response", self.receive(method, &mut body)).await;
        received.map(|response| Response { body: body.into_bytes(), ..response })
    }

    async fn receive(&mut self, method: &str, sink: &mut dyn Sink) -> Result<Response> {
        let mut interim = Vec::new();
        let (mut response, http_1_1) = loop {
            let (response, http_1_1) = self.head().await?;
            // 101 is an answer to the request: the connection changes its protocol.
            if response.status >= 200 || response.status == 101 {
                break (response, http_1_1);
            }
            if interim.len() == MAX_INTERIM {
                return Err(Error::Http1("too many interim responses"));
            }
            interim.push(response.status);
        };
        response.interim = interim;

        let framing = Framing::of(&response, method, http_1_1)?;
        let closes = has_token(&response, "connection", b"close")
            || !(http_1_1 || has_token(&response, "connection", b"keep-alive"));
        self.reusable = !closes && framing != Framing::UntilClose && response.status != 101;
        sink.begin(&response)?;
        match framing {
            Framing::Length(length) => self.pass(length, sink).await?,
            Framing::Chunked => response.trailers = self.chunks(sink).await?,
            Framing::UntilClose => self.rest(sink).await?,
        }
        Ok(response)
    }

    /// A status line and header lines, and whether it is HTTP/1.1.
    async fn head(&mut self) -> Result<(Response, bool)> {
        loop {
            if let Some((used, response, http_1_1)) = parse_head(&self.received)? {
                self.received.drain(..used);
                return Ok((response, http_1_1));
            }
            if self.received.len() >= MAX_HEAD {
                return Err(Error::TooLarge { what: "the response's header", limit: MAX_HEAD });
            }
            let place = if self.received.is_empty() { "before a response" } else { "in a response's header" };
            self.more(place).await?;
        }
    }

    /// Exactly `length` bytes of a body.
    async fn pass(&mut self, length: u64, sink: &mut dyn Sink) -> Result<()> {
        sink.expect(length)?;
        let mut left = length;
        while left > 0 {
            if self.received.is_empty() {
                self.more("in a response's body").await?;
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.received.len());
            sink.data(self.received.get(..count).unwrap_or_default())?;
            self.received.drain(..count);
            left = left.saturating_sub(count as u64);
        }
        Ok(())
    }

    /// A body in chunks, and its trailers (RFC 9112 section 7.1).
    async fn chunks(&mut self, sink: &mut dyn Sink) -> Result<Vec<(String, Vec<u8>)>> {
        loop {
            match self.chunk_size().await? {
                0 => return self.trailers().await,
                size => self.pass(size, sink).await?,
            }
            self.line_end().await?;
        }
    }

    async fn chunk_size(&mut self) -> Result<u64> {
        loop {
            match httparse::parse_chunk_size(&self.received) {
                Ok(httparse::Status::Complete((used, size))) => {
                    self.received.drain(..used);
                    return Ok(size);
                }
                Ok(httparse::Status::Partial) if self.received.len() < MAX_CHUNK_LINE => {
                    self.more("in a chunk's size").await?;
                }
                Ok(httparse::Status::Partial) | Err(_) => return Err(Error::Http1("bad chunk size")),
            }
        }
    }

    async fn line_end(&mut self) -> Result<()> {
        while self.received.len() < 2 {
            self.more("after a chunk").await?;
        }
        if !self.received.starts_with(b"\r\n") {
            return Err(Error::Http1("a chunk is longer than its size"));
        }
        self.received.drain(..2);
        Ok(())
    }

    async fn trailers(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
        loop {
            let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
            match httparse::parse_headers(&self.received, &mut lines) {
                Ok(httparse::Status::Complete((used, lines))) => {
                    let trailers = owned(lines);
                    self.received.drain(..used);
                    return Ok(trailers);
                }
                Ok(httparse::Status::Partial) if self.received.len() < MAX_HEAD => {
                    self.more("in a response's trailers").await?;
                }
                Ok(httparse::Status::Partial) => {
                    return Err(Error::TooLarge { what: "the response's trailer", limit: MAX_HEAD });
                }
                Err(_) => return Err(Error::Http1("bad trailer")),
            }
        }
    }

    /// All that comes until the peer closes the connection.
    async fn rest(&mut self, sink: &mut dyn Sink) -> Result<()> {
        loop {
            sink.data(&self.received)?;
            self.received.clear();
            if !self.fill().await? {
                return Ok(());
            }
        }
    }

    async fn more(&mut self, place: &'static str) -> Result<()> {
        if self.fill().await? { Ok(()) } else { Err(Error::Closed(place)) }
    }

    /// Receives some bytes; `false` at the end of the stream.
    async fn fill(&mut self) -> Result<bool> {
        self.received.reserve(READ);
        let reading = self.stream.read_buf(&mut self.received);
        let reading = async { reading.await.map_err(Error::io("receiving a response")) };
        let count = within(self.timeout, "receiving a response", reading).await?;
        Ok(count > 0)
    }
}

/// How a response's body ends.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    /// RFC 9112 section 6.3. What contradicts itself is refused, where a lenient reading is how responses get smuggled; a chunked
    /// body with a Content-Length beside, and one that is said twice, are not.
    fn of(response: &Response, method: &str, http_1_1: bool) -> Result<Self> {
        if method == "HEAD" || matches!(response.status, 100..=199 | 204 | 304) {
            return Ok(Framing::Length(0));
        }
        let mut codings = members(response, "transfer-encoding");
        if let Some(coding) = codings.next() {
            if !http_1_1 {
                return Err(Error::Http1("a transfer coding in HTTP/1.0"));
            }
            if !coding.eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
                return Err(Error::Http1("a transfer coding other than chunked"));
            }
            return Ok(Framing::Chunked);
        }
        let mut lengths = members(response, "content-length");
        let Some(length) = lengths.next() else { return Ok(Framing::UntilClose) };
        if lengths.any(|other| other != length) {
            return Err(Error::Http1("two values of Content-Length"));
        }
        Ok(Framing::Length(parse_length(length)?))
    }
}

/// The members of a list, empty ones included.
fn members<'r>(response: &'r Response, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
    let members = response.headers_named(name).flat_map(|value| value.split(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii)
}

fn parse_length(digits: &[u8]) -> Result<u64> {
    let bad = || Error::Http1("bad Content-Length");
    // `parse` alone would take a sign.
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(bad());
    }
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or_else(bad)
}

/// White space before a colon and lines that go on are what some servers send: RFC 9112 sections 5.1 and 5.2 say what they
/// mean in a response.
fn parse_head(bytes: &[u8]) -> Result<Option<(usize, Response, bool)>> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut lines);
    let mut parser = httparse::ParserConfig::default();
    parser
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    let used = match parser.parse_response(&mut head, bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Error::Http1("too many header lines")),
        Err(_) => return Err(Error::Http1("bad status line or header")),
    };
    if used > MAX_HEAD {
        return Err(Error::TooLarge { what: "the response's header", limit: MAX_HEAD });
    }
    let response = Response {
        status: head.code.ok_or(Error::Http1("no status code"))?,
        reason: head.reason.unwrap_or_default().to_owned(),
        headers: owned(head.headers),
        ..Response::default()
    };
    Ok(Some((used, response, head.version == Some(1))))
}

fn owned(lines: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    lines.iter().map(|line| (line.name.to_owned(), unfolded(line.value))).collect()
}

/// A value in one line: a fold is a space.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let lines = value.split(|byte| matches!(byte, b'\r' | b'\n')).map(<[u8]>::trim_ascii);
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(&b' ')
}

fn has_token(response: &Response, name: &str, token: &[u8]) -> bool {
    members(response, name).any(|member| member.eq_ignore_ascii_case(token))
}

/// The request's bytes.
pub fn encode(request: &Request) -> Vec<u8> {
    let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method, request.path).into_bytes();
    push_line(&mut bytes, "Host", request.host.as_bytes());
    for (name, value) in &request.headers {
        push_line(&mut bytes, name, value);
    }
    if request.chunked || !request.trailers.is_empty() {
        push_line(&mut bytes, "Transfer-Encoding", b"chunked");
        bytes.extend_from_slice(b"\r\n");
        if !request.body.is_empty() {
            bytes.extend_from_slice(format!("{:x}\r\n", request.body.len()).as_bytes());
            bytes.extend_from_slice(&request.body);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n");
        for (name, value) in &request.trailers {
            push_line(&mut bytes, name, value);
        }
        bytes.extend_from_slice(b"\r\n");
    } else {
        // A method that has a meaning for its body says how long it is, even when it is empty (RFC 9110 section 8.6).
        let has_length = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let expects_body = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
        if (!request.body.is_empty() || expects_body) && !has_length {
            push_line(&mut bytes, "Content-Length", request.body.len().to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&request.body);
    }
    bytes
}

fn push_line(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
