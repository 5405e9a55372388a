//! `mod_token_binding`: TLS Token Binding (RFC 8471, 8472, 8473) for the Apache HTTP Server.
//!
//! Data flows one way: TLS extension -> connection state -> request -> policy -> environment and headers -> response.
//!
//! | room | what it knows |
//! |---|---|
//! | [`config`], [`directives`] | what an administrator wrote |
//! | [`channel`] | one TLS connection with Token Binding: its EKM, and the messages verified on it |
//! | [`bindings`] | a request's Token Bindings: proved on its connection, or vouched for by a trusted proxy |
//! | [`peers`] | the proxies that are believed |
//! | [`cookies`] | which cookies are bound, how they are sealed and unsealed |
//! | [`headers`] | the names that a client must not be able to set |
//! | [`counters`] | what mod_status shows |
//! | [`variable`] | what the application is told |
//! | [`policy`], [`outcome`] | configuration and verified result -> refusal; refusal -> status, log line |
//! | [`questions`] | what configuration can ask of a request's Token Bindings |
//! | `httpd` | the server itself: the only room with `unsafe`, and left out of unit tests, which link without httpd |
//! | `fuzzing` | what fuzz targets and unit tests call, and nobody else |

#![deny(unsafe_code)]
#![cfg_attr(any(test, fuzzing), allow(dead_code))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

mod bindings;
mod channel;
mod config;
mod cookies;
mod counters;
mod directives;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod outcome;
mod peers;
mod policy;
mod questions;
mod variable;

#[cfg(not(any(test, fuzzing)))]
#[allow(unsafe_code)]
mod httpd;
