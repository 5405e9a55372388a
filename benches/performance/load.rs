//! (c) Requests and (d) handshakes per second: httpd without the module, with it for clients without Token Binding, and with
//! it for clients that have it. All on one machine with their client, in short rounds that take turns.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use tokbind::bench::{BenchOptions, Reuse};
use tokbind::client::HttpVersion;
use tokbind::tls::{ConnectOptions, Connector, Offer, Session};
use tokbind::{KeyParameters, Target};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::Effort;
use crate::requests::lean;
use crate::statistics::Spread;
use httpd_harness::Httpd;
use httpd_harness::httpd::HOST;

pub const GOAL: f64 = 0.97;

/// How many connections are busy at the same time.
const CONNECTIONS: usize = 16;

/// What a round does.
#[derive(Clone, Copy)]
pub enum Work {
    Requests(HttpVersion),
    Handshakes {
        resumed: bool,
    },
    /// A connection each, for one request.
    Visits {
        resumed: bool,
    },
}

impl Work {
    pub const ALL: [Self; 6] = [
        Self::Requests(HttpVersion::Http1),
        Self::Requests(HttpVersion::Http2),
        Self::Handshakes { resumed: false },
        Self::Handshakes { resumed: true },
        Self::Visits { resumed: false },
        Self::Visits { resumed: true },
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Requests(HttpVersion::Http2) => "requests, HTTP/2",
            Self::Requests(_) => "requests, HTTP/1.1",
            Self::Handshakes { resumed: false } => "full handshakes",
            Self::Handshakes { resumed: true } => "resumed handshakes",
            Self::Visits { resumed: false } => "full handshake and one request",
            Self::Visits { resumed: true } => "resumed handshake and one request",
        }
    }

    /// How many of them about a second takes.
    fn a_seconds(self) -> u64 {
        match self {
            Self::Requests(_) => 12_000,
            Self::Handshakes { .. } | Self::Visits { .. } => 1_500,
        }
    }
}

/// What was measured of one kind of work.
pub struct Rates {
    pub work: Work,
    /// Per second: without the module.
    pub base: Spread,
    /// Over that: with the module, without and with Token Binding.
    pub unbound: Ratios,
    pub bound: Ratios,
}

pub struct Ratios {
    pub rate: Spread,
    /// The processor time that the server takes for it.
    pub processor: Spread,
}

pub async fn measure(effort: &Effort) -> Vec<Rates> {
    let (without, with) = (lean(false).start(), lean(true).start());
    let mut results = Vec::new();
    for work in Work::ALL {
        results.push(measure_one(&without, &with, work, effort).await);
    }
    results
}

async fn measure_one(without: &Httpd, with: &Httpd, work: Work, effort: &Effort) -> Rates {
    let number = (work.a_seconds() as f64 * effort.round_seconds).ceil() as u64;
    let variants = [(without, false), (with, false), (with, true)];
    for (server, bound) in variants {
        round(server, work, bound, number / 4 + 1).await;
    }
    let (mut base, mut unbound, mut bound) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.blocks {
        // There and back: a drift of the machine's speed cancels out.
        let mut rounds = [[Round::default(); 2]; 3];
        for turn in [0, 1, 2, 2, 1, 0] {
            let (server, has_key) = variants[turn];
            let place = usize::from(rounds[turn][0].rate > 0.0);
            rounds[turn][place] = round(server, work, has_key, number).await;
        }
        let [first, second, third] = rounds.map(|[there, back]| there.and(back));
        base.push(first.rate);
        unbound.push(second.over(first));
        bound.push(third.over(first));
    }
    Rates { work, base: Spread::of(base), unbound: Ratios::of(&unbound), bound: Ratios::of(&bound) }
}

impl Ratios {
    fn of(rounds: &[Round]) -> Self {
        Self {
            rate: Spread::of(rounds.iter().map(|round| round.rate).collect()),
            processor: Spread::of(rounds.iter().map(|round| round.processor).collect()),
        }
    }
}

