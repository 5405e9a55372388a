//! One client's connection, HTTP/1.1 or HTTP/2, with or without a key: tests run the same over each.

use tokbind::http1::Http1;
use tokbind::http2::Http2;
use tokbind::tls::{ConnectOptions, Connector, TlsConnection};
use tokbind::{Ekm, Request, Response, binding};

use super::Visitor;
use super::client::{options, unbound};
use super::httpd::{HOST, Httpd};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

pub const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

pub struct Session<'v> {
    visitor: Option<&'v Visitor>,
    ekm: Ekm,
    wire: Wire,
}

enum Wire {
    One(Box<Http1<TlsConnection>>),
    Two(Http2),
}

impl<'v> Session<'v> {
    /// A connection of a client with this key, or of one without Token Binding.
    pub async fn open(server: &Httpd, protocol: Protocol, visitor: Option<&'v Visitor>) -> Self {
        Self::open_at(server.address(), protocol, visitor).await
    }

    /// The same, to where something else listens that leads to a server.
    pub async fn open_at(
        address: (&'static str, u16),
        protocol: Protocol,
        visitor: Option<&'v Visitor>,
    ) -> Self {
        let options = session_options(protocol, visitor.is_some());
        Self::over(connect(address, &options).await, protocol, visitor).await
    }

    /// The same, on a connection that was made with [`session_options`].
    pub async fn over(connection: TlsConnection, protocol: Protocol, visitor: Option<&'v Visitor>) -> Self {
        let ekm = connection.ekm().unwrap();
        let wire = match protocol {
            Protocol::Http1 => Wire::One(Box::new(Http1::new(connection))),
            Protocol::Http2 => Wire::Two(Http2::handshake(connection).await.unwrap()),
        };
        Self { visitor, ekm, wire }
    }

    /// Sends a request, with the client's proof.
    pub async fn send(&mut self, request: Request) -> Response {
        self.try_send(request).await.unwrap()
    }

    pub async fn try_send(&mut self, mut request: Request) -> tokbind::Result<Response> {
        if let Some(proof) = self.proof() {
            request = request.header(binding::SEC_TOKEN_BINDING, proof);
        }
        self.try_send_as_it_is(&request).await
    }

    /// The client's proof of its key on this connection, if it has a key.
    pub fn proof(&self) -> Option<String> {
        self.visitor.map(|visitor| visitor.header(self.ekm()))
    }

    /// Sends a request without the client's proof, or with another one.
    pub async fn try_send_as_it_is(&mut self, request: &Request) -> tokbind::Result<Response> {
        match &mut self.wire {
            Wire::One(http) => http.request(request).await,
            Wire::Two(http) => http.request(request).await,
        }
    }

    /// What a proof for this connection signs.
    pub fn ekm(&self) -> &Ekm {
        &self.ekm
    }

    /// Fetches a page, with cookies if there are any.
    pub async fn get(&mut self, path: &str, cookies: &str) -> Response {
        let request = Request::get(HOST, path);
        self.send(if cookies.is_empty() { request } else { request.header("Cookie", cookies) }).await
    }
}

/// How a session's connection is made: Token Binding is offered by those who have a key.
pub fn session_options(protocol: Protocol, has_key: bool) -> ConnectOptions {
    let options = if has_key { options() } else { unbound() };
    match protocol {
        Protocol::Http1 => options,
        Protocol::Http2 => options.alpn(["h2"]),
    }
}

async fn connect(address: (&'static str, u16), options: &ConnectOptions) -> TlsConnection {
    Connector::new(options).unwrap().connect(address, HOST).await.unwrap()
}

/// Sends a request on a connection of its own.
pub async fn submit(
    server: &Httpd,
    protocol: Protocol,
    visitor: Option<&Visitor>,
    request: Request,
) -> Response {
    Session::open(server, protocol, visitor).await.send(request).await
}

/// Fetches a page on a connection of its own.
pub async fn fetch(
    server: &Httpd,
    protocol: Protocol,
    visitor: Option<&Visitor>,
    path: &str,
    cookies: &str,
) -> Response {
    Session::open(server, protocol, visitor).await.get(path, cookies).await
}
