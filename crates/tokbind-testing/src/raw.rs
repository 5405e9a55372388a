//! A TLS server without manners: a test says what it sends, byte by byte.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use http::Response;
use openssl::ssl::Ssl;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_openssl::SslStream;
use tokio_util::sync::CancellationToken;

use crate::site::{SiteOptions, context};

pub type Tls = SslStream<TcpStream>;

/// The server. It has the certificate of all sites, and no Token Binding.
pub struct Raw {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    down: CancellationToken,
}

impl Raw {
    /// A server that offers these protocols and serves each connection, counted from zero, like that.
    pub async fn start<F, Serving>(alpn: &'static [u8], serve: F) -> Self
    where
        F: Fn(usize, Tls) -> Serving + Send + Sync + 'static,
        Serving: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, down) = (Arc::<AtomicUsize>::default(), CancellationToken::new());
        let context = context(&SiteOptions { alpn, token_binding: None, ..SiteOptions::default() });
        let (count, serve, ended) = (Arc::clone(&connections), Arc::new(serve), down.clone());
        let accepting = async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (context, serve) = (context.clone(), Arc::clone(&serve));
                let serving = async move {
                    let mut stream = SslStream::new(Ssl::new(&context).unwrap(), tcp).unwrap();
                    // A client that refuses the certificate ends here.
                    if Pin::new(&mut stream).accept().await.is_ok() {
                        serve(number, stream).await;
                    }
                };
                tokio::spawn(ended.clone().run_until_cancelled_owned(serving));
            }
        };
        tokio::spawn(down.clone().run_until_cancelled_owned(accepting));
        Raw { address, connections, down }
    }

    /// A server that answers each request with these bytes and closes the connection; `polite`: TLS first.
    pub async fn answering(answer: impl Into<Vec<u8>>, polite: bool) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Raw::start(b"\x08http/1.1", move |_, mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                if head(&mut stream).await.is_some() {
                    stream.write_all(&answer).await.unwrap();
                    if polite {
                        // The client may be gone.
                        let _ = stream.shutdown().await;
                    } else {
                        stream.flush().await.unwrap();
                        stream.get_mut().shutdown().await.unwrap();
                    }
                    // Until the client has read everything: a reset would take it away.
                    let _ = stream.get_mut().read(&mut [0; 1024]).await;
                }
            }
        })
        .await
    }

    /// A server that speaks both versions; what it does with an HTTP/2 request depends on the connection.
    pub async fn two_versions(
        on_http2: impl Fn(usize, SendResponse<Bytes>) + Clone + Send + Sync + 'static,
    ) -> Self {
        Raw::start(b"\x02h2\x08http/1.1", move |number, mut stream| {
            let on_http2 = on_http2.clone();
            async move {
                if stream.ssl().selected_alpn_protocol() == Some(b"h2") {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((_, respond))) = connection.accept().await {
                        on_http2(number, respond);
                    }
                    return;
                }
                while let Some(head) = head(&mut stream).await {
                    let length = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(": ")?;
                        name.eq_ignore_ascii_case("content-length").then_some(value)
                    });
                    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
                    stream.read_exact(&mut body).await.unwrap();
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len() + 6);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.write_all(&[b"http1 ", &body[..]].concat()).await.unwrap();
                }
            }
        })
        .await
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.down.cancel();
    }
}

/// The head of the next request; `None` when there is none.
pub async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Answers an HTTP/2 request with the word `http2`.
pub fn answer(mut respond: SendResponse<Bytes>) {
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data("http2".into(), true).unwrap();
}

/// A proxy without TLS. It passes on what comes to one server, whatever the request says, and notes the requests' heads.
pub struct Proxy {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    down: CancellationToken,
}

impl Proxy {
    /// A proxy that wants no password, or this as `Proxy-Authorization`.
    pub async fn start(server: SocketAddr, wants: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, down) = (Arc::<Mutex<Vec<String>>>::default(), CancellationToken::new());
        let noted = Arc::clone(&heads);
        let accepting = async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let noted = Arc::clone(&noted);
                tokio::spawn(async move {
                    let Some(head) = head(&mut client).await else { return };
                    noted.lock().unwrap().push(head.clone());
                    let may = wants.is_none_or(|wants| head.contains(&format!("uthorization: {wants}\r\n")));
                    if !may {
                        let refusal =
                            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
                        client.write_all(refusal.as_bytes()).await.unwrap();
                        return;
                    }
                    let mut server = TcpStream::connect(server).await.unwrap();
                    if head.starts_with("CONNECT ") {
                        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    } else {
                        server.write_all(head.as_bytes()).await.unwrap();
                    }
                    // Ends when either side does.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        };
        tokio::spawn(down.clone().run_until_cancelled_owned(accepting));
        Proxy { address, heads, down }
    }

    /// The first lines of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.down.cancel();
    }
}
