//! httpd as safe Rust: the only room with `unsafe`. It knows neither Token Binding nor policy.
//!
//! The rules of this border:
//! - Whatever C can call is one generic function per C signature, in [`hook`], [`filter`], [`ssl`], [`authz`], [`expression`] and
//!   [`record`]. It goes through [`guard`](guard::guard), which catches a panic, logs it and answers with a refusal. A hook of
//!   the module is an `impl` of a trait, without `unsafe`.
//! - [`Request`](request::Request), [`Connection`](connection::Connection), [`Server`](server::Server), [`Pool`](pool::Pool) and
//!   [`Table`](table::Table) wrap httpd's pointers. Each is made from a pointer at the edge, in a function that C calls, and
//!   carries a lifetime that ends with that call.
//! - What the module keeps with them has one type for each kind of vector ([`slot`]).
//! - The `SSL` object is touched on the connection's own thread only. An HTTP/2 worker reaches no more of the connection that
//!   carries its stream than what is kept with it and is `Sync`.

pub(crate) mod authz;
pub(crate) mod connection;
pub(crate) mod expression;
mod ffi;
pub(crate) mod filter;
pub(crate) mod guard;
pub(crate) mod hook;
pub(crate) mod log;
mod optional;
pub(crate) mod pool;
pub(crate) mod record;
pub(crate) mod request;
pub(crate) mod server;
pub(crate) mod shared;
pub(crate) mod slot;
pub(crate) mod ssl;
mod status;
pub(crate) mod table;
