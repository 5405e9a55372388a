use openssl::ssl::{ExtensionContext, SslVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use tokbind_testing::tls::{self as testing, Server, ServerOptions, server_ekm, server_name};

use super::*;
use crate::{Error, KeyParameters, ProtocolVersion};

const BOTH: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];
const DECODE_ERROR: i32 = 50;
const UNSUPPORTED_EXTENSION: i32 = 110;

/// The two ends of a connection.
pub(crate) type Ends = (crate::Result<TlsConnection>, testing::Served);

/// Options that trust this server.
pub(crate) fn trusting(server: &Server) -> ConnectOptions {
    ConnectOptions::new().ca_certificate(server.certificate.clone())
}

/// Both ends of a new connection.
pub(crate) async fn connect(server: &Server, options: &ConnectOptions) -> Ends {
    connect_with(server, &Connector::new(options).unwrap()).await
}

async fn connect_with(server: &Server, connector: &Connector) -> Ends {
    server.meet(connector.connect(server.address, "localhost")).await
}

#[tokio::test]
async fn negotiates_in_the_message_of_each_version_and_exports_the_same_key_at_both_ends() {
    for (version, location) in [
        (SslVersion::TLS1_2, Location::Tls12ServerHello),
        (SslVersion::TLS1_3, Location::EncryptedExtensions),
    ] {
        let server = ServerOptions::new(version).start().await;
        let (client, served) = connect(&server, &trusting(&server)).await;
        let (client, served) = (client.unwrap(), served.unwrap());

        assert_eq!(client.version(), version);
        assert_eq!(client.extended_master_secret(), version == SslVersion::TLS1_2);
        assert_eq!(client.answer(), Some(Answer { location, body: vec![1, 0, 1, 2] }));
        let negotiated = client.negotiated().unwrap();
        assert_eq!(negotiated.version, ProtocolVersion::V1_0);
        assert_eq!(negotiated.key_parameters, KeyParameters::ECDSAP256);
        assert_eq!(client.ekm().unwrap().as_bytes(), server_ekm(&served).as_bytes());
        assert_eq!(client.renegotiations(), 0);
        assert_eq!(server.offers(), [[1, 0, 1, 2]]);
    }
}

#[tokio::test]
async fn any_body_reaches_the_server() {
    for version in BOTH {
        let server = ServerOptions::new(version).start().await;
        let bodies: [&[u8]; 4] = [b"", b"\x01", b"\x01\x00\x00", b"\x01\x00\x01\x02trailing"];
        for body in bodies {
            let options = trusting(&server).offer(Offer::Raw(body.to_vec())).lenient(true);
            let (client, _served) = connect(&server, &options).await;
            let client = client.unwrap();
            assert!(client.answer().is_some());
            assert_eq!(client.negotiated(), None, "{body:?} offers nothing");
        }
        assert_eq!(server.offers(), bodies);
    }
}

#[tokio::test]
async fn an_offer_that_offers_nothing_has_no_right_answer() {
    let server = ServerOptions::new(SslVersion::TLS1_3).start().await;
    let (client, served) = connect(&server, &trusting(&server).offer(Offer::Raw(vec![1]))).await;
    assert!(matches!(client, Err(Error::Answer(AnswerFault::Unanswerable))), "{client:?}");
    assert_eq!(testing::alert(&served.err().unwrap()), Some(UNSUPPORTED_EXTENSION));
}

#[tokio::test]
async fn an_offer_needs_key_parameters() {
    let server = ServerOptions::new(SslVersion::TLS1_3).start().await;
    let connector = Connector::new(&trusting(&server).offer(Offer::v1([]))).unwrap();
    let client = connector.connect(server.address, "localhost").await;
    assert!(matches!(client, Err(Error::TokenBinding(_))), "{client:?}");
}

#[tokio::test]
async fn no_offer_no_answer() {
    for version in BOTH {
        let server = ServerOptions::new(version).start().await;
        let (client, _served) = connect(&server, &trusting(&server).offer(Offer::None)).await;
        let client = client.unwrap();
        assert_eq!(client.answer(), None);
        assert_eq!(client.negotiated(), None);
        assert!(server.offers().is_empty());
    }
}

