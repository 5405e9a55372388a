//! A server's side of Token Binding, without any server: what an administrator wrote, what follows from it for a connection, a
//! request and its cookies. `mod_token_binding` puts httpd around it; unit tests and fuzz targets link it as it is.
//!
//! | room | what it knows |
//! |---|---|
//! | [`config`], [`directives`], [`words`], `env_name` | what an administrator wrote |
//! | [`channel`] | one TLS connection with Token Binding: its EKM, and the messages verified on it |
//! | [`texts`], [`bindings`] | a request's Token Bindings: proved on its connection, or vouched for by a trusted proxy |
//! | [`peers`] | the proxies that are believed |
//! | [`cookies`] | which cookies are bound, how they are sealed and unsealed |
//! | [`dbsc`] | keys for clients without Token Binding (Device Bound Session Credentials) |
//! | [`headers`] | the names that a client must not be able to set |
//! | [`counters`] | what mod_status shows |
//! | [`variable`] | what the application is told |
//! | [`policy`], [`outcome`] | configuration and verified result -> refusal; refusal -> status, log line |
//! | [`questions`] | what configuration can ask of a request's Token Bindings |

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "for the module and its tests, and not published")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod bindings;
pub mod channel;
pub mod config;
pub mod cookies;
pub mod counters;
pub mod dbsc;
pub mod directives;
mod env_name;
pub mod headers;
pub mod outcome;
pub mod peers;
pub mod policy;
pub mod questions;
pub mod texts;
pub mod variable;
pub mod words;
