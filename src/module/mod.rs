//! The module itself: httpd's hooks on one side, [`token_binding_server`] on the other. Nothing here is unsafe, but for the name
//! by which httpd finds the module.

mod authz;
mod certificate;
mod connection;
mod cookies;
mod endpoints;
mod expression;
mod handshake;
mod hooks;
mod log;
mod pass_on;
mod receive;
mod record;
mod response;
mod scrub;
mod startup;
mod state;
mod status;
mod trailers;
mod virtual_hosts;
