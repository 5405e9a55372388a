//! (f) How the instructions that the module adds to a request grow.

use tokbind::{Ekm, KeyParameters, PrivateKey, Request, TokenBindingType};
use token_binding::sign::MessageBuilder;

use crate::Effort;
use crate::callgrind::Counted;
use crate::instructions::per_request;
use crate::requests::{browsers, lean, with_message};
use httpd_harness::Visitor;
use httpd_harness::session::Protocol;

/// The instructions added, by the size of one thing.
pub struct Growth {
    pub by: &'static str,
    pub points: Vec<Point>,
}

pub struct Point {
    pub size: usize,
    pub bound: f64,
    /// Where it makes sense without Token Binding.
    pub unbound: Option<f64>,
}

impl Growth {
    /// Instructions for one more, from the first point to the last.
    pub fn slope(&self) -> f64 {
        let (first, last) = (&self.points[0], &self.points[self.points.len() - 1]);
        (last.bound - first.bound) / (last.size - first.size) as f64
    }
}

/// Two servers that differ in the module only.
struct Pair {
    without: Counted,
    with: Counted,
}

impl Pair {
    fn start(virtual_hosts: usize) -> Self {
        let start = |with_module| {
            let mut setup = lean(with_module);
            for number in 1..virtual_hosts {
                setup.global += &format!(
                    "<VirtualHost 127.0.0.1:@PORT@>\nServerName site{number}.test\nSSLEngine On\n\
                     SSLCertificateFile @DIR@/server.pem\n</VirtualHost>\n"
                );
            }
            Counted::start(setup)
        };
        Self { without: start(false), with: start(true) }
    }

    /// What the module adds to each of these requests, sent in turn.
    async fn added(
        &self,
        visitor: Option<&Visitor>,
        requests: impl Fn(&Ekm) -> Vec<Request>,
        cycles: usize,
    ) -> f64 {
        let without = per_request(&self.without, Protocol::Http1, None, &requests, cycles).await;
        let with = per_request(&self.with, Protocol::Http1, visitor, &requests, cycles).await;
        with.all - without.all
    }
}

pub async fn measure(effort: &Effort) -> Vec<Growth> {
    let pair = Pair::start(1);
    // With HTTP/1.1, requests differ little.
    let cycles = effort.cycles.min(11);
    let mut growths = vec![
        of_request(&pair, cycles, "other header lines", &[0, 10, 20, 40, 80], |lines| {
            (0..lines).fold(bare(), |request, number| request.header(&format!("X-Line-{number}"), "value"))
        })
        .await,
        of_request(&pair, cycles, "bytes in another header", &[0, 2000, 4000, 6000, 8000], |bytes| {
            bare().header("Cookie", "c".repeat(bytes))
        })
        .await,
        of_message(&pair, cycles, "bindings in the message", &[1, 2, 4, 8, 16], bindings).await,
        of_message(&pair, cycles, "messages in turn on the connection", &[1, 2, 3, 4], |ekm, number| {
            (0..number).map(|_| Visitor::new().header(ekm)).collect()
        })
        .await,
    ];
    drop(pair);
    let mut points = Vec::new();
    for &size in effort.virtual_hosts {
        let pair = Pair::start(size);
        points.push(point(&pair, cycles, size, &browsers()).await);
    }
    growths.push(Growth { by: "virtual hosts", points });
    growths
}

/// Without header lines of a browser's.
fn bare() -> Request {
    Request { headers: Vec::new(), ..browsers() }
}

async fn of_request(
    pair: &Pair,
    cycles: usize,
    by: &'static str,
    sizes: &[usize],
    request: impl Fn(usize) -> Request,
) -> Growth {
    let mut points = Vec::new();
    for &size in sizes {
        points.push(point(pair, cycles, size, &request(size)).await);
    }
    Growth { by, points }
}

async fn point(pair: &Pair, cycles: usize, size: usize, request: &Request) -> Point {
    let visitor = Visitor::new();
    let proving = |ekm: &Ekm| vec![with_message(request.clone(), &visitor.header(ekm))];
    let bound = pair.added(Some(&visitor), proving, cycles).await;
    let unbound = pair.added(None, |_| vec![request.clone()], cycles).await;
    Point { size, bound, unbound: Some(unbound) }
}

async fn of_message(
    pair: &Pair,
    cycles: usize,
    by: &'static str,
    sizes: &[usize],
    headers: impl Fn(&Ekm, usize) -> Vec<String>,
) -> Growth {
    let mut points = Vec::new();
    for &size in sizes {
        let requests =
            |ekm: &Ekm| headers(ekm, size).iter().map(|header| with_message(browsers(), header)).collect();
        let bound = pair.added(Some(&Visitor::new()), requests, cycles).await;
        points.push(Point { size, bound, unbound: None });
    }
    Growth { by, points }
}

/// One message: provided, referred, and others of unknown types.
fn bindings(ekm: &Ekm, number: usize) -> Vec<String> {
    let mut message = MessageBuilder::new();
    for kind in 0..number {
        let key = PrivateKey::generate(KeyParameters::ECDSAP256).unwrap();
        message.add(TokenBindingType(kind.try_into().unwrap()), &key, ekm).unwrap();
    }
    vec![message.finish_header()]
}
