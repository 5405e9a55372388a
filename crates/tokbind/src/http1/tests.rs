use openssl::ssl::SslVersion;
use proptest::prelude::*;
use tokbind_testing::tls::{ServerOptions, server_ekm};
use token_binding::verify::verify_header;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::tls::tests::{connect, trusting};
use crate::{KeyParameters, PrivateKey, binding};

/// Reads one response from these bytes, which come `at_once` at a time and then end.
async fn read(bytes: &[u8], method: &str, at_once: usize) -> Result<Response> {
    let (client, mut server) = duplex(at_once);
    let mut http = Http1::over(client).max_body(1000);
    let receive = async move { http.read_response_to(method).await };
    let send = async move {
        // The reader may give up before the end.
        let _ = server.write_all(bytes).await;
    };
    tokio::join!(receive, send).0
}

/// The same, however the bytes are cut.
async fn parse(bytes: &[u8], method: &str) -> Result<Response> {
    let whole = read(bytes, method, 64 * 1024).await;
    for at_once in [1, 2, 7] {
        let cut = read(bytes, method, at_once).await;
        assert_eq!(format!("{whole:?}"), format!("{cut:?}"), "{at_once} bytes at a time");
    }
    whole
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    5\r\nhello\r\n7;name=value\r\n, world\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n";

#[tokio::test]
async fn reads_a_length() {
    let response =
        parse(b"HTTP/1.1 404 Not Found here\r\nContent-Length: 3\r\nX: a\r\nx: \xff\r\n\r\nabcd", "GET")
            .await
            .unwrap();
    assert_eq!(response.status, 404);
    assert_eq!(response.reason, "Not Found here");
    assert_eq!(response.body, b"abc");
    assert_eq!(response.header("content-length"), Some("3"));
    assert_eq!(response.headers_named("X").collect::<Vec<_>>(), [&b"a"[..], b"\xff"]);
}

#[tokio::test]
async fn reads_chunks_and_trailers() {
    let response = parse(CHUNKED, "GET").await.unwrap();
    assert_eq!(response.text(), "hello, world");
    assert_eq!(response.trailers, [("X-Sum".to_owned(), b"1".to_vec()), ("X-Sum".to_owned(), b"2".to_vec())]);
}

#[tokio::test]
async fn reads_until_the_end() {
    let response = parse(b"HTTP/1.0 200 OK\r\n\r\nall of it", "GET").await.unwrap();
    assert_eq!(response.text(), "all of it");
}

#[tokio::test]
async fn knows_responses_without_a_body() {
    for (bytes, method) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"[..], "HEAD"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "GET"),
    ] {
        let (client, mut server) = duplex(1000);
        server.write_all(bytes).await.unwrap();
        // The server keeps the connection open: a body would be waited for.
        let response = Http1::over(client).read_response_to(method).await.unwrap();
        assert_eq!(response.body, b"");
    }
}

#[tokio::test]
async fn passes_over_interim_responses() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let response = parse(bytes, "GET").await.unwrap();
    assert_eq!(response.status, 204);
    assert_eq!(response.interim, [100, 103]);

    let endless = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(17);
    assert!(matches!(parse(&endless, "GET").await, Err(Error::Http1("too many interim responses"))));
}

#[tokio::test]
async fn reads_one_response_after_the_other() {
    let (client, mut server) = duplex(1000);
    server
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Le")
        .await
        .unwrap();
    let mut http = Http1::over(client);
    assert_eq!(http.read_response().await.unwrap().body, b"a");
    assert!(http.reusable());
    server.write_all(b"ngth: 2\r\nConnection: foo, Close\r\n\r\nbcd").await.unwrap();
    assert_eq!(http.read_response().await.unwrap().body, b"bc");
    assert!(!http.reusable());
    assert_eq!(http.into_parts().1, b"d");
}

#[tokio::test]
async fn a_response_cut_short_is_an_error() {
    for length in 0..CHUNKED.len() {
        let response = read(&CHUNKED[..length], "GET", 1000).await;
        assert!(matches!(response, Err(Error::Closed(_))), "{length} bytes: {response:?}");
    }
    let response = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "GET").await;
    assert!(matches!(response, Err(Error::Closed(_))), "{response:?}");
}

#[tokio::test]
async fn a_malformed_response_is_an_error() {
    let head = b"HTTP/1.1 200 OK\r\n";
    for rest in [
        &b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na"[..],
        b"Content-Length: +1\r\n\r\na",
        b"Content-Length: \r\n\r\na",
        b"Content-Length: 99999999999999999999999\r\n\r\na",
        b"Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n",
        b"no colon\r\n\r\n",
    ] {
        let response = parse(&[head, rest].concat(), "GET").await;
        assert!(matches!(response, Err(Error::Http1(_))), "{}: {response:?}", rest.escape_ascii());
    }
    for bytes in [&b"SPDY/1 200 OK\r\n\r\n"[..], b"HTTP/1.1 2000 OK\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28"]
    {
        let response = parse(bytes, "GET").await;
        assert!(matches!(response, Err(Error::Http1(_))), "{}: {response:?}", bytes.escape_ascii());
    }
}