#[tokio::test]
async fn a_wrong_answer_is_fatal_unless_lenient() {
    let wrong: [(&str, &[u8], i32); 6] = [
        ("a higher version", &[1, 1, 1, 2], UNSUPPORTED_EXTENSION),
        ("two key parameters", &[1, 0, 2, 2, 1], UNSUPPORTED_EXTENSION),
        ("key parameters that were not offered", &[1, 0, 1, 0], UNSUPPORTED_EXTENSION),
        ("no key parameters", &[1, 0, 0], DECODE_ERROR),
        ("cut short", &[1, 0], DECODE_ERROR),
        ("trailing bytes", &[1, 0, 1, 2, 0], DECODE_ERROR),
    ];
    for version in BOTH {
        for (what, answer, expected) in wrong {
            let server = ServerOptions::new(version).answer(answer).start().await;
            let options =
                trusting(&server).offer(Offer::v1([KeyParameters::ECDSAP256, KeyParameters::RSA2048_PSS]));

            let (client, served) = connect(&server, &options).await;
            assert!(matches!(client, Err(Error::Answer(AnswerFault::Parameters(_)))), "{what}: {client:?}");
            let alert = testing::alert(&finish(served).await.unwrap_err());
            assert_eq!(alert, Some(expected), "{what}");

            let (client, _served) = connect(&server, &options.lenient(true)).await;
            let client = client.unwrap();
            assert_eq!(client.answer().unwrap().body, answer, "{what}");
            assert_eq!(client.negotiated(), None, "{what}");
        }
    }
}

/// On TLS 1.3 the server is done before it reads the client's alert.
async fn finish(served: Result<Served, openssl::ssl::Error>) -> Result<(), openssl::ssl::Error> {
    let mut served = served?;
    let mut buffer = [0; 1];
    std::pin::Pin::new(&mut served).peek(&mut buffer).await.map(|_| ())
}

type Served = tokio_openssl::SslStream<tokio::net::TcpStream>;

#[tokio::test]
async fn an_older_version_is_spoken_or_goes_without() {
    let server = ServerOptions::new(SslVersion::TLS1_3).answer(&[0, 16, 1, 2]).start().await;
    let (client, _served) = connect(&server, &trusting(&server)).await;
    assert_eq!(client.unwrap().negotiated().unwrap().version, ProtocolVersion { major: 0, minor: 16 });

    let (client, _served) = connect(&server, &trusting(&server).oldest_version(ProtocolVersion::V1_0)).await;
    let client = client.unwrap();
    assert_eq!(client.negotiated(), None);
    assert!(client.answer().is_some());
}

#[tokio::test]
async fn without_extended_master_secret_an_answer_is_refused() {
    // The client's own doing is known at once, and the server gets the alert.
    let server = ServerOptions::new(SslVersion::TLS1_2).start().await;
    let (client, served) = connect(&server, &trusting(&server).extended_master_secret(false)).await;
    assert!(matches!(client, Err(Error::Answer(AnswerFault::NoExtendedMasterSecret))), "{client:?}");
    assert_eq!(testing::alert(&served.err().unwrap()), Some(UNSUPPORTED_EXTENSION));

    // The server's doing is known when the handshake is over.
    let mut options = ServerOptions::new(SslVersion::TLS1_2);
    options.extended_master_secret = false;
    let server = options.start().await;
    let (client, _served) = connect(&server, &trusting(&server)).await;
    assert!(matches!(client, Err(Error::Answer(AnswerFault::NoExtendedMasterSecret))), "{client:?}");

    for options in [trusting(&server), trusting(&server).extended_master_secret(false)] {
        let (client, _served) = connect(&server, &options.lenient(true)).await;
        let client = client.unwrap();
        assert!(!client.extended_master_secret());
        assert!(client.answer().is_some());
        assert_eq!(client.negotiated(), None);
    }
}

#[tokio::test]
async fn without_extended_master_secret_and_answer_the_connection_goes_on() {
    let mut options = ServerOptions::new(SslVersion::TLS1_2);
    options.answer = None;
    let server = options.start().await;
    let (client, _served) = connect(&server, &trusting(&server).extended_master_secret(false)).await;
    let client = client.unwrap();
    assert!(!client.extended_master_secret());
    assert_eq!(client.answer(), None);
    assert_eq!(server.offers(), [[1, 0, 1, 2]]);
}

#[tokio::test]
async fn an_answer_in_the_server_hello_of_tls_1_3_is_refused() {
    let mut options = ServerOptions::new(SslVersion::TLS1_3);
    options.tls13_location = ExtensionContext::TLS1_3_SERVER_HELLO;
    let server = options.start().await;

    let (client, _served) = connect(&server, &trusting(&server)).await;
    assert!(matches!(client, Err(Error::Handshake(_))), "{client:?}");

    let (client, _served) = connect(&server, &trusting(&server).lenient(true)).await;
    assert_eq!(client.unwrap().answer().unwrap().location, Location::Tls13ServerHello);
}

