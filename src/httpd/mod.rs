//! httpd: the only room with `unsafe`.
//!
//! The rules of this border:
//! - Whatever C can call goes through [`guard`], which catches a panic, logs it and answers with a refusal.
//! - [`Request`](request::Request), [`Connection`](connection::Connection), [`Pool`](pool::Pool) and
//!   [`Table`](table::Table) wrap httpd's pointers. Each is made from a pointer at the edge, in a function that C calls,
//!   and carries a lifetime that ends with that call.
//! - The `SSL` object is touched on the connection's own thread only; HTTP/2 workers read what was exported before.
//! - Nothing is decided here: that is `policy`'s and `outcome`'s part.

pub(crate) mod authz;
pub(crate) mod connection;
pub(crate) mod expression;
pub(crate) mod ffi;
pub(crate) mod filter;
pub(crate) mod guard;
pub(crate) mod hook;
pub(crate) mod log;
pub(crate) mod pool;
pub(crate) mod record;
pub(crate) mod request;
pub(crate) mod server;
pub(crate) mod slot;
pub(crate) mod ssl;
pub(crate) mod table;
