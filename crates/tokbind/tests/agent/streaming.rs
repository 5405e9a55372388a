//! Bodies that are too large to be held in memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use tokbind::Request;

use crate::support::{Scene, Site};

const SIZE: usize = 256 * 1024 * 1024;
/// What may be on its way: the windows of HTTP/2 and of TCP, in two connections.
const IN_FLIGHT: usize = 32 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

/// Waits until a counter has stopped.
async fn stalled(counter: &AtomicUsize) -> usize {
    let mut last = usize::MAX;
    loop {
        let now = counter.load(Ordering::SeqCst);
        if now == last && now > 0 {
            return now;
        }
        last = now;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_waits_for_its_reader() {
    for (site, http2) in [(Site::usual().await, true), (Site::http1().await, false)] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let uri = if http2 { "https://rp.test" } else { "" };
        let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request =
            http::Request::get(format!("{uri}/download?{SIZE}")).header("host", "rp.test").body(empty);
        let response = scene.browser().stream("rp.test", http2, request.unwrap()).await;
        assert!(response.headers().contains_key("x-provided"));
        assert_eq!(response.headers()["content-length"], SIZE.to_string());

        let waiting = stalled(&site.shared.produced).await;
        assert!(waiting < IN_FLIGHT, "{waiting} bytes were made, and nobody has read one");

        let (mut body, mut read) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().into_data().unwrap().len();
            let ahead = site.shared.produced.load(Ordering::SeqCst) - read;
            assert!(ahead < IN_FLIGHT, "{ahead} bytes ahead");
        }
        assert_eq!(read, SIZE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_for_its_reader() {
    for (site, http2) in [(Site::usual().await, true), (Site::http1().await, false)] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let sent: &'static AtomicUsize = Box::leak(Box::default());
        let chunks = futures_util::stream::iter(0..SIZE / CHUNK).map(|_| {
            sent.fetch_add(CHUNK, Ordering::SeqCst);
            Ok::<_, hyper::Error>(Frame::data(Bytes::from_static(&[b'x'; CHUNK])))
        });
        let uri = if http2 { "https://rp.test" } else { "" };
        let request = http::Request::post(format!("{uri}/upload")).header("host", "rp.test");
        let request = request.body(StreamBody::new(chunks).boxed_unsync()).unwrap();
        let browser = scene.browser();
        let upload = tokio::spawn(async move { browser.stream("rp.test", http2, request).await });

        site.shared.held.notified().await;
        let waiting = stalled(sent).await;
        assert!(waiting < IN_FLIGHT, "{waiting} bytes were sent, and nobody has read one");

        site.shared.release.add_permits(1);
        let response = upload.await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(response, SIZE.to_string());
        assert_eq!(site.shared.consumed.load(Ordering::SeqCst), SIZE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_that_nobody_reads_stop_nothing_else() {
    for (site, http2) in
        [(Site::usual().await, true), (Site::usual().await, false), (Site::http1().await, true)]
    {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let mut unread = Vec::new();
        for _ in 0..20 {
            let uri = if http2 { "https://rp.test" } else { "" };
            let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
            let request = http::Request::get(format!("{uri}/download?{}", 20 * 1024 * 1024));
            let request = request.header("host", "rp.test").body(empty).unwrap();
            unread.push(scene.browser().stream("rp.test", http2, request).await);
        }
        stalled(&site.shared.produced).await;
        for _ in 0..3 {
            assert_eq!(scene.browser().get("rp.test", "/").await.text(), "hello");
        }
        let echo = Request::new("POST", "rp.test", "/echo").body("x".repeat(200_000));
        let response = scene.browser().http2("rp.test").await.request(&echo).await.unwrap();
        assert_eq!(response.body.len(), 200_000);
        // And each is there to be read.
        for response in unread {
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 20 * 1024 * 1024);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_a_server_does_not_read_stops_no_other() {
    for site in [Site::usual().await, Site::http1().await] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let browser = scene.browser().http2("rp.test").await;
        let large = Request::new("POST", "rp.test", "/upload").body(vec![b'x'; 8 * 1024 * 1024]);
        let mut uploads = Vec::new();
        for _ in 0..3 {
            let (browser, large) = (browser.clone(), large.clone());
            uploads.push(tokio::spawn(async move { browser.request(&large).await.unwrap() }));
            site.shared.held.notified().await;
        }
        for size in [10, 100_000] {
            let echo = Request::new("POST", "rp.test", "/echo").body(vec![b'y'; size]);
            assert_eq!(browser.request(&echo).await.unwrap().body.len(), size);
            assert_eq!(scene.browser().http1("rp.test").await.request(&echo).await.unwrap().body.len(), size);
        }
        site.shared.release.add_permits(3);
        for upload in uploads {
            assert_eq!(upload.await.unwrap().status, 200);
        }
        assert_eq!(site.shared.consumed.load(Ordering::SeqCst), 3 * large.body.len());
    }
}
