//! (g) What a bound cookie adds to a request: one of 200 bytes in, and one out.

use tokbind::{Ekm, Request};

use crate::Effort;
use crate::callgrind::Counted;
use crate::instructions::{Instructions, per_request};
use crate::requests::{browsers, lean_with, with_message};
use httpd_harness::cookies::{SECRET, jar};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session};
use httpd_harness::{Setup, Visitor};

/// Instructions for one cookie in and out, encrypted.
pub const GOAL: f64 = 12_000.0;

const VALUE: usize = 200;

/// Of one request that brings a cookie and is answered with one.
pub struct Cookies {
    pub protocol: Protocol,
    /// The module binds other cookies only.
    pub other: Instructions,
    pub encrypted: Instructions,
    pub readable: Instructions,
}

impl Cookies {
    /// On HTTP/2 the difference of two requests is not exact: what counts there is what the module does.
    pub fn added(&self, bound: &Instructions) -> f64 {
        match self.protocol {
            Protocol::Http1 => bound.all - self.other.all,
            Protocol::Http2 => bound.module - self.other.module,
        }
    }
}

pub async fn measure(effort: &Effort) -> Vec<Cookies> {
    let visitor = Visitor::new();
    let start = |directives: &str| {
        let value = "v".repeat(VALUE);
        Counted::start(Setup {
            secrets: vec![("secret", SECRET.into())],
            ..lean_with(&format!(
                "TokenBindingCookieSecret file:secret\nHeader always set Set-Cookie \"session={value}\"\n{directives}"
            ))
        })
    };
    let servers = [
        start("TokenBindingCookie another"),
        start("TokenBindingCookie session"),
        start("TokenBindingCookie session\nTokenBindingCookieEncrypt Off"),
    ];
    let mut results = Vec::new();
    for protocol in PROTOCOLS {
        let mut counted = Vec::new();
        for server in &servers {
            counted.push(one(server, protocol, &visitor, effort).await);
        }
        let [other, encrypted, readable] = <[Instructions; 3]>::try_from(counted).ok().unwrap();
        results.push(Cookies { protocol, other, encrypted, readable });
    }
    results
}

async fn one(counted: &Counted, protocol: Protocol, visitor: &Visitor, effort: &Effort) -> Instructions {
    let mut session = Session::open(&counted.server, protocol, Some(visitor)).await;
    let cookie = jar(&session.send(Request::get(HOST, "/page.html")).await);
    drop(session);
    let requests = |ekm: &Ekm| {
        let mut request = browsers();
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("cookie"));
        vec![with_message(request.header("Cookie", &cookie), &visitor.header(ekm))]
    };
    per_request(counted, protocol, Some(visitor), requests, effort.cycles).await
}
