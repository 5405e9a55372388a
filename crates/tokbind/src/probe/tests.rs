use openssl::ssl::SslVersion;
use proptest::prelude::*;
use tokbind_testing::tls::{Server, ServerOptions};
use tokio::net::TcpListener;

use super::*;
use crate::tls::tests::{connect, trusting};

const OFFER: &[u8] = &[1, 0, 1, 2];

/// What the server makes of a ClientHello.
async fn ask(server: &Server, hello: &ClientHello) -> Reply {
    let (reply, _served) = tokio::join!(probe(server.address, hello), server.accept());
    reply.unwrap()
}

#[tokio::test]
async fn sees_the_answer_in_the_server_hello() {
    let server = ServerOptions::new(SslVersion::TLS1_2).start().await;
    let reply = ask(&server, &ClientHello::tls12().unwrap().token_binding(OFFER)).await;
    let hello = reply.server_hello().unwrap();
    assert_eq!(hello.version, 0x0303);
    assert_eq!(hello.cipher_suite, 0xc02b);
    assert_eq!(hello.token_binding(), Some(OFFER));
    assert_eq!(hello.extension(EXTENDED_MASTER_SECRET), Some(&[][..]));
    assert_eq!(hello.extension(RENEGOTIATION_INFO), Some(&[0][..]));
    assert_eq!(server.offers(), [OFFER]);
}

#[tokio::test]
async fn leaves_out_what_a_tls_library_would_not() {
    let server = ServerOptions::new(SslVersion::TLS1_2).start().await;
    let hello = ClientHello::tls12().unwrap();
    assert_eq!(ask(&server, &hello).await.server_hello().unwrap().token_binding(), None);

    let hello = hello.without(EXTENDED_MASTER_SECRET).without(RENEGOTIATION_INFO);
    let reply = ask(&server, &hello).await;
    assert_eq!(reply.server_hello().unwrap().extension(EXTENDED_MASTER_SECRET), None);
    assert_eq!(reply.server_hello().unwrap().extension(RENEGOTIATION_INFO), None);

    let reply = ask(&server, &hello.scsv()).await;
    assert_eq!(reply.server_hello().unwrap().extension(RENEGOTIATION_INFO), Some(&[0][..]));
}

#[tokio::test]
async fn sends_an_extension_twice() {
    let server = ServerOptions::new(SslVersion::TLS1_2).start().await;
    let hello = ClientHello::tls12().unwrap().token_binding(OFFER).token_binding(OFFER);
    // OpenSSL's own verdict on a repeated extension.
    assert!(matches!(ask(&server, &hello).await, Reply::Alert(Alert { level: 2, .. })));
}

#[tokio::test]
async fn indicates_a_server_name() {
    let server = ServerOptions::new(SslVersion::TLS1_2).start().await;
    let hello = ClientHello::tls12().unwrap().server_name("a.example").unwrap();
    assert!(ask(&server, &hello).await.server_hello().is_some());
    assert_eq!(hello.extensions.last().unwrap().1, b"\x00\x0c\x00\x00\x09a.example");
}

#[tokio::test]
async fn resumes_by_session_id() {
    let mut options = ServerOptions::new(SslVersion::TLS1_2);
    options.tickets = false;
    let server = options.start().await;
    let (client, _served) = connect(&server, &trusting(&server).session_tickets(false)).await;
    let session_id = client.unwrap().ssl().session().unwrap().id().to_vec();

    let mut hello = ClientHello::tls12().unwrap().token_binding(OFFER);
    hello.cipher_suites.insert(0, 0xc02c);
    hello.session_id.clone_from(&session_id);
    let reply = ask(&server, &hello).await;
    assert_eq!(reply.server_hello().unwrap().session_id, session_id);
    assert_eq!(reply.server_hello().unwrap().token_binding(), Some(OFFER));

    // RFC 7627 section 5.3: a session made with the Extended Master Secret is not resumed without.
    let reply = ask(&server, &hello.without(EXTENDED_MASTER_SECRET)).await;
    assert!(matches!(reply, Reply::Alert(Alert { level: 2, .. })), "{reply:?}");
}

#[tokio::test]
async fn sees_a_refusal() {
    let server = ServerOptions::new(SslVersion::TLS1_3).start().await;
    let reply = ask(&server, &ClientHello::tls12().unwrap()).await;
    assert_eq!(reply, Reply::Alert(Alert { level: 2, description: 70 }), "protocol_version");
}

/// The reply of a server that sends these bytes and closes the connection.
async fn answered(bytes: &[u8]) -> Result<Reply> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hello = ClientHello::tls12().unwrap();
    let length = hello.encode().unwrap().len();
    let serve = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.read_exact(&mut vec![0; length]).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
    };
    tokio::join!(probe(address, &hello), serve).0
}

