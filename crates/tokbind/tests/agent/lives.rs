//! How an agent ends, and what it then does with what is under way.

use std::sync::Arc;
use std::time::Duration;

use tokbind::{KeyParameters, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{Scene, Site, SiteOptions};

#[tokio::test]
async fn what_is_under_way_is_finished_and_nothing_new_begins() {
    let site = Site::usual().await;
    let scene = Scene::new(&[("rp.test", &site)]).await;
    let (mut one, two) = (scene.browser().http1("rp.test").await, scene.browser().http2("rp.test").await);
    let mut idle = scene.browser().http1("rp.test").await;
    idle.request(&Request::get("rp.test", "/")).await.unwrap();
    let first = tokio::spawn(async move { one.request(&Request::get("rp.test", "/hold")).await.unwrap() });
    site.shared.held.notified().await;
    let second = tokio::spawn(async move { two.request(&Request::get("rp.test", "/hold")).await.unwrap() });
    site.shared.held.notified().await;

    scene.stop();
    // The connection that nobody uses is closed first.
    let (mut tls, _) = idle.into_parts();
    assert_eq!(tls.read(&mut [0]).await.unwrap_or(0), 0);
    let address = scene.agent;
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!first.is_finished() && !second.is_finished());

    site.shared.release.add_permits(2);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.text().as_str(), second.text().as_str()), ("released", "released"));
    assert_eq!(scene.ended().await, 0);
}

#[tokio::test]
async fn a_tunnel_that_nobody_uses_is_no_reason_to_wait() {
    let scene = Scene::with(&[], |options| options.drain = Duration::from_secs(600)).await;
    let mut tunnel = scene.browser().try_tunnel("rp.test:443").await.unwrap();
    scene.stop();
    assert_eq!(tunnel.read(&mut [0]).await.unwrap(), 0);
    let ended = tokio::time::timeout(Duration::from_secs(10), scene.ended());
    assert_eq!(ended.await.unwrap(), 0);
}

#[tokio::test]
async fn who_takes_too_long_is_cut() {
    let site = Site::usual().await;
    let scene = Scene::with(&[("rp.test", &site)], |options| options.drain = Duration::from_millis(50)).await;
    let mut browser = scene.browser().http1("rp.test").await;
    let held = tokio::spawn(async move { browser.request(&Request::get("rp.test", "/hold")).await });
    site.shared.held.notified().await;
    scene.stop();
    assert!(scene.ended().await > 0);
    assert!(held.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_connections_at_a_time() {
    for (site, limit) in [(Site::usual().await, 1), (Site::http1().await, 256)] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let browser = Arc::new(scene.browser());
        // All are connected before the first asks.
        let barrier = Arc::new(Barrier::new(200));
        let mut visits = JoinSet::new();
        for _ in 0..200 {
            let (browser, barrier) = (Arc::clone(&browser), Arc::clone(&barrier));
            visits.spawn(async move {
                let mut connection = browser.http1("rp.test").await;
                barrier.wait().await;
                let mut provided = Vec::new();
                for _ in 0..3 {
                    let request = Request::new("POST", "rp.test", "/echo").body("body");
                    let response = connection.request(&request).await.unwrap();
                    assert_eq!(response.text(), "body");
                    provided.push(response.header("x-provided").unwrap().to_owned());
                }
                provided
            });
        }
        // One that panics is noticed at once: the others would wait for it.
        while let Some(visit) = visits.join_next().await {
            let id = scene.id("rp.test", KeyParameters::ECDSAP256);
            assert_eq!(visit.unwrap(), [id.clone(), id.clone(), id]);
        }
        // HTTP/2 needs one connection, and HTTP/1.1 no more than the agent has at a time.
        assert!(site.connections() <= limit, "{}", site.connections());
    }
}

#[tokio::test]
async fn one_http2_connection_is_enough() {
    let site = Site::usual().await;
    let scene = Scene::new(&[("rp.test", &site)]).await;
    let browser = scene.browser().http2("rp.test").await;
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let browser = browser.clone();
        requests.spawn(async move { browser.request(&Request::get("rp.test", "/")).await.unwrap().status });
    }
    assert_eq!(requests.join_all().await, [200; 100]);
    assert_eq!(site.connections(), 1);
}

#[tokio::test]
async fn a_browser_that_leaves_takes_its_request_along() {
    let site = Site::http1().await;
    let scene = Scene::new(&[("rp.test", &site)]).await;
    let mut tls = scene.browser().tls("rp.test", false).await.unwrap();
    tls.write_all(b"GET /hold HTTP/1.1\r\nHost: rp.test\r\n\r\n").await.unwrap();
    site.shared.held.notified().await;
    drop(tls);
    scene.stop();
    assert_eq!(scene.ended().await, 0);
}

/// The server's handshake does not wait for the request: one for both, and none more for it.
#[tokio::test]
async fn the_first_connection_is_made_while_the_browser_shakes_hands() {
    for alpn in [&b"\x02h2\x08http/1.1"[..], b"\x08http/1.1"] {
        let site = Site::start(SiteOptions { alpn, ..SiteOptions::default() }).await;
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let mut tunnel = scene.browser().http1("rp.test").await;
        let made = tokio::time::timeout(Duration::from_secs(30), async {
            while site.connections() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        made.await.expect("a connection before any request");
        assert_eq!(tunnel.request(&Request::get("rp.test", "/")).await.unwrap().status, 200);
        assert_eq!(site.connections(), 1);
    }
}
