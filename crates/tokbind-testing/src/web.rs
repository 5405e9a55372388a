//! A web server that verifies Token Binding messages and lets the test answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use openssl::x509::X509;
use token_binding::header::SEC_TOKEN_BINDING;
use token_binding::verify::verify_header;
use token_binding::{Ekm, KeyParameters};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

use crate::tls::{ServerOptions, server_ekm, server_name};

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The number of its connection.
    pub connection: usize,
    /// The certificate that the TLS client showed.
    pub client_certificate: Option<X509>,
    /// The host that the TLS client asked for.
    pub server_name: Option<String>,
    /// The IDs of its bindings, if the message is valid.
    pub provided: Option<Vec<u8>>,
    pub referred: Option<Vec<u8>>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

pub type Reply = Response<Full<Bytes>>;

/// A response with these header lines.
pub fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut reply = Response::builder().status(status);
    for (name, value) in headers {
        reply = reply.header(*name, *value);
    }
    reply.body(Full::from(body.to_owned())).unwrap()
}

/// The server, and what it saw.
#[derive(Clone)]
pub struct Web {
    pub address: SocketAddr,
    /// `None` without TLS.
    pub certificate: Option<X509>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What a connection's requests are verified with.
#[derive(Clone)]
struct Context {
    connection: usize,
    client_certificate: Option<X509>,
    server_name: Option<String>,
    binding: Option<(KeyParameters, Ekm)>,
}

impl Web {
    /// A server with TLS. Its answer to the extension says which key parameters messages must have.
    pub async fn tls(
        mut options: ServerOptions,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        options.alpn = options.alpn.or(Some(b"\x02h2\x08http/1.1"));
        let negotiated = options.answer.as_ref().map(|answer| KeyParameters(answer[3]));
        let server = options.start().await;
        let seen = Arc::default();
        let web = Web {
            address: server.address,
            certificate: Some(server.certificate.clone()),
            seen: Arc::clone(&seen),
        };
        let handler = Arc::new(handler);
        tokio::spawn(async move {
            for connection in 0.. {
                // A client that refuses the certificate is a test, too.
                let Ok(stream) = server.accept().await else { continue };
                let context = Context {
                    connection,
                    client_certificate: stream.ssl().peer_certificate(),
                    server_name: server_name(&stream),
                    binding: negotiated.map(|negotiated| (negotiated, server_ekm(&stream))),
                };
                tokio::spawn(serve(stream, context, Arc::clone(&seen), Arc::clone(&handler)));
            }
        });
        web
    }

    /// A server without TLS.
    pub async fn plain(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let seen = Arc::default();
        let web = Web { address: listener.local_addr().unwrap(), certificate: None, seen: Arc::clone(&seen) };
        let handler = Arc::new(handler);
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let context =
                    Context { connection, client_certificate: None, server_name: None, binding: None };
                tokio::spawn(serve(stream, context, Arc::clone(&seen), Arc::clone(&handler)));
            }
        });
        web
    }

    /// A URL on this server.
    pub fn url(&self, host: &str, path: &str) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }

    /// The requests that came, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve<H: Fn(&Seen) -> Reply + Send + Sync + 'static>(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    context: Context,
    log: Arc<Mutex<Vec<Seen>>>,
    handler: Arc<H>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (context, log, handler) = (context.clone(), Arc::clone(&log), Arc::clone(&handler));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let seen = context.read(&head, body);
            log.lock().unwrap().push(seen.clone());
            Ok::<_, Infallible>(handler(&seen))
        }
    });
    // A client that is gone is none of the server's business.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

impl Context {
    fn read(self, head: &http::request::Parts, body: Bytes) -> Seen {
        let message = head.headers.get(SEC_TOKEN_BINDING);
        let verified = message.zip(self.binding).and_then(|(message, (negotiated, ekm))| {
            verify_header(message.as_bytes(), negotiated, &ekm).ok()
        });
        Seen {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: head.headers.clone(),
            body,
            connection: self.connection,
            client_certificate: self.client_certificate,
            server_name: self.server_name,
            provided: verified.as_ref().map(|verified| verified.provided().as_bytes().to_vec()),
            referred: verified.and_then(|verified| Some(verified.referred()?.as_bytes().to_vec())),
        }
    }
}
