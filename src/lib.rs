//! `mod_token_binding`: TLS Token Binding (RFC 8471, 8472, 8473) for the Apache HTTP Server.
//!
//! Data flows one way: TLS extension -> connection state -> request -> policy -> environment and headers -> response. What
//! decides is in `crates/token-binding-server`, which has never heard of httpd. `httpd` makes httpd safe Rust, and `module` is
//! what the one does with the other.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod httpd;
mod module;
