//! A TLS server that answers as it is told.
//!
//! OpenSSL's server side can't be told to renegotiate without `unsafe`, so renegotiation is left to the tests that run
//! against httpd.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    AlpnError, ExtensionContext, NameType, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions,
    SslVersion,
};
use openssl::x509::X509;
use token_binding::Ekm;
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;

use crate::identity::self_signed;

/// A new certificate for `localhost` and some names that don't exist.
pub fn identity() -> (X509, PKey<Private>) {
    let names = ["localhost", "a.example", "www.a.example", "b.example", "127.0.0.1"];
    self_signed("tokbind test", &names, true)
}

/// What the server does, and what it saw.
pub struct Server {
    listener: TcpListener,
    context: SslContext,
    pub address: SocketAddr,
    pub certificate: X509,
    offers: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// What the server does.
pub struct ServerOptions {
    pub version: SslVersion,
    pub answer: Option<Vec<u8>>,
    /// Where the answer goes on TLS 1.3.
    pub tls13_location: ExtensionContext,
    pub tickets: bool,
    pub extended_master_secret: bool,
    pub groups: Option<&'static str>,
    pub alpn: Option<&'static [u8]>,
    pub client_ca: Option<X509>,
}

impl ServerOptions {
    /// A server that speaks this TLS version and answers that it speaks Token Binding 1.0 with ecdsap256.
    pub fn new(version: SslVersion) -> Self {
        ServerOptions {
            version,
            answer: Some(vec![1, 0, 1, 2]),
            tls13_location: ExtensionContext::TLS1_3_ENCRYPTED_EXTENSIONS,
            tickets: true,
            extended_master_secret: true,
            groups: None,
            alpn: None,
            client_ca: None,
        }
    }

    pub fn answer(mut self, answer: &[u8]) -> Self {
        self.answer = Some(answer.to_vec());
        self
    }

    pub async fn start(self) -> Server {
        let (certificate, key) = identity();
        let mut context = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
        context.set_min_proto_version(Some(self.version)).unwrap();
        context.set_max_proto_version(Some(self.version)).unwrap();
        context.set_certificate(&certificate).unwrap();
        context.set_private_key(&key).unwrap();
        context.set_session_id_context(b"tokbind").unwrap();
        if !self.tickets {
            context.set_options(SslOptions::NO_TICKET);
        }
        if !self.extended_master_secret {
            context.set_options(SslOptions::from_bits_retain(1));
        }
        if let Some(groups) = self.groups {
            context.set_groups_list(groups).unwrap();
        }
        if let Some(ours) = self.alpn {
            context.set_alpn_select_callback(move |_, theirs| {
                openssl::ssl::select_next_proto(ours, theirs).ok_or(AlpnError::NOACK)
            });
        }
        if let Some(ca) = self.client_ca {
            context.cert_store_mut().add_cert(ca).unwrap();
            context.set_verify(openssl::ssl::SslVerifyMode::PEER);
        }
        let offers = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&offers);
        let answer = self.answer;
        context
            .add_custom_ext(
                24,
                ExtensionContext::CLIENT_HELLO | ExtensionContext::TLS1_2_SERVER_HELLO | self.tls13_location,
                move |_, _, _| Ok(answer.clone()),
                move |_, _, body, _| {
                    seen.lock().unwrap().push(body.to_vec());
                    Ok(())
                },
            )
            .unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Server { listener, context: context.build(), address, certificate, offers }
    }
}

impl Server {
    /// The server's end of the next connection, or why there is none.
    pub async fn accept(&self) -> Served {
        let (tcp, _) = self.listener.accept().await.unwrap();
        let mut stream = SslStream::new(Ssl::new(&self.context).unwrap(), tcp).unwrap();
        Pin::new(&mut stream).accept().await?;
        Ok(stream)
    }

    /// Accepts a connection while `client` makes it. Returns what both ends came to.
    pub async fn meet<C: Future>(&self, client: C) -> (C::Output, Served) {
        tokio::join!(client, self.accept())
    }

    /// The `token_binding` bodies of all ClientHello messages so far.
    pub fn offers(&self) -> Vec<Vec<u8>> {
        self.offers.lock().unwrap().clone()
    }
}

/// The server's end of a connection, or why there is none.
pub type Served = Result<SslStream<TcpStream>, openssl::ssl::Error>;

/// The server's view of the exported keying material.
pub fn server_ekm(stream: &SslStream<TcpStream>) -> Ekm {
    let mut ekm = [0; 32];
    stream.ssl().export_keying_material(&mut ekm, "EXPORTER-Token-Binding", None).unwrap();
    Ekm::new(ekm)
}

/// The server name that the client indicated.
pub fn server_name(stream: &SslStream<TcpStream>) -> Option<String> {
    stream.ssl().servername(NameType::HOST_NAME).map(str::to_owned)
}

/// The alert that ended a handshake, as the server saw it.
pub fn alert(error: &openssl::ssl::Error) -> Option<i32> {
    error.ssl_error()?.errors().iter().map(|error| error.reason_code() - 1000).find(|alert| *alert >= 0)
}
