//! The real command, run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod agent;
mod get;
mod keys;
mod odd_servers;
mod support;
mod tokens;
mod verify;
