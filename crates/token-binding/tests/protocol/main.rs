//! The public interface: decoding, verifying and signing, with both backends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod backends;
mod decoders;
mod differential;
mod error_queue;
mod interop;
mod malformed;
mod rules;
mod signatures;
mod signing;
mod support;
