//! What the fuzz targets call: one function a target, any bytes in, a panic where a promise is broken. README.md describes
//! them; plain `cargo test` runs each over its corpus.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "README.md describes the targets")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is how a target reports"
)]

pub mod protocol;
pub mod server;
pub mod sessions;

#[cfg(test)]
mod replay;
