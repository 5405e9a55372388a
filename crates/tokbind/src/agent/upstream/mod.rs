//! Connections to servers, kept for more than one request.
//!
//! They are kept here and not in hyper-util's pools: a `Sec-Token-Binding` header is good for one connection only, so
//! the connection must be known before the request is finished, and a request that moves to another connection must be
//! signed again.

mod binding;
mod body;
mod connection;
mod dial;
mod failure;
mod load;
mod pool;
mod site;

pub(super) use body::{Body, BodyError};
pub(super) use connection::Connection;
pub(super) use failure::{Failure, causes, is_unprocessed, wants_http1};
pub(super) use load::Sends;
pub(super) use pool::{Kind, Lease, Unanswered, Upstream};
