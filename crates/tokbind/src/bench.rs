//! A load generator: requests per second, handshakes per second and latencies of a server, with and without Token
//! Binding.
//!
//! It measures the two of them, client and server, on the machines they run on. Compare numbers of one run only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::client::HttpVersion;
use crate::error::{Error, Result};
use crate::http1::Http1;
use crate::http2::Http2;
use crate::message::{Request, Response};
use crate::tls::{Connector, Offer, Session, TlsConnection};
use crate::{Ekm, KeyParameters, Negotiated, PrivateKey, Target, binding};

/// Latencies are recorded from a microsecond to a minute, with three significant digits.
const LONGEST: u64 = 60_000_000;
const DIGITS: u8 = 3;

/// What to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BenchOptions {
    /// How many connections are used at the same time.
    pub connections: usize,
    /// How many requests are sent, over all connections.
    pub requests: u64,
    /// Which HTTP to speak.
    pub http: HttpVersion,
    /// How many requests are under way on one HTTP/2 connection at the same time.
    pub streams: usize,
    /// How connections are used.
    pub reuse: Reuse,
    /// The key parameters to offer; `None` for a client without Token Binding.
    pub token_binding: Option<KeyParameters>,
}

/// How connections are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reuse {
    /// For as many requests as the server allows.
    KeepAlive,
    /// For one request; the next connection does a full handshake.
    FullHandshakes,
    /// For one request; the next connection resumes the TLS session.
    ResumedHandshakes,
}

impl Default for BenchOptions {
    fn default() -> Self {
        BenchOptions {
            connections: 16,
            requests: 10_000,
            http: HttpVersion::Http1,
            streams: 8,
            reuse: Reuse::KeepAlive,
            token_binding: Some(KeyParameters::ECDSAP256),
        }
    }
}

/// What was measured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// From the first connection to the last response.
    pub elapsed: Duration,
    /// How many responses had each status.
    pub statuses: BTreeMap<u16, u64>,
    /// How many requests got no response, by reason.
    pub errors: BTreeMap<String, u64>,
    /// How many handshakes there were.
    pub handshakes: u64,
    /// How many of them resumed a session.
    pub resumed: u64,
    /// What was negotiated, on the first connection.
    pub negotiated: Option<Negotiated>,
    /// From a request's first byte (of the first on a connection: from the connection's) to the response's last, in
    /// microseconds.
    pub latency: Histogram<u64>,
}

impl Report {
    fn new() -> Result<Self> {
        // Its bounds are constants that fit each other.
        let latency = Histogram::new_with_bounds(1, LONGEST, DIGITS)
            .map_err(|_| Error::Internal("no histogram has these bounds"))?;
        Ok(Report {
            elapsed: Duration::ZERO,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            handshakes: 0,
            resumed: 0,
            negotiated: None,
            latency,
        })
    }

    /// How many requests got a response.
    #[must_use]
    pub fn responses(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Responses per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.responses() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// Handshakes per second.
    #[must_use]
    pub fn handshake_rate(&self) -> f64 {
        self.handshakes as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    fn record(&mut self, started: Instant, answer: Result<Response>) {
        match answer {
            Ok(response) => {
                *self.statuses.entry(response.status).or_default() += 1;
                let micros = started.elapsed().as_micros().try_into().unwrap_or(LONGEST);
                self.latency.saturating_record(micros);
            }
            Err(error) => *self.errors.entry(error.to_string()).or_default() += 1,
        }
    }

    fn merge(&mut self, other: Report) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
        self.handshakes += other.handshakes;
        self.resumed += other.resumed;
        self.negotiated = self.negotiated.or(other.negotiated);
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
    }
}

/// Generates the load. `progress` is told the number of requests that are done, now and then.
///
/// # Errors
/// The first connection fails. What fails later is counted in the report.
pub async fn run(
    target: &Target,
    options: &BenchOptions,
    progress: impl Fn(u64) + Send + Sync,
) -> Result<Report> {
    let worker = Arc::new(Worker::new(target, options).await?);
    worker.connect(None).await?;
    let left = Arc::new(AtomicU64::new(options.requests));
    let started = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..options.connections.max(1) {
        let (worker, left) = (Arc::clone(&worker), Arc::clone(&left));
        workers.spawn(async move { worker.work(&left).await });
    }
    let mut report = Report::new()?;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            done = workers.join_next() => match done {
                Some(Ok(part)) => report.merge(part?),
                Some(Err(_)) => *report.errors.entry("a worker failed".into()).or_default() += 1,
                None => break,
            },
            _ = ticks.tick() => progress(options.requests.saturating_sub(left.load(Ordering::Relaxed))),
        }
    }
    report.elapsed = started.elapsed();
    progress(options.requests);
    Ok(report)
}

