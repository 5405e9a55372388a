//! What starts a private httpd, a browser or an application for a test: the black-box tests, the benchmark, the soak test and the
//! demo share it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

pub mod agent;
pub mod browser;
pub mod client;
pub mod cookies;
pub mod device;
pub mod figures;
pub mod httpd;
pub mod memory;
pub mod php;
pub mod pki;
pub mod ports;
pub mod provider;
mod running;
pub mod server;
pub mod session;
pub mod setup;

pub use client::{Visitor, shown};
pub use httpd::{Httpd, Mpm, Setup, VirtualHost};
