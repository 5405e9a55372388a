//! What the black-box tests share: a private httpd, a client's key on a connection, a browser.

pub mod agent;
pub mod browser;
pub mod client;
pub mod cookies;
pub mod httpd;
pub mod memory;
pub mod pki;
pub mod provider;
pub mod server;
pub mod session;
pub mod setup;

pub use client::{Visitor, shown};
pub use httpd::{Httpd, Mpm, Setup, VirtualHost};
