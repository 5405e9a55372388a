//! The header: on which requests, for which connection, with which key.

use openssl::ssl::SslVersion;
use tokbind::{KeyParameters, Request};

use crate::support::{Scene, Site, SiteOptions};

const EC: KeyParameters = KeyParameters::ECDSAP256;

#[tokio::test]
async fn each_http_version_on_either_side() {
    for alpn in [&b"\x02h2"[..], b"\x08http/1.1"] {
        for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            let site = Site::start(SiteOptions { alpn, version, ..SiteOptions::default() }).await;
            let scene = Scene::new(&[("rp.test", &site)]).await;
            let first = scene.browser().get("rp.test", "/").await;
            let request = Request::get("rp.test", "/");
            let second = scene.browser().http2("rp.test").await.request(&request).await.unwrap();
            for response in [first, second] {
                assert_eq!(response.text(), "hello");
                assert_eq!(response.header("x-tokens"), Some("1"));
                assert_eq!(response.header("x-refused"), None);
                assert_eq!(response.header("x-provided"), Some(scene.id("rp.test", EC).as_str()));
                assert_eq!(response.header("x-referred"), None);
                let upstream = if alpn == b"\x02h2" { "HTTP/2.0" } else { "HTTP/1.1" };
                assert_eq!(response.header("x-version"), Some(upstream));
            }
        }
    }
}

#[tokio::test]
async fn the_key_parameters_are_the_servers_choice() {
    let token_binding = Some(KeyParameters::RSA2048_PSS);
    let site = Site::start(SiteOptions { token_binding, ..SiteOptions::default() }).await;
    let scene = Scene::new(&[("rp.test", &site)]).await;
    let response = scene.browser().get("rp.test", "/").await;
    let id = scene.id("rp.test", KeyParameters::RSA2048_PSS);
    assert_eq!(response.header("x-provided"), Some(id.as_str()));
}

#[tokio::test]
async fn one_key_for_a_registered_domain_on_every_connection() {
    let site = Site::http1().await;
    let sites = [("rp.test", &site), ("www.rp.test", &site), ("idp.test", &site)];
    let scene = Scene::new(&sites).await;
    let provided = async |host| {
        let response = scene.browser().get(host, "/").await;
        (response.header("x-provided").unwrap().to_owned(), response.header("x-message").unwrap().to_owned())
    };
    let (first, message) = provided("rp.test").await;
    site.hang_up();
    let (second, other_message) = provided("rp.test").await;
    let (below, _) = provided("www.rp.test").await;
    let (elsewhere, _) = provided("idp.test").await;
    assert_eq!(site.connections(), 4);
    assert_eq!(first, second);
    assert_ne!(message, other_message);
    assert_eq!(first, below);
    assert_ne!(first, elsewhere);
}

#[tokio::test]
async fn a_connection_is_signed_for_once() {
    let site = Site::http1().await;
    let scene = Scene::new(&[("rp.test", &site)]).await;
    let mut browser = scene.browser().http1("rp.test").await;
    let mut messages = Vec::new();
    for _ in 0..3 {
        let response = browser.request(&Request::get("rp.test", "/")).await.unwrap();
        assert_eq!(response.header("x-connection"), Some("0"));
        messages.push(response.header("x-message").unwrap().to_owned());
    }
    // An ECDSA signature is never the same twice.
    assert_eq!(messages[0], messages[1]);
    assert_eq!(messages[0], messages[2]);
}

#[tokio::test]
async fn what_goes_out_on_another_connection_is_signed_for_that_one() {
    for site in [Site::http1().await, Site::usual().await] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let mut browser = scene.browser().http1("rp.test").await;
        let mut seen = Vec::new();
        for number in 0..5 {
            let response = browser.request(&Request::get("rp.test", "/")).await.unwrap();
            assert_eq!(response.status, 200, "{}", response.text());
            assert_eq!(response.header("x-refused"), None);
            assert_eq!(response.header("x-connection"), Some(number.to_string().as_str()));
            seen.push(response.header("x-message").unwrap().to_owned());
            site.hang_up();
        }
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }
}

#[tokio::test]
async fn the_clients_own_header_is_dropped() {
    for site in [Site::usual().await, Site::without_token_binding().await] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        // No signature contains a full stop.
        let request = Request::get("rp.test", "/").header("Sec-Token-Binding", "forged.");
        let twice = request.clone().header("sec-token-BINDING", "forged.too");
        for request in [request, twice] {
            let first = scene.browser().http1("rp.test").await.request(&request).await.unwrap();
            let lower = Request {
                headers: request.headers.iter().map(|(n, v)| (n.to_lowercase(), v.clone())).collect(),
                ..request
            };
            let second = scene.browser().http2("rp.test").await.request(&lower).await.unwrap();
            for response in [first, second] {
                let message = response.header("x-message").unwrap_or_default();
                assert!(!message.contains("forged."), "{message}");
                assert_eq!(response.header("x-refused"), None);
                let expected = if response.header("x-provided").is_some() { "1" } else { "0" };
                assert_eq!(response.header("x-tokens"), Some(expected));
            }
        }
    }
}

#[tokio::test]
async fn not_in_a_trailer_either() {
    let site = Site::usual().await;
    let scene = Scene::new(&[("rp.test", &site)]).await;
    let request = Request::new("POST", "rp.test", "/trailers")
        .body("x")
        .trailer("x-mine", "1")
        .trailer("sec-token-binding", "AAAA");
    let response = scene.browser().http2("rp.test").await.request(&request).await.unwrap();
    assert_eq!(response.text(), "x-mine: 1\n");
    assert_eq!(response.header("x-tokens"), Some("1"));
}

#[tokio::test]
async fn a_site_without_token_binding_sees_what_the_browser_sent() {
    let site = Site::without_token_binding().await;
    let scene = Scene::new(&[("rp.test", &site)]).await;
    let request = Request::get("rp.test", "/headers")
        .header("cookie", "a=1; b=2")
        .header("user-agent", "browser")
        .header("x-other", "1")
        .header("x-other", "2");
    let response = scene.browser().http2("rp.test").await.request(&request).await.unwrap();
    let mut lines: Vec<_> = response.text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["cookie: a=1; b=2", "user-agent: browser", "x-other: 1", "x-other: 2"]);
    assert!(scene.keys.list().unwrap().is_empty());
}
