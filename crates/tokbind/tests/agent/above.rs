//! An agent behind another proxy.

use tokbind::{KeyParameters, Proxies};
use tokbind_testing::raw::Proxy;

use crate::support::{Browser, Scene, Site, SiteOptions, certificate, exchange};

#[tokio::test]
async fn tunnels_and_requests_go_through_the_proxy_above() {
    for site in [Site::usual().await, Site::http1().await] {
        let proxy = Proxy::start(site.address, Some("Basic bWU6czNjcmV0")).await;
        let above = Proxies::named(&format!("http://me:s3cret@{}", proxy.address), "").unwrap();
        let scene = Scene::with(&[], |options| {
            options.proxies = above;
            options.only = vec!["rp.test".to_owned()];
        })
        .await;
        let response = scene.browser().get("rp.test", "/").await;
        let id = scene.id("rp.test", KeyParameters::ECDSAP256);
        assert_eq!(response.header("x-provided"), Some(id.as_str()));
        // What the agent does not look into, too.
        let tls = Browser::new(scene.agent, certificate()).tls("other.test", false).await.unwrap();
        assert_eq!(tls.peer_certificate().unwrap(), certificate());
        assert_eq!(proxy.asked(), ["CONNECT rp.test:443 HTTP/1.1", "CONNECT other.test:443 HTTP/1.1"]);
    }

    let site = Site::start(SiteOptions { tls: false, ..SiteOptions::default() }).await;
    let proxy = Proxy::start(site.address, None).await;
    let above = Proxies::named(&proxy.address.to_string(), "").unwrap();
    let scene = Scene::with(&[], |options| options.proxies = above).await;
    let request =
        "GET http://plain.test:8080/x HTTP/1.1\r\nHost: plain.test:8080\r\nConnection: close\r\n\r\n";
    let answer = exchange(scene.agent, request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(proxy.asked(), ["GET http://plain.test:8080/x HTTP/1.1"]);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let site = Site::usual().await;
    let proxy = Proxy::start(site.address, Some("Basic other")).await;
    let above = Proxies::named(&format!("http://me:s3cret@{}", proxy.address), "").unwrap();
    let scene = Scene::with(&[], |options| options.proxies = above).await;
    let response = scene.browser().get("rp.test", "/").await;
    assert_eq!(response.status, 502);
    let text = response.text();
    assert!(text.contains(&proxy.address.to_string()) && text.contains("authorization"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}
