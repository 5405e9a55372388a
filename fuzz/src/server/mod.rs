//! Targets for `token-binding-server`: requests, cookies, configuration.

mod configuration;
mod cookie_header;
mod dbsc_server;
mod given;
mod readers;
mod request_headers;
mod seal;
mod set_cookie;

pub use configuration::configuration;
pub use cookie_header::cookie_header;
pub use dbsc_server::dbsc_server;
pub use request_headers::request_headers;
pub use seal::seal;
pub use set_cookie::set_cookie;
