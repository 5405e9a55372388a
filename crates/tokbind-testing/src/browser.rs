//! A client behind a proxy.

use std::net::SocketAddr;
use std::sync::OnceLock;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use openssl::x509::X509;
use tokbind::http1::Http1;
use tokbind::http2::Http2;
use tokbind::tls::{ConnectOptions, Connector, Offer, TlsConnection};
use tokbind::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that knows nothing of Token Binding and uses a proxy.
pub struct Browser {
    proxy: SocketAddr,
    trusted: X509,
    /// OpenSSL reads the system's certificates for each: not for every connection.
    http1: OnceLock<Connector>,
    http2: OnceLock<Connector>,
}

/// Sends bytes to an address, and returns all that come back until the connection is closed.
pub async fn exchange(address: SocketAddr, bytes: &str) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

impl Browser {
    pub fn new(proxy: SocketAddr, trusted: X509) -> Self {
        Browser { proxy, trusted, http1: OnceLock::new(), http2: OnceLock::new() }
    }

    /// A tunnel, or the head of the answer that refuses it.
    pub async fn try_tunnel(&self, target: &str) -> Result<TcpStream, String> {
        let mut tcp = TcpStream::connect(self.proxy).await.unwrap();
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("HTTP/1.1 200 ") { Ok(tcp) } else { Err(head) }
    }

    /// TLS through a tunnel, for HTTP/2 or HTTP/1.1.
    pub async fn tls(&self, host: &str, http2: bool) -> tokbind::Result<TlsConnection> {
        let (connector, alpn) = if http2 { (&self.http2, "h2") } else { (&self.http1, "http/1.1") };
        let options = || plain_client(self.trusted.clone()).alpn([alpn]);
        let connector = connector.get_or_init(|| Connector::new(&options()).unwrap());
        let tcp = self.try_tunnel(&format!("{host}:443")).await.unwrap();
        let tls = connector.connect_over(tcp, host, None).await?;
        assert_eq!(tls.alpn(), Some(alpn.as_bytes()));
        Ok(tls)
    }

    pub async fn http1(&self, host: &str) -> Http1<TlsConnection> {
        Http1::new(self.tls(host, false).await.unwrap())
    }

    pub async fn http2(&self, host: &str) -> Http2 {
        Http2::handshake(self.tls(host, true).await.unwrap()).await.unwrap()
    }

    /// A request on a connection of its own.
    pub async fn get(&self, host: &str, path: &str) -> Response {
        self.http1(host).await.request(&Request::get(host, path)).await.unwrap()
    }

    /// A request whose body and response are not held in memory.
    pub async fn stream(
        &self,
        host: &str,
        http2: bool,
        request: http::Request<UnsyncBoxBody<Bytes, hyper::Error>>,
    ) -> http::Response<Incoming> {
        let tls = self.tls(host, http2).await.unwrap();
        let io = TokioIo::new(tls);
        if http2 {
            let exec = TokioExecutor::new();
            let (mut sender, connection) = hyper::client::conn::http2::handshake(exec, io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        }
    }
}

/// Options of a client without Token Binding that trusts this certificate.
pub fn plain_client(trusted: X509) -> ConnectOptions {
    ConnectOptions::new().ca_certificate(trusted).offer(Offer::None)
}
