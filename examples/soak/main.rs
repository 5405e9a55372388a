//! `make soak`: ten thousand connections at a time, then SOAK_SECONDS (1200) of clients of every kind, with graceful
//! restarts and log rotation. Each answer is checked, and so is what the server's processes have grown by. It ends with an
//! error at the first thing that is wrong.
//!
//! It prints the seed of its clients' random choices; SOAK_SEED makes the same choices again. Keys and timing differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

mod clients;
mod many;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clients::{Client, Shared};
use httpd_harness::memory::written;
use httpd_harness::{Httpd, Setup};
use rustix::process::Signal;

/// How long the server runs between two restarts. The first time is longer, to see what a child grows by.
const BETWEEN_RESTARTS: Duration = Duration::from_secs(15);

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect(variable))
}

/// Each answer says in X-ID whose request it was.
fn server(global: &str) -> Httpd {
    let mut setup =
        Setup::with("Header always set X-ID \"expr=%{reqenv:Sec-Provided-Token-Binding-ID}\"\nH2Push Off");
    setup.global += global;
    setup.start()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let connections = number("SOAK_CONNECTIONS", 10_000);
    if connections > 0 {
        runtime.block_on(many::connections(usize::try_from(connections).unwrap()));
    }
    let seconds = number("SOAK_SECONDS", 1200);
    if seconds > 0 {
        runtime.block_on(soak(Duration::from_secs(seconds)));
    }
    println!("soak: all well");
}

async fn soak(time: Duration) {
    let shared = Arc::new(Shared::new(server("")));
    let end = Instant::now() + time;
    let seed = number("SOAK_SEED", fastrand::u32(..).into());
    println!("soak: SOAK_SEED={seed} makes the same choices again");
    // A sequence for each client: which of them runs first makes no difference.
    let clients: Vec<_> = Client::ALL
        .into_iter()
        .zip(seed..)
        .map(|(client, seed)| {
            tokio::spawn(client.run(Arc::clone(&shared), end, fastrand::Rng::with_seed(seed)))
        })
        .collect();

    let pid = shared.server.pid();
    let mut children = Vec::new();
    let mut parents = Vec::new();
    while Instant::now() < end {
        // The first quarter is one generation's.
        let pause = if parents.is_empty() { time / 4 } else { BETWEEN_RESTARTS };
        let until = (Instant::now() + pause).min(end);
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if parents.is_empty() {
                children.push(shared.server.children().into_iter().map(written).max().unwrap());
            }
        }
        if Instant::now() < end {
            tokio::task::block_in_place(|| rotate(&shared));
            parents.push((written(pid), fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()));
        }
    }
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    for client in clients {
        for (what, count) in client.await.unwrap() {
            *answers.entry(what).or_default() += count;
        }
    }
    println!("soak: {} restarts with log rotation; answers, all as they should be:", parents.len());
    for (what, count) in &answers {
        println!("soak:   {count:>8} {what}");
    }
    check_logs(&shared);

    let grown = |values: &[u64]| {
        let (early, late) = (values[values.len() / 4], values[values.len() - 1]);
        println!("{early} KiB after a quarter of the time, {late} KiB at the end");
        late.saturating_sub(early)
    };
    print!("soak: a child's memory: ");
    let child = grown(&children);
    print!("soak: the parent's memory: ");
    let parent = grown(&parents.iter().map(|(memory, _)| *memory).collect::<Vec<_>>());
    let descriptors: Vec<usize> = parents.iter().map(|(_, descriptors)| *descriptors).collect();
    println!(
        "soak: the parent's file descriptors: {} to {}",
        descriptors[0],
        descriptors[descriptors.len() - 1]
    );
    // Threads' arenas fill up by and by; a leak of 100 bytes a request would be many MiB.
    assert!(child < 4096, "a child has grown by {child} KiB");
    assert!(parent < 256, "the parent has grown by {parent} KiB");
    assert_eq!(descriptors.first(), descriptors.last(), "the parent has lost file descriptors");
}

/// What logrotate does: rename, then restart gracefully; the new generation opens a new file.
fn rotate(shared: &Shared) {
    let directory = shared.server.dir();
    let count = shared.restarts.load(Ordering::SeqCst);
    fs::rename(directory.join("error.log"), directory.join(format!("error.log.{count}"))).unwrap();
    shared.restarts.fetch_add(1, Ordering::SeqCst);
    shared.server.signal(Signal::USR1);
    let is_up = |server: &Httpd| {
        let log = fs::read_to_string(server.dir().join("error.log")).unwrap_or_default();
        log.contains("resuming normal operations")
    };
    assert!(shared.server.wait_for(is_up), "no restart");
}

/// No line of the module's at error, no crash, in any of the logs.
fn check_logs(shared: &Shared) {
    let mut refusals = 0;
    for entry in fs::read_dir(shared.server.dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("error.log") {
            let log = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            for line in log.lines() {
                refusals += usize::from(line.contains("TB10"));
                let is_bad = ["token_binding:error", "exit signal", "panicked at", "AH00046"];
                assert!(!is_bad.iter().any(|bad| line.contains(bad)), "{}: {line}", path.display());
            }
        }
    }
    let expected = shared.refused.load(Ordering::SeqCst);
    println!("soak: refusals: {expected}, lines about them in the logs: {refusals}");
    assert!(refusals >= expected, "a refusal without a line: {expected} refusals, {refusals} lines");
}

pub type Count = AtomicUsize;