/// What the connections have in common.
struct Worker {
    target: Target,
    address: std::net::SocketAddr,
    connector: Connector,
    options: BenchOptions,
    key: Option<PrivateKey>,
    request: Request,
}

/// A connection, ready for requests.
enum Connection {
    Http1(Box<Http1<TlsConnection>>),
    Http2(Http2),
}

impl Worker {
    async fn new(target: &Target, options: &BenchOptions) -> Result<Self> {
        let offer = options.token_binding.map_or(Offer::None, |kind| Offer::v1([kind]));
        let connect = target.options.clone().offer(offer).alpn(options.http.alpn());
        Ok(Worker {
            target: target.clone(),
            address: target.address().await?,
            connector: Connector::new(&connect)?,
            options: options.clone(),
            key: options.token_binding.map(PrivateKey::generate).transpose()?,
            request: target.request(),
        })
    }

    async fn connect(&self, session: Option<&Session>) -> Result<TlsConnection> {
        match session {
            Some(session) => self.connector.resume(self.address, &self.target.host, session).await,
            None => self.connector.connect(self.address, &self.target.host).await,
        }
    }

    /// Sends requests until none is left.
    async fn work(&self, left: &AtomicU64) -> Result<Report> {
        let mut report = Report::new()?;
        let mut session = None;
        while take(left) {
            let started = Instant::now();
            match self.open(session.as_ref(), &mut report).await {
                Ok((connection, request, opened)) => {
                    if self.options.reuse == Reuse::ResumedHandshakes {
                        session = Some(opened);
                    }
                    self.use_up(connection, &request, started, left, &mut report).await;
                }
                Err(error) => report.record(started, Err(error)),
            }
        }
        Ok(report)
    }

    /// A connection, the request with its header, and its session.
    async fn open(
        &self,
        session: Option<&Session>,
        report: &mut Report,
    ) -> Result<(Connection, Request, Session)> {
        let connection = self.connect(session).await?;
        report.handshakes += 1;
        report.resumed += u64::from(connection.session_reused());
        report.negotiated = report.negotiated.or(connection.negotiated());
        let (request, session) = (self.request_for(&connection)?, connection.session());
        Ok((self.start(connection).await?, request, session))
    }

    /// The request with this connection's header.
    fn request_for(&self, connection: &TlsConnection) -> Result<Request> {
        match (&self.key, connection.negotiated()) {
            (Some(key), Some(_)) => {
                let ekm: Ekm = connection.ekm()?;
                Ok(self.request.clone().header(binding::SEC_TOKEN_BINDING, binding::header(&ekm, key, None)?))
            }
            _ => Ok(self.request.clone()),
        }
    }

    async fn start(&self, connection: TlsConnection) -> Result<Connection> {
        if connection.alpn() == Some(b"h2") {
            Ok(Connection::Http2(Http2::handshake(connection).await?))
        } else if self.options.http == HttpVersion::Http2 {
            Err(Error::NoHttp2)
        } else {
            Ok(Connection::Http1(Box::new(Http1::new(connection))))
        }
    }

    /// Sends requests on a connection as long as it can be used. The first of them is taken already.
    async fn use_up(
        &self,
        connection: Connection,
        request: &Request,
        connected: Instant,
        left: &AtomicU64,
        report: &mut Report,
    ) {
        let once = self.options.reuse != Reuse::KeepAlive;
        match connection {
            Connection::Http1(mut http) => {
                let mut started = connected;
                loop {
                    report.record(started, http.request(request).await);
                    if once || !http.reusable() || !take(left) {
                        break;
                    }
                    started = Instant::now();
                }
            }
            Connection::Http2(http) => {
                let mut streams = JoinSet::new();
                let at_once = self.options.streams.max(1);
                let send = |streams: &mut JoinSet<_>, started| {
                    let (http, request) = (http.clone(), request.clone());
                    streams.spawn(async move { (started, http.request(&request).await) });
                };
                send(&mut streams, connected);
                let mut open = !once;
                loop {
                    while open && streams.len() < at_once && take(left) {
                        send(&mut streams, Instant::now());
                    }
                    match streams.join_next().await {
                        Some(Ok((started, answer))) => {
                            // The server ends a connection after so many requests; another takes over.
                            open &= answer.is_ok();
                            report.record(started, answer);
                        }
                        Some(Err(_)) => open = false,
                        None => break,
                    }
                }
            }
        }
    }
}

/// Takes one of the requests that are left.
fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}
