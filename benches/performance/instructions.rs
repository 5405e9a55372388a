//! (b) Instructions per request on a keep-alive connection.

use tokbind::{Ekm, Request};

use crate::Effort;
use crate::callgrind::{Counted, Cycle};
use crate::requests::{browsers, lean, with_message};
use crate::statistics::Spread;
use httpd_harness::Visitor;
use httpd_harness::session::{PROTOCOLS, Protocol, Session};

/// Of the request's own instructions.
pub const GOAL_BOUND: f64 = 0.03;

/// Of one request, by what serves it.
pub struct PerRequest {
    pub protocol: Protocol,
    /// httpd without the module.
    pub without: Instructions,
    /// The same, for a request that carries a Token Binding message.
    pub without_for_message: Instructions,
    /// With the module, for a client without Token Binding.
    pub unbound: Instructions,
    /// With the module, for a client with Token Binding.
    pub bound: Instructions,
}

/// Medians over many requests.
pub struct Instructions {
    pub all: f64,
    /// Those in the module, and in what it calls.
    pub module: f64,
}

impl PerRequest {
    pub fn added_unbound(&self) -> f64 {
        self.unbound.all - self.without.all
    }

    pub fn added_bound(&self) -> f64 {
        self.bound.all - self.without_for_message.all
    }

    pub fn added_part(&self) -> f64 {
        self.added_bound() / self.without_for_message.all
    }
}

pub async fn measure(effort: &Effort) -> Vec<PerRequest> {
    let (without, with) = (Counted::start(lean(false)), Counted::start(lean(true)));
    let visitor = Visitor::new();
    let plain = |_: &Ekm| vec![browsers()];
    let proving = |ekm: &Ekm| vec![with_message(browsers(), &visitor.header(ekm))];
    let mut results = Vec::new();
    for protocol in PROTOCOLS {
        let cycles = match protocol {
            Protocol::Http1 => effort.cycles,
            // Two threads take turns in more than one way.
            Protocol::Http2 => effort.cycles * 10,
        };
        results.push(PerRequest {
            protocol,
            without: per_request(&without, protocol, None, plain, cycles).await,
            without_for_message: per_request(&without, protocol, None, proving, cycles).await,
            unbound: per_request(&with, protocol, None, plain, cycles).await,
            bound: per_request(&with, protocol, Some(&visitor), proving, cycles).await,
        });
    }
    results
}

/// Instructions per request of a connection on which these requests are sent in turn, so many times each.
pub async fn per_request(
    counted: &Counted,
    protocol: Protocol,
    visitor: Option<&Visitor>,
    requests: impl Fn(&Ekm) -> Vec<Request>,
    cycles: usize,
) -> Instructions {
    let mut session = Session::open(&counted.server, protocol, visitor).await;
    let requests = requests(session.ekm());
    let mut send = async |times: usize| {
        for request in requests.iter().cycle().take(times * requests.len()) {
            assert_eq!(session.try_send_as_it_is(request).await.unwrap().status, 200);
        }
        counted.take()
    };
    // Until pools and caches have found their size.
    send(3).await;
    let counts = send(cycles).await;
    assert_eq!(counts.len(), cycles * requests.len());
    let median = |count: fn(&Cycle) -> u64| {
        Spread::of(counts.iter().map(|cycle| count(cycle) as f64).collect()).median
    };
    Instructions { all: median(|cycle| cycle.all), module: median(|cycle| cycle.module) }
}
