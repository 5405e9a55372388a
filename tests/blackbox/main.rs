//! The module as its users meet it: a real httpd, started with a configuration of each test's own, and real clients.
//!
//! `make blackbox` builds the module and names it in `TOKEN_BINDING_MODULE`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

mod agent;
mod allocations;
mod applications;
mod artefact;
mod bench;
mod browser;
mod certificates;
mod check;
mod command;
mod configuration;
mod cookies;
mod dbsc;
mod deployed;
mod documentation;
mod early_readers;
mod extremes;
mod faults;
mod federation;
mod guard;
mod http2;
mod negotiation;
mod openidc;
mod proxies;
mod questions;
mod redirects;
mod referred;
mod renegotiation;
mod requests;
mod resource_server;
mod restarts;
mod rollout;
mod scrubbing;
mod sections;