#[tokio::test]
async fn an_odd_response_is_read_as_it_is_meant() {
    for rest in [
        &b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nall"[..],
        b"Content-Length: 3, 3\r\n\r\nall",
        b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n0\r\n\r\n",
        b"Content-Length : 3\r\nX-Folded: 1,\r\n \t2 \r\nX-Latin: \xe9\r\n\r\nall",
    ] {
        let response = parse(&[b"HTTP/1.1 200 OK\r\n", rest].concat(), "GET").await.unwrap();
        assert_eq!(response.text(), "all", "{}", rest.escape_ascii());
        for (name, value) in &response.headers {
            match name.as_str() {
                "X-Folded" => assert_eq!(value, b"1, 2"),
                "X-Latin" => assert_eq!(value, b"\xe9"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_response_too_large_is_an_error() {
    let chunk = b"258\r\n".iter().copied().chain([b'x'; 600]).chain(*b"\r\n").collect::<Vec<_>>();
    for bytes in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n".to_vec(),
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk[..], &chunk[..]].concat(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_vec(),
        [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'x'; 1001]].concat(),
        [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; MAX_HEAD]].concat(),
        [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "[..], &[b'x'; MAX_HEAD]].concat(),
    ] {
        let response = read(&bytes, "GET", 100_000).await;
        assert!(matches!(response, Err(Error::TooLarge { .. })), "{response:?}");
    }
    let lines = b"A: b\r\n".repeat(MAX_HEADERS + 1);
    let response = read(&[b"HTTP/1.1 200 OK\r\n", &lines[..], b"\r\n"].concat(), "GET", 100_000).await;
    assert!(matches!(response, Err(Error::Http1("too many header lines"))), "{response:?}");
}

#[tokio::test(start_paused = true)]
async fn does_not_wait_for_ever() {
    let (client, _server) = duplex(1000);
    let response = Http1::over(client).read_response().await;
    assert!(matches!(response, Err(Error::Timeout { .. })), "{response:?}");

    let (client, _server): (DuplexStream, _) = duplex(1);
    let sent = Http1::over(client).send_raw(b"more than fits").await;
    assert!(matches!(sent, Err(Error::Timeout { .. })), "{sent:?}");
}

#[tokio::test]
async fn sends_what_it_is_given() {
    let (client, mut server) = duplex(1000);
    let mut http = Http1::over(client);
    http.send(&Request::get("host", "/?q").header("A", "1").header("A", b"\xff\0").header("a", ""))
        .await
        .unwrap();
    http.send_raw(b"\r\nanything").await.unwrap();
    drop(http);
    let mut sent = Vec::new();
    server.read_to_end(&mut sent).await.unwrap();
    assert_eq!(sent, b"GET /?q HTTP/1.1\r\nHost: host\r\nA: 1\r\nA: \xff\0\r\na: \r\n\r\n\r\nanything");
}

#[test]
fn frames_bodies() {
    let ends = |request: &Request, end: &str| {
        let bytes = encode(request);
        assert!(bytes.ends_with(end.as_bytes()), "{}", bytes.escape_ascii());
    };
    let post = Request::new("POST", "h", "/");
    ends(&post, "Host: h\r\nContent-Length: 0\r\n\r\n");
    ends(&post.clone().body("abc"), "Host: h\r\nContent-Length: 3\r\n\r\nabc");
    ends(&post.clone().body("abc").header("content-length", "1"), "Host: h\r\ncontent-length: 1\r\n\r\nabc");
    ends(&post.clone().body("abcdefghij").chunked(), "chunked\r\n\r\na\r\nabcdefghij\r\n0\r\n\r\n");
    ends(&post.trailer("T", "v"), "Transfer-Encoding: chunked\r\n\r\n0\r\nT: v\r\n\r\n");
}

#[tokio::test]
async fn carries_a_binding_that_the_server_can_verify() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let server = ServerOptions::new(version).start().await;
        let (client, served) = connect(&server, &trusting(&server)).await;
        let (client, mut served) = (client.unwrap(), served.unwrap());
        let key = PrivateKey::generate(KeyParameters::ECDSAP256).unwrap();
        let value = binding::header(&client.ekm().unwrap(), &key, None).unwrap();
        let request = Request::get("localhost", "/").header(binding::SEC_TOKEN_BINDING, &value);

        let serve = async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(served.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let value = request.lines().find_map(|line| line.strip_prefix("Sec-Token-Binding: ")).unwrap();
            let verified =
                verify_header(value.as_bytes(), KeyParameters::ECDSAP256, &server_ekm(&served)).unwrap();
            let id = verified.provided().base64url();
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{id}", id.len());
            served.write_all(response.as_bytes()).await.unwrap();
        };
        let mut http = Http1::new(client);
        let (response, ()) = tokio::join!(http.request(&request), serve);
        let id = token_binding::header::encode(&binding::Signer::token_binding_id(&key));
        assert_eq!(response.unwrap().text(), id);
    }
}

proptest! {
    /// Whatever a server sends, it is a response or an error, and within the caps.
    #[test]
    fn any_bytes_are_read_to_their_end(at in 0_usize..200, byte: u8, tail: Vec<u8>) {
        let mut bytes = CHUNKED.to_vec();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.extend(tail);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        match runtime.block_on(read(&bytes, "GET", 64)) {
            Ok(response) => prop_assert!(response.body.len() <= 1000),
            Err(error) => {
                let timed_out = matches!(error, Error::Timeout { .. } | Error::Io { .. });
                prop_assert!(!timed_out, "{error}");
            }
        }
    }
}
