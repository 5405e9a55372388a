//! Servers that log in connections, want another protocol, go away, say contradictory things or nothing at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use h2::Reason;
use http::Response;
use tokbind::Request;
use tokbind::http1::Http1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use tokbind_testing::raw;

use crate::support::{Raw, Scene, exchange, head, raw_scene};

const HTTP1: &[u8] = b"\x08http/1.1";
const BOTH: &[u8] = b"\x02h2\x08http/1.1";

/// Answers as IIS does: whoever has logged in on a connection is served on it from then on.
async fn log_in<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(mut stream: S) {
    let mut user = "";
    while let Some(head) = head(&mut stream).await {
        if head.contains("uthorization: NTLM ") {
            user = "alice";
        }
        let answer = if user.is_empty() {
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nhello {user}", user.len() + 6)
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_of_one_client_is_not_anothers() {
    let server = Raw::start(HTTP1, |_, stream| log_in(stream)).await;
    let scene = raw_scene(&server).await;
    let plain = Request::get("rp.test", "/");
    let credentials = plain.clone().header("authorization", "NTLM TlRMTVNTUAADAAAA");
    let mut alice = scene.browser().http1("rp.test").await;
    assert_eq!(alice.request(&plain).await.unwrap().status, 401);
    assert_eq!(alice.request(&credentials).await.unwrap().text(), "hello alice");
    // Her connection stays logged in, and is nobody else's, while it lives and afterwards.
    assert_eq!(alice.request(&plain).await.unwrap().text(), "hello alice");
    for _ in 0..3 {
        assert_eq!(scene.browser().get("rp.test", "/").await.status, 401);
    }
    drop(alice);
    for _ in 0..3 {
        assert_eq!(scene.browser().get("rp.test", "/").await.status, 401);
    }
    // On HTTP/2 there is no connection that is one request's alone.
    for request in [plain, credentials] {
        let refused = scene.browser().http2("rp.test").await.request(&request).await.unwrap_err();
        assert!(refused.to_string().contains("HTTP/1.1"), "{refused}");
    }
}

#[tokio::test]
async fn a_login_over_plain_http_is_not_anothers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(log_in(tcp));
        }
    });
    let scene = Scene::new(&[]).await;
    let request = |line: &str| format!("GET http://{server}/ HTTP/1.1\r\nHost: {server}\r\n{line}\r\n");
    let mut alice = TcpStream::connect(scene.agent).await.unwrap();
    alice.write_all(request("Authorization: NTLM TlRM\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let length = alice.read(&mut answer).await.unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 "));
    let bob = exchange(scene.agent, &request("Connection: close\r\n")).await;
    assert!(bob.starts_with("HTTP/1.1 401 "), "{bob}");
    assert!(bob.contains("proxy-support: Session-Based-Authentication\r\n"), "{bob}");
}

#[tokio::test]
async fn a_server_that_wants_http1_gets_it() {
    let server = Raw::two_versions(|_, mut respond| respond.send_reset(Reason::HTTP_1_1_REQUIRED)).await;
    let scene = raw_scene(&server).await;
    let post = Request::new("POST", "rp.test", "/").header("content-length", "4").body("body");
    for _ in 0..2 {
        assert_eq!(scene.browser().get("rp.test", "/").await.text(), "http1 ");
        assert_eq!(scene.browser().http1("rp.test").await.request(&post).await.unwrap().text(), "http1 body");
        assert_eq!(scene.browser().http2("rp.test").await.request(&post).await.unwrap().text(), "http1 body");
    }
    // HTTP/2 was tried once.
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn what_a_server_has_not_processed_goes_out_once_more() {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let server = Raw::two_versions(move |number, mut respond| {
        seen.fetch_add(1, Ordering::SeqCst);
        if number == 0 { respond.send_reset(Reason::REFUSED_STREAM) } else { raw::answer(respond) }
    })
    .await;
    let scene = raw_scene(&server).await;
    let post = Request::new("POST", "rp.test", "/").body("body");
    let response = scene.browser().http2("rp.test").await.request(&post).await.unwrap();
    assert_eq!((response.text().as_str(), requests.load(Ordering::SeqCst)), ("http2", 2));

    // What a server ends in another way may have been processed.
    let server = Raw::two_versions(|_, mut respond| respond.send_reset(Reason::CANCEL)).await;
    let scene = raw_scene(&server).await;
    let response = scene.browser().http2("rp.test").await.request(&post).await.unwrap();
    assert_eq!((response.status, server.connections()), (502, 1));
    // And a server that refuses everything is asked twice.
    let server = Raw::two_versions(|_, mut respond| respond.send_reset(Reason::REFUSED_STREAM)).await;
    let scene = raw_scene(&server).await;
    let response = scene.browser().http1("rp.test").await.request(&post).await.unwrap();
    assert_eq!((response.status, server.connections()), (502, 2));
}

#[tokio::test]
async fn a_request_behind_a_goaway_goes_elsewhere() {
    let server = Raw::start(BOTH, |number, mut stream| async move {
        if number > 0 {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, respond))) = connection.accept().await {
                raw::answer(respond);
            }
            return;
        }
        // SETTINGS, then GOAWAY with last stream 0 once the request has come.
        stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let mut received = Vec::new();
        let headers_of_stream_1 = b"\x01\x04\0\0\0\x01";
        while !received.ends_with(headers_of_stream_1) {
            received.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0").await.unwrap();
        let _ = stream.read_to_end(&mut received).await;
    })
    .await;
    let scene = raw_scene(&server).await;
    let post = Request::new("POST", "rp.test", "/").body("body");
    let response = scene.browser().http1("rp.test").await.request(&post).await.unwrap();
    assert_eq!((response.text().as_str(), server.connections()), ("http2", 2));
}

