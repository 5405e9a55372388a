//! `TokenBindingDBSC`: the cookies of clients without Token Binding, bound to keys of their devices.

mod applications;
mod balancer;
mod browser;
mod client;
mod configuration;
mod crowd;
mod endpoints;
mod faults;
mod sealed;
mod sessions;
mod theft;

use httpd_harness::Httpd;
use httpd_harness::cookies::{SET_COOKIE, setup};

/// A server that binds `sid` with DBSC, and an application that sets it.
fn server(directives: &str) -> Httpd {
    let server = setup(&format!("TokenBindingCookie sid\nTokenBindingDBSC On\n{directives}")).start();
    server.script("set.cgi", SET_COOKIE);
    server
}
