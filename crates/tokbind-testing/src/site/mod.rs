//! A web site behind the agent; `routes.rs` has its pages.

mod routes;
mod visit;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use openssl::ssl::{AlpnError, ExtensionContext, Ssl, SslContext, SslMethod, SslVersion};
use token_binding::{Ekm, KeyParameters};
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;
use tokio_util::sync::CancellationToken;

use self::visit::Visit;
use crate::identity::identity;

pub use visit::Shared;

/// What a site speaks.
#[derive(Clone)]
pub struct SiteOptions {
    pub tls: bool,
    pub version: SslVersion,
    pub alpn: &'static [u8],
    pub token_binding: Option<KeyParameters>,
}

impl Default for SiteOptions {
    fn default() -> Self {
        SiteOptions {
            tls: true,
            version: SslVersion::TLS1_3,
            alpn: b"\x02h2\x08http/1.1",
            token_binding: Some(KeyParameters::ECDSAP256),
        }
    }
}

/// A web server. See `routes.rs` for what it serves.
pub struct Site {
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
    down: CancellationToken,
}

impl Site {
    pub async fn start(options: SiteOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, down) = (Arc::new(Shared::default()), CancellationToken::new());
        let accepting = accept(listener, options, Arc::clone(&shared));
        tokio::spawn(down.clone().run_until_cancelled_owned(accepting));
        Site { address, shared, down }
    }

    /// HTTP/1.1 and HTTP/2, TLS 1.3, Token Binding.
    pub async fn usual() -> Self {
        Site::start(SiteOptions::default()).await
    }

    pub async fn http1() -> Self {
        Site::start(SiteOptions { alpn: b"\x08http/1.1", ..SiteOptions::default() }).await
    }

    pub async fn without_token_binding() -> Self {
        Site::start(SiteOptions { token_binding: None, ..SiteOptions::default() }).await
    }

    /// Closes all connections without a word.
    pub fn hang_up(&self) {
        std::mem::take(&mut *self.shared.alive.lock().unwrap()).cancel();
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.down.cancel();
        self.hang_up();
    }
}

async fn accept(listener: TcpListener, options: SiteOptions, shared: Arc<Shared>) {
    let context = context(&options);
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        let (options, context, shared) = (options.clone(), context.clone(), Arc::clone(&shared));
        let alive = shared.alive.lock().unwrap().clone();
        tokio::spawn(alive.run_until_cancelled_owned(serve(tcp, context, options, shared)));
    }
}

async fn serve(tcp: TcpStream, context: SslContext, options: SiteOptions, shared: Arc<Shared>) {
    tcp.set_nodelay(true).unwrap();
    if !options.tls {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        return http(tcp, Arc::new(Visit { number, token_binding: None, shared })).await;
    }
    let mut stream = SslStream::new(Ssl::new(&context).unwrap(), tcp).unwrap();
    // A client that refuses the certificate ends here.
    if Pin::new(&mut stream).accept().await.is_err() {
        return;
    }
    let number = shared.connections.fetch_add(1, Ordering::SeqCst);
    let token_binding = options.token_binding.map(|key_parameters| {
        let mut ekm = [0; 32];
        stream.ssl().export_keying_material(&mut ekm, "EXPORTER-Token-Binding", None).unwrap();
        (key_parameters, Ekm::new(ekm))
    });
    http(stream, Arc::new(Visit { number, token_binding, shared })).await;
}

async fn http<S>(stream: S, visit: Arc<Visit>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| routes::answer(Arc::clone(&visit), request));
    let server = auto::Builder::new(TokioExecutor::new());
    // Ends with an error whenever a client does not say goodbye.
    let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
}

pub(crate) fn context(options: &SiteOptions) -> SslContext {
    let (certificate, key) = identity();
    let mut context = SslContext::builder(SslMethod::tls_server()).unwrap();
    context.set_min_proto_version(Some(options.version)).unwrap();
    context.set_max_proto_version(Some(options.version)).unwrap();
    context.set_certificate(certificate).unwrap();
    context.set_private_key(key).unwrap();
    context.set_session_id_context(b"site").unwrap();
    let alpn = options.alpn;
    context.set_alpn_select_callback(move |_, theirs| {
        openssl::ssl::select_next_proto(alpn, theirs).ok_or(AlpnError::NOACK)
    });
    if let Some(key_parameters) = options.token_binding {
        let messages = ExtensionContext::CLIENT_HELLO
            | ExtensionContext::TLS1_2_SERVER_HELLO
            | ExtensionContext::TLS1_3_ENCRYPTED_EXTENSIONS;
        context
            .add_custom_ext(
                24,
                messages,
                move |_, _, _| Ok(Some(vec![1, 0, 1, key_parameters.0])),
                |_, _, _, _| Ok(()),
            )
            .unwrap();
    }
    context.build()
}
