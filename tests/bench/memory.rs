//! (e) Memory: of an idle connection, and of the parent process after graceful restarts.

use std::fs;

use tokbind::tls::Connector;

use crate::Effort;
use crate::requests::{browsers, lean, with_message};
use crate::statistics::Spread;
use crate::support::httpd::HOST;
use crate::support::memory::written;
use crate::support::session::{PROTOCOLS, Protocol, Session, session_options};
use crate::support::{Httpd, Visitor};

/// Bytes that the module may add to an idle connection.
pub const GOAL: f64 = 1024.0;

/// Bytes per idle connection, after one request.
pub struct PerConnection {
    pub protocol: Protocol,
    pub without: Spread,
    /// Without the module, too, but with a request that carries a message.
    pub without_for_message: Spread,
    pub unbound: Spread,
    pub bound: Spread,
}

pub async fn per_connection(effort: &Effort) -> Vec<PerConnection> {
    let visitor = Visitor::new();
    let mut results = Vec::new();
    for protocol in PROTOCOLS {
        let mut measured: [Vec<f64>; 4] = Default::default();
        for _ in 0..effort.repetitions {
            let variants = [(false, None), (false, Some(&visitor)), (true, None), (true, Some(&visitor))];
            for (measured, (with_module, visitor)) in measured.iter_mut().zip(variants) {
                measured.push(of_one(with_module, protocol, visitor, effort.connections).await);
            }
        }
        let [without, without_for_message, unbound, bound] = measured.map(Spread::of);
        results.push(PerConnection { protocol, without, without_for_message, unbound, bound });
    }
    results
}

/// On a server of its own: the difference between some connections and many.
async fn of_one(with_module: bool, protocol: Protocol, visitor: Option<&Visitor>, number: usize) -> f64 {
    let mut setup = lean(with_module);
    setup.global += "AsyncRequestWorkerFactor 1000\nH2MaxWorkerIdleSeconds 600\n";
    let mut server = setup.start();
    // An HTTP/2 connection takes a while to let go of its thread, and so httpd says that it has none left.
    server.announce("AH00484");
    let mut connections = Vec::new();
    let first = number / 4;
    open(&server, protocol, visitor, first, &mut connections).await;
    let before = written(serving(&server));
    open(&server, protocol, visitor, number, &mut connections).await;
    let after = written(serving(&server));
    (after as f64 - before as f64) * 1024.0 / number as f64
}

async fn open<'v>(
    server: &Httpd,
    protocol: Protocol,
    visitor: Option<&'v Visitor>,
    number: usize,
    connections: &mut Vec<Session<'v>>,
) {
    // One for all: each would read the system's certificates.
    let connector = Connector::new(&session_options(protocol, visitor.is_some())).unwrap();
    for _ in 0..number {
        let connection = connector.connect(server.address(), HOST).await.unwrap();
        let mut session = Session::over(connection, protocol, visitor).await;
        let request = match visitor {
            Some(visitor) => with_message(browsers(), &visitor.header(session.ekm())),
            None => browsers(),
        };
        assert_eq!(session.try_send_as_it_is(&request).await.unwrap().status, 200);
        connections.push(session);
    }
}

/// The one child that serves: it has threads, which mod_cgid's daemon has not.
fn serving(server: &Httpd) -> u32 {
    let threads = |pid: u32| fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let serving: Vec<u32> = server.children().into_iter().filter(|pid| threads(*pid) > 1).collect();
    assert_eq!(serving.len(), 1, "{serving:?}");
    serving[0]
}

/// The parent process's memory in KiB, after each graceful restart.
pub struct Restarts {
    pub without: Vec<u64>,
    pub with: Vec<u64>,
}

pub fn restarts(effort: &Effort) -> Restarts {
    let of_one = |with_module| {
        let server = lean(with_module).start();
        let mut memory = vec![written(server.pid())];
        for _ in 0..effort.restarts {
            server.restart();
            memory.push(written(server.pid()));
        }
        memory
    };
    Restarts { without: of_one(false), with: of_one(true) }
}
