//! The agent between a client and a server that verifies Token Binding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod limits;
mod lives;
mod passing;
mod referred;
mod signing;
mod streaming;
mod support;
mod tunnels;
