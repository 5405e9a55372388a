//! The kinds of clients, good and bad, and what each must be answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokbind::tls::Connector;
use tokbind::{Request, Response, binding};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Count;
use httpd_harness::client::options;
use httpd_harness::httpd::HOST;
use httpd_harness::session::{Protocol, Session, session_options};
use httpd_harness::{Httpd, Visitor};

pub struct Shared {
    pub server: Httpd,
    /// Begun. An answer may be lost on a connection that has lived through one.
    pub restarts: Count,
    pub refused: Count,
}

impl Shared {
    pub fn new(server: Httpd) -> Self {
        Self { server, restarts: Count::new(0), refused: Count::new(0) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Bound(Protocol),
    Unbound(Protocol),
    /// Sends what another connection of the same client's has proved.
    Replaying(Protocol),
    /// Sends bytes of no sense, short and as long as httpd takes them.
    Raving(Protocol),
    /// Goes away in the middle of a handshake or right after it.
    Leaving,
    /// Sends its request byte by byte.
    Slow,
}

/// How often each answer came.
type Answers = BTreeMap<&'static str, usize>;

impl Client {
    pub const ALL: [Self; 10] = [
        Self::Bound(Protocol::Http1),
        Self::Bound(Protocol::Http2),
        Self::Unbound(Protocol::Http1),
        Self::Unbound(Protocol::Http2),
        Self::Replaying(Protocol::Http1),
        Self::Replaying(Protocol::Http2),
        Self::Raving(Protocol::Http1),
        Self::Raving(Protocol::Http2),
        Self::Leaving,
        Self::Slow,
    ];

    pub async fn run(self, shared: Arc<Shared>, end: Instant, mut rng: Rng) -> Answers {
        let mut answers = Answers::new();
        while Instant::now() < end {
            match self {
                Self::Leaving => leave(&shared, &mut rng).await,
                Self::Slow => slow(&shared, &mut answers).await,
                Self::Bound(protocol)
                | Self::Unbound(protocol)
                | Self::Replaying(protocol)
                | Self::Raving(protocol) => self.visit(&shared, protocol, &mut rng, &mut answers).await,
            }
        }
        answers
    }

    /// A connection with some requests.
    async fn visit(self, shared: &Shared, protocol: Protocol, rng: &mut Rng, answers: &mut Answers) {
        let visitor = Visitor::new();
        let restarts = shared.restarts.load(Ordering::SeqCst);
        let lost = |error: &dyn std::fmt::Display| {
            let now = shared.restarts.load(Ordering::SeqCst);
            assert!(now > restarts, "{self:?}: lost without a restart: {error}");
        };
        let connector =
            Connector::new(&session_options(protocol, !matches!(self, Self::Unbound(_)))).unwrap();
        let mut connections = Vec::new();
        for _ in 0..2 {
            match connector.connect(shared.server.address(), HOST).await {
                Ok(connection) => connections.push(connection),
                Err(error) => return lost(&error),
            }
        }
        let other = binding::header(&connections[1].ekm().unwrap(), &visitor.key, None).unwrap();
        let ekm = connections[0].ekm().unwrap();
        let own = visitor.header(&ekm);
        let mut session = Session::over(connections.swap_remove(0), protocol, None).await;
        for _ in 0..=rng.usize(..20) {
            let request = Request::get(HOST, if rng.usize(..5) == 0 { "/absent" } else { "/page.html" });
            let path_is_there = !format!("{request:?}").contains("absent");
            let request = match self {
                Self::Bound(_) => request.header(binding::SEC_TOKEN_BINDING, &*own),
                Self::Replaying(_) => request.header(binding::SEC_TOKEN_BINDING, &*other),
                Self::Raving(_) => request.header(binding::SEC_TOKEN_BINDING, ravings(rng)),
                _ => request,
            };
            let response = match session.try_send_as_it_is(&request).await {
                Ok(response) => response,
                Err(error) => return lost(&error),
            };
            let found = if path_is_there { 200 } else { 404 };
            let (what, status, id) = match self {
                Self::Bound(_) => ("bound, own ID", found, visitor.id()),
                Self::Replaying(_) => ("another connection's proof, refused", 400, String::new()),
                Self::Raving(_) => ("no message, refused", 400, String::new()),
                _ => ("unbound, no ID", found, String::new()),
            };
            assert_eq!((response.status, shown(&response)), (status, id), "{self:?}");
            if status == 400 {
                shared.refused.fetch_add(1, Ordering::SeqCst);
            }
            *answers.entry(what).or_default() += 1;
            if protocol == Protocol::Http1 && status == 400 {
                return;
            }
        }
    }
}

pub fn shown(response: &Response) -> String {
    let value = response.headers_named("X-ID").next().unwrap_or_default();
    String::from_utf8_lossy(value).trim().to_owned()
}

/// No message: base64url or not, short or almost as long as httpd takes a line.
fn ravings(rng: &mut Rng) -> String {
    let mut bytes = vec![0; [1, 3, 64, 135, 300, 5000][rng.usize(..6)]];
    rng.fill(&mut bytes);
    match rng.bool() {
        true => token_binding::header::encode(&bytes),
        false => bytes.iter().map(|byte| char::from(b'!' + byte % 90)).collect(),
    }
}

async fn leave(shared: &Shared, rng: &mut Rng) {
    let address = shared.server.address();
    if rng.bool() {
        // The connection may be lost to a restart; leaving is what it is for.
        drop(Connector::new(&options()).unwrap().connect(address, HOST).await);
    } else if let Ok(mut tcp) = TcpStream::connect(address).await {
        let mut hello = vec![0; rng.usize(..200)];
        rng.fill(&mut hello);
        // Half of a record that says to be a ClientHello, or garbage.
        let _ = tcp.write_all(if rng.bool() { b"\x16\x03\x01\x02\x00\x01\x00" } else { &hello }).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn slow(shared: &Shared, answers: &mut Answers) {
    let visitor = Visitor::new();
    let restarts = shared.restarts.load(Ordering::SeqCst);
    let conversation = async {
        let mut tls =
            Connector::new(&options()).unwrap().connect(shared.server.address(), HOST).await.ok()?;
        let header = visitor.header(&tls.ekm().unwrap());
        let text = format!(
            "GET /page.html HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nSec-Token-Binding: {header}\r\n\r\n"
        );
        for part in text.as_bytes().chunks(7) {
            tls.write_all(part).await.ok()?;
            tls.flush().await.ok()?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut answer = Vec::new();
        tls.read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    };
    match conversation.await {
        Some(answer) if answer.starts_with("HTTP/1.1 200") => {
            assert!(answer.contains(&visitor.id()), "{answer}");
            *answers.entry("bound, byte by byte, own ID").or_default() += 1;
        }
        answer => {
            assert!(
                shared.restarts.load(Ordering::SeqCst) > restarts,
                "slow: lost without a restart: {answer:?}"
            );
        }
    }
}