#[tokio::test]
async fn all_who_wait_for_a_silent_server_share_an_attempt() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resolve = format!("rp.test:443:{}", silent.local_addr().unwrap()).parse().unwrap();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((tcp, _)) = silent.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            kept.push(tcp);
        }
    });
    let scene = Scene::with(&[], |options| {
        options.resolve = vec![resolve];
        options.connect = options.connect.clone().timeout(Duration::from_secs(3));
    })
    .await;
    let browser = scene.browser().http2("rp.test").await;
    let mut requests = JoinSet::new();
    for _ in 0..4 {
        let browser = browser.clone();
        requests.spawn(async move { browser.request(&Request::get("rp.test", "/")).await.unwrap() });
    }
    for response in requests.join_all().await {
        assert_eq!(response.status, 502);
        assert!(response.text().contains("took longer than 3s"), "{}", response.text());
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn interim_responses_without_end_come_to_an_end() {
    let server = Raw::start(HTTP1, |_, mut stream| async move {
        let _ = head(&mut stream).await;
        while stream.write_all(&b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(100)).await.is_ok() {
        }
    })
    .await;
    let scene = raw_scene(&server).await;
    let response = scene.browser().get("rp.test", "/").await;
    assert_eq!(response.status, 502);
    assert!(response.text().contains("without end"), "{}", response.text());

    let server = Raw::answering(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        true,
    )
    .await;
    let scene = raw_scene(&server).await;
    assert_eq!(scene.browser().get("rp.test", "/").await.text(), "ok");
}

#[tokio::test]
async fn a_protocol_that_nobody_asked_for_is_refused() {
    let server = Raw::answering(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
        true,
    )
    .await;
    let scene = raw_scene(&server).await;
    let response = scene.browser().get("rp.test", "/").await;
    assert_eq!((response.status, response.header("upgrade")), (502, None));
}

#[tokio::test]
async fn the_whole_server_is_asked_as_such() {
    let server = Raw::start(BOTH, |_, mut stream| async move {
        if stream.ssl().selected_alpn_protocol() == Some(b"h2") {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let path = request.uri().path_and_query().unwrap().to_string();
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(path.into(), true).unwrap();
            }
        } else {
            let head = head(&mut stream).await.unwrap();
            let line = head.lines().next().unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{line}", line.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        }
    })
    .await;
    let scene = raw_scene(&server).await;
    let request = Request::new("OPTIONS", "rp.test", "*");
    assert_eq!(scene.browser().http1("rp.test").await.request(&request).await.unwrap().text(), "*");
    let upgrade = request.header("connection", "upgrade").header("upgrade", "x");
    let response = scene.browser().http1("rp.test").await.request(&upgrade).await.unwrap();
    assert_eq!(response.text(), "OPTIONS * HTTP/1.1");
}

#[tokio::test]
async fn what_is_not_http_is_passed_on_untouched() {
    let server = Raw::start(b"\x04imap", |_, mut stream| async move {
        stream.write_all(b"* OK ready\r\n").await.unwrap();
        let _ = stream.read(&mut [0]).await;
    })
    .await;
    let scene = raw_scene(&server).await;
    let tcp = scene.browser().try_tunnel("rp.test:443").await.unwrap();
    let mut tls = crate::support::direct_client(b"imap").connect_over(tcp, "rp.test", None).await.unwrap();
    let mut greeting = [0; 12];
    tls.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"* OK ready\r\n");
    assert_eq!(tls.peer_certificate().unwrap(), crate::support::certificate());
}

#[tokio::test]
async fn a_deleted_key_is_used_no_more() {
    for site in [crate::support::Site::usual().await, crate::support::Site::http1().await] {
        let scene = Scene::new(&[("rp.test", &site)]).await;
        let mut browser = scene.browser().http1("rp.test").await;
        let provided = async |browser: &mut Http1<_>| {
            let response = browser.request(&Request::get("rp.test", "/")).await.unwrap();
            ["x-provided", "x-connection"].map(|name| response.header(name).unwrap().to_owned())
        };
        let first = provided(&mut browser).await;
        assert_eq!(provided(&mut browser).await, first);
        assert!(scene.keys.delete("rp.test", tokbind::KeyParameters::ECDSAP256).unwrap());
        let second = provided(&mut browser).await;
        // On another connection: on this one the server would know who it is.
        assert!(second[0] != first[0] && second[1] != first[1], "{first:?} {second:?}");
    }
}