/// OpenSSL's server never answers what was not asked, so this one is a recording: a ServerHello and nothing more.
async fn answer_unasked(extensions: &[u8]) -> (crate::Result<TlsConnection>, Vec<u8>) {
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x2f, 0]); // no session id, ECDHE-RSA-AES128-GCM-SHA256, no compression
    hello.extend((extensions.len() as u16).to_be_bytes());
    hello.extend(extensions);
    let mut record = vec![22, 3, 3];
    record.extend((hello.len() as u16 + 4).to_be_bytes());
    record.extend([2, 0]);
    record.extend((hello.len() as u16).to_be_bytes());
    record.extend(hello);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connector = Connector::new(&ConnectOptions::new().offer(Offer::None)).unwrap();
    tokio::join!(connector.connect(address, "localhost"), async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut header = [0; 5];
        tcp.read_exact(&mut header).await.unwrap();
        let mut client_hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        tcp.read_exact(&mut client_hello).await.unwrap();
        tcp.write_all(&record).await.unwrap();
        let mut reply = Vec::new();
        tcp.read_to_end(&mut reply).await.unwrap();
        reply
    })
}

#[tokio::test]
async fn an_unasked_answer_is_fatal() {
    let mut extensions = vec![0xff, 1, 0, 1, 0, 0, 23, 0, 0]; // renegotiation_info, extended_master_secret
    extensions.extend([0, 24, 0, 4, 1, 0, 1, 2]);
    let (client, reply) = answer_unasked(&extensions).await;
    assert!(matches!(client, Err(Error::Handshake(_))), "{client:?}");
    assert_eq!(reply, [21, 3, 3, 0, 2, 2, 110]);
}

#[tokio::test]
async fn a_server_without_renegotiation_indication_is_refused() {
    let (client, reply) = answer_unasked(&[0, 23, 0, 0]).await;
    assert!(matches!(client, Err(Error::Handshake(_))), "{client:?}");
    assert_eq!(reply, [21, 3, 3, 0, 2, 2, 40]);
}

/// Reads what makes the server's tickets arrive.
async fn settle((client, served): Ends) -> (TlsConnection, Served) {
    let (mut client, mut served) = (client.unwrap(), served.unwrap());
    served.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    (client, served)
}

#[tokio::test]
async fn a_resumed_session_negotiates_anew() {
    for (version, tickets) in
        [(SslVersion::TLS1_2, true), (SslVersion::TLS1_2, false), (SslVersion::TLS1_3, true)]
    {
        let mut options = ServerOptions::new(version);
        options.tickets = tickets;
        let server = options.start().await;
        let connector = Connector::new(&trusting(&server).session_tickets(tickets)).unwrap();
        let (first, _served) = settle(connect_with(&server, &connector).await).await;
        assert!(!first.session_reused());
        assert!(first.session_resumable());

        // A server that drops a connection without a goodbye forgets its session.
        let mut open = Vec::new();
        let both = Offer::v1([KeyParameters::RSA2048_PSS, KeyParameters::ECDSAP256]);
        for (offer, negotiates) in [(Offer::default(), true), (both, true), (Offer::None, false)] {
            let connector = connector.with_offer(offer);
            let session = first.session();
            let ends = tokio::join!(connector.resume(server.address, "localhost", &session), server.accept());
            let (resumed, served) = settle(ends).await;
            assert!(resumed.session_reused(), "{version:?}, tickets {tickets}");
            assert_eq!(resumed.negotiated().is_some(), negotiates);
            assert_eq!(resumed.ekm().unwrap().as_bytes(), server_ekm(&served).as_bytes());
            assert_ne!(resumed.ekm().unwrap().as_bytes(), first.ekm().unwrap().as_bytes());
            open.push(served);
        }
        assert_eq!(server.offers(), [&[1, 0, 1, 2][..], &[1, 0, 1, 2], &[1, 0, 2, 1, 2]]);

        let (other, _served) = settle(connect_with(&server, &connector).await).await;
        assert!(!other.session_reused(), "only on request");
    }
}

#[tokio::test]
async fn a_session_belongs_to_its_connector() {
    let server = ServerOptions::new(SslVersion::TLS1_2).start().await;
    let (client, _served) = connect(&server, &trusting(&server)).await;
    let stranger = Connector::new(&trusting(&server)).unwrap();
    let resumed = stranger.resume(server.address, "localhost", &client.unwrap().session()).await;
    assert!(matches!(resumed, Err(Error::ForeignSession)), "{resumed:?}");
}

#[tokio::test]
async fn a_hello_retry_is_not_a_renegotiation() {
    let mut options = ServerOptions::new(SslVersion::TLS1_3);
    options.groups = Some("P-384"); // the client's first key share is for another group
    let server = options.start().await;
    let (client, _served) = connect(&server, &trusting(&server).renegotiation_offer(Offer::None)).await;
    let client = client.unwrap();
    assert!(client.negotiated().is_some());
    assert_eq!(client.renegotiations(), 0);
    assert_eq!(server.offers().last().unwrap(), &[1, 0, 1, 2]);
}

