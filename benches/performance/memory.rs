//! (e) Memory: of an idle connection, and of the parent process after graceful restarts.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use tokbind::tls::Connector;

use crate::Effort;
use crate::requests::{browsers, lean, with_message};
use crate::statistics::Spread;
use httpd_harness::httpd::HOST;
use httpd_harness::memory::written;
use httpd_harness::session::{PROTOCOLS, Protocol, Session, session_options};
use httpd_harness::{Httpd, Visitor, setup};

/// Bytes that the module may add to an idle connection.
pub const GOAL: f64 = 1024.0;

/// Bytes per idle connection, after one request.
pub struct PerConnection {
    pub protocol: Protocol,
    /// Of the heap that are in use: allocated and not freed.
    pub in_use: Bytes,
    /// That the process has written to: pools too, and what falls between the heap's blocks.
    pub written: Bytes,
}

/// Medians over several servers.
pub struct Bytes {
    pub without: f64,
    /// Without the module, too, but with a request that carries a message.
    without_for_message: f64,
    unbound: f64,
    bound: f64,
}

impl Bytes {
    fn of(measured: [Vec<f64>; 4]) -> Self {
        let [without, without_for_message, unbound, bound] = measured.map(|values| Spread::of(values).median);
        Self { without, without_for_message, unbound, bound }
    }

    pub fn added_unbound(&self) -> f64 {
        self.unbound - self.without
    }

    pub fn added_bound(&self) -> f64 {
        self.bound - self.without_for_message
    }
}

pub async fn per_connection(effort: &Effort) -> Vec<PerConnection> {
    let visitor = Visitor::new();
    let heap = Heap::new();
    let mut results = Vec::new();
    for protocol in PROTOCOLS {
        let mut in_use: [Vec<f64>; 4] = Default::default();
        let mut written: [Vec<f64>; 4] = Default::default();
        for _ in 0..effort.repetitions {
            let variants = [(false, None), (false, Some(&visitor)), (true, None), (true, Some(&visitor))];
            for (kind, (with_module, visitor)) in variants.into_iter().enumerate() {
                let bytes = of_one(&heap, with_module, protocol, visitor, effort.connections).await;
                in_use[kind].push(bytes.0);
                written[kind].push(bytes.1);
            }
        }
        results.push(PerConnection { protocol, in_use: Bytes::of(in_use), written: Bytes::of(written) });
    }
    results
}

/// On a server of its own, the difference between some connections and many: bytes in use, and bytes written to.
async fn of_one(
    heap: &Heap,
    with_module: bool,
    protocol: Protocol,
    visitor: Option<&Visitor>,
    number: usize,
) -> (f64, f64) {
    let mut setup = lean(with_module);
    setup.environment = heap.environment();
    setup.global += "AsyncRequestWorkerFactor 1000\nH2MaxWorkerIdleSeconds 600\n";
    let mut server = setup.start();
    // An HTTP/2 connection takes a while to let go of its thread, and so httpd says that it has none left.
    server.announce("AH00484");
    let mut connections = Vec::new();
    let first = number / 4;
    open(&server, protocol, visitor, first, &mut connections).await;
    let measure = || {
        let process = serving(&server);
        (heap.in_use(process), written(process) as f64 * 1024.0)
    };
    let before = measure();
    open(&server, protocol, visitor, number, &mut connections).await;
    let after = measure();
    ((after.0 - before.0) / number as f64, (after.1 - before.1) / number as f64)
}

/// What counts the heap of a server: preloaded, and compiled for that first.
struct Heap {
    counts: TempDir,
    library: PathBuf,
}

impl Heap {
    fn new() -> Self {
        let counts = tempfile::Builder::new().prefix("tb-heap-").tempdir().unwrap();
        let library = counts.path().join("heap.so");
        let compiled = Command::new("cc")
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(setup::root().join("benches/performance/heap.c"))
            .status()
            .unwrap();
        assert!(compiled.success());
        Self { counts, library }
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.library.to_str().unwrap().to_owned()),
            ("HEAP_COUNTS", self.counts.path().to_str().unwrap().to_owned()),
        ]
    }

    fn in_use(&self, process: u32) -> f64 {
        let count = fs::read(self.counts.path().join(process.to_string())).unwrap();
        i64::from_ne_bytes(count.try_into().unwrap()) as f64
    }
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
