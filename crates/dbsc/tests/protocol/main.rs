//! The public interface: proofs read and verified, with both backends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod differential;
mod error_queue;
mod headers;
mod mutations;
mod refusals;
mod signing;
mod support;
mod vectors;