/// Per second, and the server's processor time for each.
#[derive(Clone, Copy, Default)]
struct Round {
    rate: f64,
    processor: f64,
}

impl Round {
    fn and(self, other: Self) -> Self {
        Self { rate: self.rate + other.rate, processor: self.processor + other.processor }
    }

    fn over(self, base: Self) -> Self {
        Self { rate: self.rate / base.rate, processor: self.processor / base.processor }
    }
}

async fn round(server: &Httpd, work: Work, bound: bool, number: u64) -> Round {
    let before = processor_time(server);
    let rate = match work {
        Work::Requests(http) => requests(server, http, Reuse::KeepAlive, bound, number).await,
        Work::Visits { resumed } => {
            let reuse = if resumed { Reuse::ResumedHandshakes } else { Reuse::FullHandshakes };
            requests(server, HttpVersion::Http1, reuse, bound, number).await
        }
        Work::Handshakes { resumed } => handshakes(server, resumed, bound, number).await,
    };
    Round { rate, processor: (processor_time(server) - before) / number as f64 }
}

async fn requests(server: &Httpd, http: HttpVersion, reuse: Reuse, bound: bool, number: u64) -> f64 {
    let url = format!("https://{HOST}:{}/page.html", server.port());
    let target = Target::new(&url, ConnectOptions::new().accept_any_certificate(true))
        .unwrap()
        .resolve(Ipv4Addr::LOCALHOST.into());
    let mut options = BenchOptions::default();
    (options.connections, options.requests) = (CONNECTIONS, number);
    (options.http, options.reuse) = (http, reuse);
    options.token_binding = bound.then_some(KeyParameters::ECDSAP256);
    let report = tokbind::bench::run(&target, &options, |_| {}).await.unwrap();
    assert_eq!(report.statuses.get(&200), Some(&number), "{:?} {:?}", report.statuses, report.errors);
    assert_eq!(report.negotiated.is_some(), bound);
    report.rate()
}

/// Handshakes without a request.
async fn handshakes(server: &Httpd, resumed: bool, bound: bool, number: u64) -> f64 {
    let offer = if bound { Offer::default() } else { Offer::None };
    let options = ConnectOptions::new().accept_any_certificate(true).offer(offer);
    let connector = Arc::new(Connector::new(&options).unwrap());
    let address = server.address();
    let mut sessions = Vec::new();
    for _ in 0..CONNECTIONS {
        sessions.push(handshake(&connector, address, None, bound).await);
    }
    let left = Arc::new(AtomicU32::new(number.try_into().unwrap()));
    let started = Instant::now();
    let workers = sessions.into_iter().map(|session| {
        let (connector, left) = (Arc::clone(&connector), Arc::clone(&left));
        tokio::spawn(async move {
            let session = resumed.then_some(session);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                handshake(&connector, address, session.as_ref(), bound).await;
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    number as f64 / started.elapsed().as_secs_f64()
}

/// Connects, says goodbye at once, and waits until the server has said it too: it has finished the handshake then, and sent
/// what the session is resumed by.
async fn handshake(
    connector: &Connector,
    address: (&'static str, u16),
    session: Option<&Session>,
    bound: bool,
) -> Session {
    let mut connection = match session {
        Some(session) => connector.resume(address, HOST, session).await.unwrap(),
        None => connector.connect(address, HOST).await.unwrap(),
    };
    assert_eq!(connection.session_reused(), session.is_some());
    assert_eq!(connection.negotiated().is_some(), bound);
    connection.shutdown().await.unwrap();
    connection.read_to_end(&mut Vec::new()).await.unwrap();
    connection.session()
}

/// Nanoseconds that the server's processes have had a processor.
fn processor_time(server: &Httpd) -> f64 {
    let of_task = |path: std::path::PathBuf| -> u64 {
        // A thread may just have ended.
        let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|time| time.parse().ok()).unwrap_or(0)
    };
    let tasks = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    server.children().into_iter().flat_map(tasks).map(|task| of_task(task.path())).sum::<u64>() as f64
}