#[tokio::test]
async fn sees_a_closed_connection() {
    assert_eq!(answered(b"").await.unwrap(), Reply::Closed);
}

#[tokio::test(start_paused = true)]
async fn does_not_wait_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reply = probe(listener.local_addr().unwrap(), &ClientHello::tls12().unwrap()).await;
    assert!(matches!(reply, Err(Error::Timeout { .. })), "{reply:?}");
}

/// A ServerHello with two extensions.
fn server_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([2, 8, 9, 0xc0, 0x2f, 0, 0, 13, 0xff, 1, 0, 1, 0, 0, 24, 0, 4, 1, 0, 1, 2]);
    body
}

/// The same as a handshake message, in records of at most `size` bytes, after an alert that warns.
fn records(size: usize) -> Vec<u8> {
    let body = server_hello();
    let message = [&[SERVER_HELLO, 0, 0, body.len() as u8], &body[..]].concat();
    let mut records = vec![ALERT, 3, 3, 0, 2, WARNING, 112];
    for chunk in message.chunks(size) {
        records.extend([HANDSHAKE, 3, 3, 0, chunk.len() as u8]);
        records.extend(chunk);
    }
    records
}

#[tokio::test]
async fn puts_records_together() {
    for size in [1, 3, 200] {
        let reply = answered(&records(size)).await.unwrap();
        let hello = reply.server_hello().unwrap();
        assert_eq!(hello.session_id, [8, 9]);
        assert_eq!(hello.extensions, [(RENEGOTIATION_INFO, vec![0]), (EXTENSION_TYPE, OFFER.to_vec())]);
    }
}

#[test]
fn every_cut_is_noticed() {
    let records = records(20);
    for length in 0..records.len() {
        assert_eq!(parse_reply(&records[..length]).unwrap(), None, "{length}");
    }
    let body = server_hello();
    let without_extensions = body.len() - 15;
    for length in 0..body.len() {
        assert_eq!(ServerHello::parse(&body[..length]).is_ok(), length == without_extensions, "{length}");
    }
    assert!(matches!(ServerHello::parse(&[&body[..], &[0]].concat()), Err(Error::Tls(_))));
}

#[test]
fn refuses_what_is_no_answer() {
    for (what, bytes) in [
        ("HTTP", &b"HTTP/1.1 400 Bad Request\r\n"[..]),
        ("an alert of three bytes", &[ALERT, 3, 3, 0, 3, 2, 40, 0]),
        ("application data", &[23, 3, 3, 0, 1, 0]),
        ("an empty record", &[HANDSHAKE, 3, 3, 0, 0]),
        ("a record of 2^14 + 1 bytes", &[HANDSHAKE, 3, 3, 0x40, 1]),
        ("another message", &[HANDSHAKE, 3, 3, 0, 4, 0, 0, 0, 0]),
    ] {
        assert!(matches!(parse_reply(bytes), Err(Error::Tls(_))), "{what}");
    }
    let huge = parse_reply(&[HANDSHAKE, 3, 3, 0, 4, SERVER_HELLO, 1, 0, 1]);
    assert!(matches!(huge, Err(Error::TooLarge { .. })), "{huge:?}");
    let endless = [ALERT, 3, 3, 0, 2, WARNING, 112].repeat(10_000);
    assert!(matches!(parse_reply(&endless), Err(Error::TooLarge { .. })));
}

#[test]
fn a_client_hello_has_its_limits() {
    let hello = ClientHello::tls12().unwrap();
    for (what, hello) in [
        ("an extension", hello.clone().extension(1, vec![0; 65_536])),
        ("all extensions", hello.clone().extension(1, vec![0; 65_000]).extension(1, vec![0; 1000])),
        ("the message", hello.clone().extension(1, vec![0; MAX_RECORD])),
        ("the session id", ClientHello { session_id: vec![0; 256], ..hello.clone() }),
    ] {
        assert!(matches!(hello.encode(), Err(Error::TooLarge { .. })), "{what}");
    }
}

proptest! {
    /// A changed byte is an error, another field or more to wait for; never a panic, never more than was sent.
    #[test]
    fn any_bytes_are_read_to_their_end(at in 0_usize..100, byte: u8, size in 1_usize..70, tail: Vec<u8>) {
        let mut bytes = records(size);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.extend(tail);
        if let Ok(Some(Reply::ServerHello(hello))) = parse_reply(&bytes) {
            let content: usize = hello.extensions.iter().map(|(_, body)| body.len() + 4).sum();
            prop_assert!(content + hello.session_id.len() + 38 <= bytes.len());
        }
    }
}
