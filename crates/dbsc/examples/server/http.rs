//! As much of HTTP/1.1 as the example needs: one request a connection, and bodies that nobody reads on the server's side.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A head with more bytes than this is refused.
const LONGEST_HEAD: usize = 32 * 1024;

pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Headers,
}

#[derive(Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: String,
}

#[derive(Default)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(crate) fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// The lines of a name.
    pub(crate) fn lines<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        self.0.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The lines of a name as one value (RFC 9651 section 4.2).
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> = self.lines(name).collect();
        if lines.is_empty() { None } else { Some(lines.join(", ")) }
    }

    /// The value of a cookie of a request.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.lines("Cookie").flat_map(|line| line.split("; "));
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    fn parsed(headers: &[httparse::Header<'_>]) -> Self {
        let text = |value| String::from_utf8_lossy(value).into_owned();
        Self(headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect())
    }
}

impl Response {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        let mut headers = Headers::default();
        headers.add("Cache-Control", "no-store");
        Self { status, headers, body: body.into() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.add(name, value);
        self
    }
}

/// Answers one request after the other.
pub(crate) fn serve(listener: &TcpListener, answer: impl Fn(&Request) -> Response) -> Result<()> {
    for stream in listener.incoming() {
        if let Err(error) = serve_one(stream?, &answer) {
            eprintln!("a request failed: {error}");
        }
    }
    Ok(())
}

fn serve_one(mut stream: TcpStream, answer: impl Fn(&Request) -> Response) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let (head, _) = read_head(&mut stream)?;
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut lines);
    parsed.parse(&head).map_err(invalid)?;
    let request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().to_owned(),
        headers: Headers::parsed(parsed.headers),
    };
    let response = answer(&request);
    println!("  server: {} {} -> {}", request.method, request.path, response.status);
    write(&mut stream, &format!("HTTP/1.1 {} -", response.status), &response.headers, &response.body)
}

/// Sends a request without a body.
pub(crate) fn send(address: SocketAddr, method: &str, path: &str, headers: &Headers) -> Result<Response> {
    let mut stream = TcpStream::connect(address)?;
    write(&mut stream, &format!("{method} {path} HTTP/1.1\r\nHost: {address}"), headers, "")?;
    let (head, mut body) = read_head(&mut stream)?;
    stream.read_to_end(&mut body)?;
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut lines);
    parsed.parse(&head).map_err(invalid)?;
    Ok(Response {
        status: parsed.code.unwrap_or_default(),
        headers: Headers::parsed(parsed.headers),
        body: String::from_utf8(body).map_err(invalid)?,
    })
}

fn write(stream: &mut TcpStream, first: &str, headers: &Headers, body: &str) -> Result<()> {
    let lines: String = headers.0.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(stream, "{first}\r\n{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// Bytes as far as the empty line, and those that came after it.
fn read_head(stream: &mut TcpStream) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = vec![];
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Ok((bytes, body));
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 || bytes.len() > LONGEST_HEAD {
            return Err(invalid("no end of a head"));
        }
        bytes.extend(buffer.iter().take(count));
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}
