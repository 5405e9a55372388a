//! `make bench`: what the module costs, measured on real servers and written to `docs/performance.md` with its plots.
//!
//! Arguments name the sections to measure; without any, all are: verification, instructions, cookies, dbsc, growth, memory, load, agent.
//!
//! With `BENCH_QUICK=1` it does all of that in a minute or two, to see that it works, and writes to `target/bench` instead.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

mod agent;
mod callgrind;
mod cookies;
mod dbsc;
mod growth;
mod instructions;
mod load;
mod memory;
mod page;
mod plot;
mod requests;
mod statistics;
mod verification;

use page::Page;

/// How much is done of everything.
pub struct Effort {
    pub verification_blocks: usize,
    pub verifications: u32,
    /// Requests whose instructions are counted.
    pub cycles: usize,
    pub virtual_hosts: &'static [usize],
    /// Rounds there and back.
    pub blocks: usize,
    pub round_seconds: f64,
    pub repetitions: usize,
    pub connections: usize,
    pub restarts: usize,
}

const FULL: Effort = Effort {
    verification_blocks: 200,
    verifications: 50,
    cycles: 31,
    virtual_hosts: &[1, 8, 16, 32],
    blocks: 24,
    round_seconds: 0.5,
    repetitions: 3,
    connections: 1000,
    restarts: 100,
};

const QUICK: Effort = Effort {
    verification_blocks: 10,
    verifications: 10,
    cycles: 5,
    virtual_hosts: &[1, 4],
    blocks: 2,
    round_seconds: 0.05,
    repetitions: 1,
    connections: 100,
    restarts: 5,
};

#[tokio::main]
async fn main() {
    let quick = std::env::var_os("BENCH_QUICK").is_some_and(|value| value != "0");
    let effort = if quick { QUICK } else { FULL };
    // cargo has arguments of its own.
    let only: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |section: &str| {
        let wanted = only.is_empty() || only.iter().any(|name| name == section);
        if wanted {
            eprintln!("bench: {section}");
        }
        wanted
    };
    let page = Page::open(quick);
    let plots = page.plots();
    if wanted("verification") {
        page.put("verification", &page::verification(&verification::measure(&effort), &plots));
    }
    if wanted("instructions") {
        page.put("instructions", &page::instructions(&instructions::measure(&effort).await, &plots));
    }
    if wanted("cookies") {
        page.put("cookies", &page::cookies(&cookies::measure(&effort).await));
    }
    if wanted("dbsc") {
        let (proved, endpoints) = dbsc::measure(&effort).await;
        page.put("dbsc", &page::dbsc(&proved, &endpoints));
    }
    if wanted("growth") {
        page.put("growth", &page::growth(&growth::measure(&effort).await, &plots));
    }
    if wanted("memory") {
        let connections = memory::per_connection(&effort).await;
        let restarts = tokio::task::block_in_place(|| memory::restarts(&effort));
        page.put("memory", &page::memory(&connections, &restarts, &plots));
    }
    if wanted("load") {
        page.put("load", &page::load(&load::measure(&effort).await, &plots));
    }
    if wanted("agent") {
        page.put("agent", &agent::measure(&effort));
    }
    page.put("machine", &page::machine());
    eprintln!("bench: written: {}", plots.with_extension("md").display());
}
