//! The agent between a client and a server that verifies Token Binding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod above;
mod framing;
mod limits;
mod lives;
mod odd_servers;
mod passing;
mod referred;
mod signing;
mod streaming;
mod support;
mod tunnels;
