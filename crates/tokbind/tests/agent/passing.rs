//! Messages on their way through.

use futures_util::{SinkExt, StreamExt};
use tokbind::Request;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Scene, Site, SiteOptions, exchange};

#[tokio::test]
async fn cookies_stay_as_they_are_and_hop_by_hop_lines_stay_here() {
    for site in [Site::usual().await, Site::http1().await] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let response = scene.browser().get("rp.test", "/hop").await;
        assert_eq!(response.text(), "hop");
        let cookies: Vec<_> = response.headers_named("set-cookie").collect();
        assert_eq!(cookies, [&b"a=1; Secure"[..], b"b=2; HttpOnly"]);
        assert_eq!(response.header("keep-alive"), None);

        let request = Request::get("rp.test", "/headers")
            .header("Cookie", "session=\"x y\"; b=2")
            .header("Connection", "x-private")
            .header("X-Private", "1")
            .header("Proxy-Authorization", "Basic eDp5")
            .header("X-Public", "1");
        let response = scene.browser().http1("rp.test").await.request(&request).await.unwrap();
        let lines = response.text();
        assert!(lines.contains("cookie: session=\"x y\"; b=2\n"), "{lines}");
        assert!(lines.contains("x-public: 1\n"), "{lines}");
        assert!(
            !lines.contains("private") && !lines.contains("proxy") && !lines.contains("connection"),
            "{lines}"
        );
    }
}

#[tokio::test]
async fn cookies_in_crumbs_are_joined_for_http1() {
    let site = Site::http1().await;
    let scene = Scene::new(&[("rp.test", &site)]).await;
    let request = Request::get("rp.test", "/headers").header("cookie", "a=1").header("cookie", "b=2");
    let response = scene.browser().http2("rp.test").await.request(&request).await.unwrap();
    assert!(response.text().contains("cookie: a=1; b=2\n"), "{}", response.text());
    assert!(response.text().contains("host: rp.test\n"), "{}", response.text());
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    for site in [Site::usual().await, Site::http1().await] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let request = Request::new("POST", "rp.test", "/trailers")
            .header("te", "trailers")
            .header("trailer", "x-mine")
            .body("x")
            .trailer("x-mine", "1");
        let second = scene.browser().http2("rp.test").await.request(&request).await.unwrap();
        let request = request.header("connection", "te");
        let first = scene.browser().http1("rp.test").await.request(&request).await.unwrap();
        for response in [first, second] {
            assert_eq!(response.header("x-te"), Some("trailers"));
            assert_eq!(response.text(), "x-mine: 1\n");
            assert_eq!(response.trailers, [("x-checksum".to_owned(), b"42".to_vec())]);
        }
    }
}

#[tokio::test]
async fn methods_and_bodies_pass() {
    for site in [Site::usual().await, Site::http1().await] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        for method in ["POST", "PUT", "PATCH", "DELETE", "REPORT"] {
            let request = Request::new(method, "rp.test", "/echo").body("body");
            let response = scene.browser().http1("rp.test").await.request(&request).await.unwrap();
            assert_eq!(response.text(), "body", "{method}");
            let response = scene.browser().http1("rp.test").await.request(&request.chunked()).await.unwrap();
            assert_eq!(response.text(), "body", "{method}");
        }
        let head = Request::new("HEAD", "rp.test", "/download?1000");
        let mut browser = scene.browser().http1("rp.test").await;
        let response = browser.request(&head).await.unwrap();
        assert_eq!((response.header("content-length"), response.text().as_str()), (Some("1000"), ""));
        assert_eq!(browser.request(&Request::get("rp.test", "/")).await.unwrap().text(), "hello");
    }
}

#[tokio::test]
async fn a_websocket_passes() {
    // The server prefers HTTP/2, and must be asked for HTTP/1.1.
    for site in [Site::usual().await, Site::http1().await] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        // So that there is a connection that could be taken by mistake.
        scene.browser().get("rp.test", "/").await;
        let tls = scene.browser().tls("rp.test", false).await.unwrap();
        let (mut socket, response) = client_async("wss://rp.test/websocket", tls).await.unwrap();
        assert_eq!(response.headers()["x-version"], "HTTP/1.1");
        assert_eq!(response.headers()["x-tokens"], "1");
        assert!(response.headers().contains_key("x-provided"), "{:?}", response.headers());
        for message in [Message::text("hello"), Message::binary(vec![7; 300_000])] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}

        // An upgrade that the server does not make is a request like any other.
        let request =
            Request::get("rp.test", "/").header("connection", "upgrade").header("upgrade", "unheard-of");
        let response = scene.browser().http1("rp.test").await.request(&request).await.unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    }
}

#[tokio::test]
async fn plain_http_passes_without_token_binding() {
    let site = Site::start(SiteOptions { tls: false, ..SiteOptions::default() }).await;
    let scene = Scene::new(&[]).await;
    let request = format!(
        "GET http://{0}/headers HTTP/1.1\r\nHost: other.test\r\nSec-Token-Binding: AAAA\r\n\
         Proxy-Connection: keep-alive\r\nX-Public: 1\r\nConnection: close\r\n\r\n",
        site.address
    );
    let answer = exchange(scene.agent, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("x-tokens: 0\r\n"), "{answer}");
    assert!(answer.contains("x-public: 1\n"), "{answer}");
    assert!(answer.contains(&format!("host: {}\n", site.address)), "{answer}");
    assert!(!answer.contains("proxy-connection"), "{answer}");
}
