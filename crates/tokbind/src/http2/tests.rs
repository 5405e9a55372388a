use h2::server::{self, Connection, SendResponse};
use openssl::ssl::SslVersion;
use tokbind_testing::tls::{Server, ServerOptions, server_ekm};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::*;
use crate::tls;

type Served = Connection<SslStream<TcpStream>, Bytes>;
type Exchange = (http::Request<RecvStream>, SendResponse<Bytes>);

async fn serve() -> Server {
    let mut options = ServerOptions::new(SslVersion::TLS1_2);
    options.alpn = Some(b"\x02h2");
    options.start().await
}

/// Both ends of an HTTP/2 connection.
async fn connect(server: &Server, push: bool) -> (Http2, Served) {
    let (client, served) = tls::tests::connect(server, &tls::tests::trusting(server).alpn(["h2"])).await;
    let served = served.unwrap();
    let ekm = server_ekm(&served);
    let (client, served) = tokio::join!(Http2::start(client.unwrap(), push), server::handshake(served));
    let client = client.unwrap();
    assert_eq!(client.ekm().as_bytes(), ekm.as_bytes());
    assert!(client.negotiated().is_some());
    assert_eq!(client.info().alpn.as_deref(), Some(&b"h2"[..]));
    (client, served.unwrap())
}

/// Handles each request as told to, until the client is gone.
async fn drive(mut served: Served, mut handle: impl FnMut(Exchange)) {
    while let Some(exchange) = served.accept().await {
        handle(exchange.unwrap());
    }
}

fn reply(mut respond: SendResponse<Bytes>, body: &str) {
    let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
    stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
}

#[tokio::test]
async fn many_requests_are_under_way_at_once() {
    const MANY: usize = 50;
    let server = serve().await;
    let (client, served) = connect(&server, false).await;
    let mut waiting = Vec::new();
    tokio::spawn(drive(served, move |exchange| {
        waiting.push(exchange);
        // Nobody gets a response before everybody has sent a request, and the last one gets it first.
        if waiting.len() == MANY {
            while let Some((request, respond)) = waiting.pop() {
                reply(respond, request.uri().path());
            }
        }
    }));

    let requests = (0..MANY).map(|number| {
        let client = client.clone();
        tokio::spawn(async move { client.request(&Request::get("localhost", &format!("/{number}"))).await })
    });
    for (number, response) in requests.collect::<Vec<_>>().into_iter().enumerate() {
        let response = response.await.unwrap().unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.text(), format!("/{number}"));
    }
}

#[tokio::test]
async fn sends_headers_twice_and_trailers() {
    let server = serve().await;
    let (client, served) = connect(&server, false).await;
    tokio::spawn(drive(served, |(request, mut respond)| {
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            let twice: Vec<_> = head.headers.get_all("sec-token-binding").iter().cloned().collect();
            let mut data = Vec::new();
            while let Some(more) = body.data().await {
                data.extend(more.unwrap());
            }
            let trailers = body.trailers().await.unwrap();

            let mut response = http::Response::builder().status(400);
            for value in twice {
                response = response.header("seen", value);
            }
            let mut stream = respond.send_response(response.body(()).unwrap(), false).unwrap();
            stream.send_data(data.into(), trailers.is_none()).unwrap();
            if let Some(trailers) = trailers {
                stream.send_trailers(trailers).unwrap();
            }
        });
    }));

    let request = Request::new("POST", "localhost", "/")
        .header("Sec-Token-Binding", "a")
        .header("sec-token-binding", b"\xff")
        .body("body");
    let response = client.request(&request).await.unwrap();
    assert_eq!(response.status, 400);
    assert_eq!(response.headers_named("seen").collect::<Vec<_>>(), [&b"a"[..], b"\xff"]);
    assert_eq!(response.body, b"body");
    assert_eq!(response.trailers, []);

    let response = client.request(&request.trailer("X-Sum", "1")).await.unwrap();
    assert_eq!(response.trailers, [("x-sum".to_owned(), b"1".to_vec())]);
    let response = client.request(&Request::get("localhost", "/").trailer("t", "v")).await.unwrap();
    assert_eq!(response.trailers, [("t".to_owned(), b"v".to_vec())]);
}

