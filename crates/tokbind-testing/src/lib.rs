#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code"
)]
//! Servers on loopback ports, and a browser that uses a proxy, for the tests of `tokbind` and `tokbind-cli`.
//!
//! - [`tls`] answers handshakes as it is told and notes what it was offered.
//! - [`web`] verifies Token Binding messages, notes each request and lets the test answer it.
//! - [`site`] is a web site with pages of its own, for tests of `tokbind agent`.
//! - [`raw`] is a server without manners.
//! - [`browser`] is what uses the agent.
//! - [`self_signed`] makes the certificates of all these, and of the tests against httpd.

pub mod browser;
pub mod dbsc_site;
mod identity;
pub mod raw;
pub mod site;
pub mod tls;
pub mod web;

pub use browser::{Browser, exchange};
pub use identity::{certificate, self_signed};
pub use raw::Raw;
pub use site::{Site, SiteOptions};
