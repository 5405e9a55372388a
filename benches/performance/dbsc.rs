//! (h) What Device Bound Session Credentials cost: a request of a client that has proved its key, and the endpoints.

use httpd_harness::cookies::{SECRET, jar};
use httpd_harness::device::{Device, REFRESH, REGISTER, SHORT_LIVED};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session};
use httpd_harness::{Httpd, Setup};
use tokbind::{Ekm, Request};

use dbsc::sign::Signer as _;

use crate::Effort;
use crate::callgrind::Counted;
use crate::instructions::{Instructions, per_request};
use crate::requests::{browsers, lean_with};

/// Instructions more for a request with a valid short-lived cookie than for the same without DBSC.
pub const GOAL: f64 = 10_000.0;
/// Milliseconds of the server's processor time for a registration, and for a refresh.
pub const GOAL_ENDPOINT: f64 = 2.0;

/// Of one request with a bound cookie in it.
pub struct Proved {
    pub protocol: Protocol,
    /// DBSC is off, and the cookie is sealed as unbound.
    pub off: Instructions,
    /// DBSC is on, and the client has proved the key that the cookie is sealed to.
    pub on: Instructions,
}

impl Proved {
    /// On HTTP/2 the difference of two requests is not exact: what counts there is what the module does.
    pub fn added(&self) -> f64 {
        match self.protocol {
            Protocol::Http1 => self.on.all - self.off.all,
            Protocol::Http2 => self.on.module - self.off.module,
        }
    }
}

/// Milliseconds of the server's processor time.
pub struct Endpoints {
    pub registration: f64,
    /// With the challenge that it begins with: two requests.
    pub refresh: f64,
}

fn site(directives: &str) -> Setup {
    Setup {
        secrets: vec![("secret", SECRET.into())],
        ..lean_with(&format!(
            "TokenBindingCookieSecret file:secret\nTokenBindingCookie session\n{directives}\n\
             <Location /login>\nHeader always set Set-Cookie \"session=0123456789abcdef0123456789abcdef\"\n</Location>\n\
             Alias /login @DIR@/htdocs/page.html"
        ))
    }
}

pub async fn measure(effort: &Effort) -> (Vec<Proved>, Endpoints) {
    let (off, on) = (Counted::start(site("")), Counted::start(site("TokenBindingDBSC On")));
    let mut results = Vec::new();
    for protocol in PROTOCOLS {
        let mut device = Device::new(protocol);
        device.log_in(&on.server, "/login").await;
        device.get(&on.server, "/page.html").await;
        let proved = format!("session={}; {SHORT_LIVED}={}", device.jar["session"], device.jar[SHORT_LIVED]);
        let login = Session::open(&off.server, protocol, None).await.get("/login", "").await;
        results.push(Proved {
            protocol,
            off: one(&off, protocol, &jar(&login), effort).await,
            on: one(&on, protocol, &proved, effort).await,
        });
    }
    (results, endpoints(effort).await)
}

async fn one(counted: &Counted, protocol: Protocol, cookies: &str, effort: &Effort) -> Instructions {
    counted.take();
    let requests = |_: &Ekm| {
        let mut request = browsers();
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("cookie"));
        vec![request.header("Cookie", cookies)]
    };
    per_request(counted, protocol, None, requests, effort.cycles).await
}

async fn endpoints(effort: &Effort) -> Endpoints {
    let server = site("TokenBindingDBSC On").start();
    let times = effort.connections;
    let mut device = Device::new(Protocol::Http1);
    let login = device.get(&server, "/login").await;
    let challenge = httpd_harness::device::offered(&login).unwrap();
    device.register(&server, &login).await;
    let proof = device.key.registration_proof(&challenge, None).unwrap();
    let register = Request::new("POST", HOST, REGISTER).header("Secure-Session-Response", proof);
    let ask = Request::new("POST", HOST, REFRESH).header("Sec-Secure-Session-Id", &device.session);
    let answer = Request::new("POST", HOST, REFRESH)
        .header("Sec-Secure-Session-Id", &device.session)
        .header("Secure-Session-Response", device.proof(&server).await);
    let registration = processor_time(&server, times, &[(&register, 200)]).await;
    let refresh = processor_time(&server, times, &[(&ask, 403), (&answer, 200)]).await;
    Endpoints { registration, refresh }
}

/// Milliseconds for all of these requests once, on a connection that is kept alive.
async fn processor_time(server: &Httpd, times: usize, requests: &[(&Request, u16)]) -> f64 {
    let mut session = Session::open(server, Protocol::Http1, None).await;
    let before = spent(server);
    for _ in 0..times {
        for (request, status) in requests {
            assert_eq!(session.try_send_as_it_is(request).await.unwrap().status, *status);
        }
    }
    (spent(server) - before) / times as f64
}

/// Milliseconds of processor time that the server's processes have taken.
fn spent(server: &Httpd) -> f64 {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let of_process = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // Behind the name, which is in parentheses: the 12th and 13th are user and system time.
        let fields = stat.rsplit_once(") ").unwrap().1;
        fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum::<f64>()
    };
    server.children().into_iter().map(of_process).sum::<f64>() / ticks * 1000.0
}
