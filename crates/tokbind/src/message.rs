//! A request and a response, as both HTTP versions see them.

use crate::error::{Error, Result};

/// A request. Nothing in it is checked or normalised before it is sent: a test may want to send what a browser can't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The value of `Host`, or `:authority` in HTTP/2.
    pub host: String,
    /// The request target: path and query.
    pub path: String,
    /// Header lines in order; a name may stand twice.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, sent with `Content-Length` unless it is `chunked`.
    pub body: Vec<u8>,
    /// Send an HTTP/1.1 body chunked, even without trailers.
    pub chunked: bool,
    /// Trailer lines; they make an HTTP/1.1 body chunked.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// A request without header lines and body.
    pub fn new(method: &str, host: &str, path: &str) -> Self {
        Request {
            method: method.to_owned(),
            host: host.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            chunked: false,
            trailers: Vec::new(),
        }
    }

    /// A GET request.
    pub fn get(host: &str, path: &str) -> Self {
        Request::new("GET", host, path)
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body chunked (HTTP/1.1).
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Adds a trailer line.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }
}

/// A response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The reason phrase; empty in HTTP/2, which has none.
    pub reason: String,
    /// Header lines in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Trailer lines.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// The status codes of the interim (1xx) responses that came first.
    pub interim: Vec<u16>,
    /// What the server pushed along with this response (HTTP/2).
    pub pushed: Vec<Pushed>,
}

impl Response {
    /// The first header line of this name, if its value is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The values of all header lines of this name.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The body as text, with replacement characters where it isn't.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A response to a request that the server made up itself (HTTP/2 server push, RFC 9113 section 8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// The promised request's method.
    pub method: String,
    /// The promised request's URI.
    pub uri: String,
    /// The promised request's header lines.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The response to it.
    pub response: Response,
}

/// Takes the body of a response as it comes.
pub trait Sink: Send {
    /// The response's head has come; what follows is its body.
    ///
    /// # Errors
    /// Ends the response: [`Error::Output`] for instance.
    fn begin(&mut self, head: &Response) -> Result<()>;

    /// So many bytes follow at least.
    ///
    /// # Errors
    /// Ends the response.
    fn expect(&mut self, length: u64) -> Result<()> {
        let _ = length;
        Ok(())
    }

    /// A piece of the body.
    ///
    /// # Errors
    /// Ends the response.
    fn data(&mut self, bytes: &[u8]) -> Result<()>;
}

/// Holds a body in memory.
#[derive(Debug)]
pub(crate) struct Collect {
    body: Vec<u8>,
    limit: usize,
}

impl Collect {
    pub(crate) fn up_to(limit: usize) -> Self {
        Collect { body: Vec::new(), limit }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.body
    }
}

impl Sink for Collect {
    fn begin(&mut self, _: &Response) -> Result<()> {
        self.body.clear();
        Ok(())
    }

    fn expect(&mut self, length: u64) -> Result<()> {
        let room = self.limit.saturating_sub(self.body.len());
        if usize::try_from(length).map_or(true, |length| length > room) {
            return Err(Error::TooLarge { what: "the response's body", limit: self.limit });
        }
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        self.expect(bytes.len() as u64)?;
        self.body.extend_from_slice(bytes);
        Ok(())
    }
}