#[tokio::test]
async fn the_certificate_must_fit() {
    let server = ServerOptions::new(SslVersion::TLS1_3).start().await;
    let refused = |client: crate::Result<TlsConnection>| matches!(client, Err(Error::Handshake(_)));

    assert!(refused(connect(&server, &ConnectOptions::new()).await.0), "unknown CA");
    assert!(connect(&server, &ConnectOptions::new().accept_any_certificate(true)).await.0.is_ok());

    let other = testing::identity().0;
    assert!(refused(connect(&server, &ConnectOptions::new().ca_certificate(other)).await.0), "another CA");

    let connector = Connector::new(&trusting(&server)).unwrap();
    for (host, fits) in
        [("127.0.0.1", true), ("127.0.0.2", false), ("example.org", false), ("localhost", true)]
    {
        let (client, _served) = tokio::join!(connector.connect(server.address, host), server.accept());
        assert_eq!(client.is_ok(), fits, "{host}: {client:?}");
    }
}

#[tokio::test]
async fn indicates_the_server_name_it_is_told_to() {
    let server = ServerOptions::new(SslVersion::TLS1_2).start().await;
    let connector = Connector::new(&trusting(&server)).unwrap();
    for (name, indicated) in [
        (ServerName::Host, Some("localhost".to_owned())),
        (ServerName::Other("other.example".to_owned()), Some("other.example".to_owned())),
        (ServerName::None, None),
    ] {
        let (client, served) = connect_with(&server, &connector.with_server_name(name)).await;
        assert!(client.is_ok(), "{client:?}");
        assert_eq!(server_name(&served.unwrap()), indicated);
    }
    let (_client, served) = tokio::join!(connector.connect(server.address, "127.0.0.1"), server.accept());
    assert_eq!(server_name(&served.unwrap()), None, "an address is no server name (RFC 6066 section 3)");
}

#[tokio::test]
async fn agrees_on_an_application_protocol() {
    let mut options = ServerOptions::new(SslVersion::TLS1_3);
    options.alpn = Some(b"\x02h2\x08http/1.1");
    let server = options.start().await;
    for (offered, chosen) in [(&["http/1.1", "h2"][..], Some(&b"h2"[..])), (&["spdy"], None), (&[], None)] {
        let (client, _served) = connect(&server, &trusting(&server).alpn(offered)).await;
        assert_eq!(client.unwrap().alpn(), chosen);
    }
    let too_long = "x".repeat(256 + 5);
    assert!(matches!(Connector::new(&trusting(&server).alpn([too_long])), Err(Error::OpenSsl { .. })));
}

#[tokio::test]
async fn shows_its_certificate() {
    let (certificate, key) = testing::identity();
    let mut options = ServerOptions::new(SslVersion::TLS1_2);
    options.client_ca = Some(certificate.clone());
    let server = options.start().await;

    let (_client, served) = connect(&server, &trusting(&server)).await;
    assert!(served.unwrap().ssl().peer_certificate().is_none());
    let options = trusting(&server).client_certificate(certificate.clone(), key).client_chain([certificate]);
    let (_client, served) = connect(&server, &options).await;
    let served = served.unwrap();
    assert!(served.ssl().peer_certificate().is_some());
    assert_eq!(served.ssl().peer_cert_chain().unwrap().len(), 1, "the issuers, without the client's own");
}

#[tokio::test]
async fn reports_the_alert_of_the_server() {
    let server = ServerOptions::new(SslVersion::TLS1_3).start().await;
    let (client, _served) = connect(&server, &trusting(&server).tls_version(SslVersion::TLS1_2)).await;
    assert_eq!(client.unwrap_err().alert_received(), Some(70), "protocol_version");
}

#[tokio::test]
async fn says_goodbye() {
    let server = ServerOptions::new(SslVersion::TLS1_3).start().await;
    for drops in [true, false] {
        let (client, served) = connect(&server, &trusting(&server)).await;
        if drops {
            drop(client);
        } else {
            client.unwrap().close().await.unwrap();
        }
        // Without close_notify this would be an error: OpenSSL 3 tells the two apart.
        assert_eq!(served.unwrap().read(&mut [0; 1]).await.unwrap(), 0, "dropped: {drops}");
    }
}

#[tokio::test(start_paused = true)]
async fn does_not_wait_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connector = Connector::new(&ConnectOptions::new()).unwrap();
    let client = connector.connect(listener.local_addr().unwrap(), "localhost").await;
    assert!(matches!(client, Err(Error::Timeout { doing: "the TLS handshake", .. })), "{client:?}");
}