#[tokio::test]
async fn a_body_larger_than_any_window() {
    let server = serve().await;
    let (client, served) = connect(&server, false).await;
    tokio::spawn(drive(served, |(_, respond)| reply(respond, &"x".repeat(300_000))));
    let response = client.request(&Request::get("localhost", "/")).await.unwrap();
    assert_eq!(response.body.len(), 300_000);
}

#[tokio::test]
async fn takes_what_is_pushed_or_refuses_it() {
    let server = serve().await;
    for push in [true, false] {
        let (client, served) = connect(&server, push).await;
        tokio::spawn(drive(served, |(_, mut respond)| {
            let promise = http::Request::get("https://localhost/pushed").header("a", "b").body(()).unwrap();
            if let Ok(mut pushed) = respond.push_request(promise) {
                let mut stream = pushed.send_response(http::Response::new(()), false).unwrap();
                stream.send_data(Bytes::from_static(b"unasked"), true).unwrap();
            }
            reply(respond, "asked");
        }));
        let response = client.request(&Request::get("localhost", "/")).await.unwrap();
        assert_eq!(response.text(), "asked");
        let pushed: Vec<_> =
            response.pushed.iter().map(|pushed| (&*pushed.uri, pushed.response.text())).collect();
        let expected = [("https://localhost/pushed", "unasked".to_owned())];
        assert_eq!(pushed, expected[..usize::from(push)]);
    }
}

#[tokio::test]
async fn a_reset_stream_is_an_error_and_the_next_is_not() {
    let server = serve().await;
    let (client, served) = connect(&server, false).await;
    tokio::spawn(drive(served, |(request, mut respond)| match request.uri().path() {
        "/reset" => respond.send_reset(h2::Reason::HTTP_1_1_REQUIRED),
        _ => reply(respond, "fine"),
    }));
    let reset = client.request(&Request::get("localhost", "/reset")).await;
    assert!(
        matches!(&reset, Err(Error::Http2(error)) if error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED)),
        "{reset:?}"
    );
    assert_eq!(client.request(&Request::get("localhost", "/")).await.unwrap().text(), "fine");
}

#[tokio::test]
async fn what_http_2_cannot_say_is_an_error() {
    let server = serve().await;
    let (client, _served) = connect(&server, false).await;
    for request in [
        Request::get("localhost", "/").header("two words", "x"),
        Request::get("localhost", "/").header("x", "\n"),
        Request::get("no host", "/"),
        Request::new("bad method", "localhost", "/"),
    ] {
        let response = client.request(&request).await;
        assert!(matches!(response, Err(Error::Request(_))), "{request:?}: {response:?}");
    }
}

#[tokio::test]
async fn ends_with_the_last_clone() {
    let server = serve().await;
    let (client, served) = connect(&server, false).await;
    let clone = client.clone();
    let served = tokio::spawn(drive(served, |(_, respond)| reply(respond, "")));
    drop(client);
    assert!(clone.request(&Request::get("localhost", "/")).await.is_ok());
    drop(clone);
    served.await.unwrap();
}

/// The last frame of a response may come while another thread looks at its parts: none is waited for in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn no_response_is_missed() {
    let server = serve().await;
    let (client, served) = connect(&server, false).await;
    tokio::spawn(drive(served, |(_, mut respond)| {
        tokio::spawn(async move {
            let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
            tokio::task::yield_now().await;
            stream.send_data(Bytes::from_static(b"page"), true).unwrap();
        });
    }));
    let requests = (0..64).map(|_| {
        let client = client.clone();
        async move {
            for _ in 0..400 {
                client.request(&Request::get("localhost", "/")).await.unwrap();
            }
        }
    });
    let mut requests: tokio::task::JoinSet<()> = requests.collect();
    let all = async { while requests.join_next().await.transpose().unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("a response was missed");
}
