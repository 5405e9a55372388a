//! What a client can't do to the agent.

use futures_util::{SinkExt, StreamExt};
use tokbind::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Scene, Site, exchange};

#[tokio::test]
async fn a_head_may_be_large_but_not_too_large() {
    let site = Site::usual().await;
    let scene = Scene::new(&[("rp.test", &site)]).await;
    // A bit less than what the site itself takes.
    let cookie = |length| Request::get("rp.test", "/").header("cookie", "x".repeat(length));
    let large = scene.browser().http1("rp.test").await.request(&cookie(12 * 1024)).await.unwrap();
    assert_eq!(large.status, 200);
    let too_large = scene.browser().http1("rp.test").await.request(&cookie(200 * 1024)).await;
    assert!(too_large.map_or(true, |response| response.status == 431));
    let too_large = scene.browser().http2("rp.test").await.request(&cookie(200 * 1024)).await;
    assert!(too_large.map_or(true, |response| response.status == 431));

    let head =
        format!("GET http://rp.test/ HTTP/1.1\r\nHost: rp.test\r\nX: {}\r\n\r\n", "x".repeat(200 * 1024));
    let mut tcp = TcpStream::connect(scene.agent).await.unwrap();
    // The agent may close the connection before it has got all of it.
    let _ = tcp.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn what_is_not_http_is_answered_with_an_error() {
    let scene = Scene::new(&[]).await;
    for rubbish in ["\x16\x03\x01\x00\x01x\r\n\r\n", "rubbish\r\n\r\n", "GET\r\n\r\n"] {
        let answer = exchange(scene.agent, rubbish).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{rubbish:?}: {answer}");
    }
    // HTTP/2 is for tunnels only.
    let answer = exchange(scene.agent, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert_eq!(answer, "");
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let scene = Scene::with(&[], |options| options.max_connections = 1).await;
    let mut first = TcpStream::connect(scene.agent).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), b'H');
    // The kernel accepts it; the agent does not, as long as the first one is there.
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let second = tokio::spawn(exchange(scene.agent, request));
    let mut third = TcpStream::connect(scene.agent).await.unwrap();
    third.write_all(request.as_bytes()).await.unwrap();
    let mut byte = [0];
    tokio::select! {
        biased;
        read = third.read(&mut byte) => panic!("answered: {read:?}"),
        () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {}
    }
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().starts_with("HTTP/1.1 400 "));
    assert_eq!(third.read_u8().await.unwrap(), b'H');
}

#[tokio::test]
async fn a_websocket_counts_as_a_connection() {
    let site = Site::usual().await;
    let scene = Scene::with(&[("rp.test", &site)], |options| options.max_connections = 1).await;
    let tls = scene.browser().tls("rp.test", false).await.unwrap();
    let (mut socket, _) = client_async("wss://rp.test/websocket", tls).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut second = TcpStream::connect(scene.agent).await.unwrap();
    second.write_all(request.as_bytes()).await.unwrap();
    for number in 0..20 {
        // The agent is alive, and has had the time to answer the other one too.
        let message = Message::text(number.to_string());
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
        assert_eq!(second.try_read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
    drop(socket);
    assert_eq!(second.read_u8().await.unwrap(), b'H');
}
