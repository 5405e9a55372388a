//! A client's device-bound sessions, with a site that is right and with some that are not.

use openssl::ssl::SslVersion;
use tokbind_testing::dbsc_site::{Flaw, site};
use tokbind_testing::tls::ServerOptions;
use tokbind_testing::web::Web;

use super::*;
use crate::Resolve;
use crate::client::{ClientOptions, CookieJar};
use crate::keys::KeyStore;
use crate::tls::ConnectOptions;

const HOST: &str = "a.example";

#[derive(Default)]
struct Events(Vec<SessionEvent>);

impl Trace for Events {
    fn session(&mut self, event: &SessionEvent) {
        self.0.push(event.clone());
    }
}

async fn start(flaw: Flaw) -> (Web, Client) {
    let web = Web::tls(ServerOptions::new(SslVersion::TLS1_3), site(flaw)).await;
    let connect = ConnectOptions::new().ca_certificate(web.certificate.clone().unwrap());
    let options = ClientOptions::new(KeyStore::ephemeral())
        .connect(connect)
        .resolve(Resolve::new(HOST, web.address.port(), web.address))
        .device_bound_sessions(true);
    (web, Client::new(&options).unwrap())
}

async fn get(web: &Web, client: &mut Client, path: &str) -> (String, Vec<SessionEvent>) {
    let mut events = Events::default();
    let fetched = client.fetch(Fetch::get(&web.url(HOST, path)).unwrap(), &mut events).await.unwrap();
    (String::from_utf8(fetched.response.body).unwrap(), events.0)
}

#[tokio::test]
async fn it_registers_and_refreshes_before_a_request_that_lacks_the_cookie() {
    let (web, mut client) = start(Flaw::None).await;
    assert_eq!(get(&web, &mut client, "/login").await.1, [SessionEvent::Registered]);
    assert_eq!(get(&web, &mut client, "/page").await, ("short=1 ".to_owned(), vec![]));
    for _ in 0..2 {
        client.set_cookies(CookieJar::default());
        let refreshed = vec![SessionEvent::Refreshed];
        assert_eq!(get(&web, &mut client, "/page").await, ("short=2 ".to_owned(), refreshed));
    }
    let paths: Vec<_> = web.seen().into_iter().map(|seen| seen.path).collect();
    let refresh = ["/refresh", "/refresh", "/page"];
    assert_eq!(paths, [&["/login", "/register", "/page"][..], &refresh, &refresh].concat());
}

#[tokio::test]
async fn what_the_server_says_ends_the_session_or_puts_it_off() {
    for (flaw, page, event) in [
        (
            Flaw::RefreshFails,
            " server_error;session_identifier=\"session-2\"",
            SessionEvent::Failed { reason: "refresh skipped: server_error".into() },
        ),
        (Flaw::RefreshEnds, " ", SessionEvent::Ended),
        (Flaw::RefreshEndsOnNoProof, " ", SessionEvent::Ended),
    ] {
        let (web, mut client) = start(flaw).await;
        get(&web, &mut client, "/login").await;
        client.set_cookies(CookieJar::default());
        assert_eq!(get(&web, &mut client, "/page").await, (page.to_owned(), vec![event.clone()]), "{flaw:?}");
        let goes_on = matches!(event, SessionEvent::Failed { .. });
        assert_eq!(get(&web, &mut client, "/page").await.1.is_empty(), !goes_on, "{flaw:?}");
    }
    let (web, mut client) = start(Flaw::OtherIdentifier).await;
    get(&web, &mut client, "/login").await;
    client.set_cookies(CookieJar::default());
    let (_, events) = get(&web, &mut client, "/page").await;
    assert!(matches!(events[..], [SessionEvent::Failed { .. }, SessionEvent::Ended]), "{events:?}");
}

#[tokio::test]
async fn without_the_option_nothing_is_registered() {
    let (web, _) = start(Flaw::None).await;
    let connect = ConnectOptions::new().ca_certificate(web.certificate.clone().unwrap());
    let options = ClientOptions::new(KeyStore::ephemeral()).connect(connect).resolve(Resolve::new(
        HOST,
        web.address.port(),
        web.address,
    ));
    let mut client = Client::new(&options).unwrap();
    assert_eq!(get(&web, &mut client, "/login").await.1, []);
    assert_eq!(web.seen().len(), 1);
}
