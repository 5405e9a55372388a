//! httpd: the only room with `unsafe`.
//!
//! The rules of this border:
//! - Whatever C can call goes through [`guard`], which catches a panic, logs it and answers with a refusal.
//! - [`Request`](request::Request), [`Connection`](connection::Connection), [`Pool`](pool::Pool) and
//!   [`Table`](table::Table) wrap httpd's pointers. Each is made from a pointer at the edge, in a function that C calls,
//!   and carries a lifetime that ends with that call.
//! - The `SSL` object is touched on the connection's own thread only; HTTP/2 workers read what was exported before.
//! - Nothing is decided here: that is `policy`'s and `outcome`'s part.

mod authz;
mod certificate;
mod connection;
mod cookies;
mod expression;
mod ffi;
mod filter;
mod guard;
mod hooks;
mod log;
mod pool;
mod receive;
mod record;
mod request;
mod response;
mod secrets;
mod server;
mod slot;
mod status;
mod table;
mod tls;
mod trailers;
