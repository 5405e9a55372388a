//! The TLS extension: who is answered, with what, and where.

use openssl::ssl::SslVersion;
use tokbind::http1::Http1;
use tokbind::tls::{Connector, Location, Offer, ServerName};
use tokbind::{KeyParameters, ProtocolVersion, Request};

use httpd_harness::client::{BROWSER, connect, options};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Mpm, Setup, VirtualHost, Visitor, shown};

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

fn version(text: &str) -> ProtocolVersion {
    text.parse().unwrap()
}

/// What the server answers to an offer: version and key parameters, or nothing.
async fn answer(
    server: &Httpd,
    offered: &str,
    key_parameters: &[KeyParameters],
) -> Option<(String, KeyParameters)> {
    let offer = Offer::Parameters { version: version(offered), key_parameters: key_parameters.to_vec() };
    // What was answered matters, also if this client does not speak it.
    let connection = connect(server, &options().offer(offer).lenient(true)).await;
    let body = connection.answer()?.body;
    let [major, minor, 1, parameters] = body[..] else { panic!("answer {body:?}") };
    Some((ProtocolVersion { major, minor }.to_string(), KeyParameters(parameters)))
}

#[tokio::test]
async fn the_answer_is_in_its_place_on_each_tls_version() {
    let server = Httpd::start();
    for (tls, location) in [
        (SslVersion::TLS1_2, Location::Tls12ServerHello),
        (SslVersion::TLS1_3, Location::EncryptedExtensions),
    ] {
        let connection = connect(&server, &options().tls_version(tls)).await;
        assert_eq!(connection.version(), tls);
        let answer = connection.answer().unwrap();
        assert_eq!((answer.location, answer.body), (location, vec![1, 0, 1, 2]));
        let visitor = Visitor::new();
        let ekm = connection.ekm().unwrap();
        let page = Http1::new(connection).request(&visitor.get(&ekm, "/env.cgi")).await.unwrap().text();
        assert_eq!(shown(&page, "Sec_Provided_Token_Binding_ID"), Some(visitor.id().as_str()));
    }
}

#[tokio::test]
async fn the_version_is_the_lower_of_the_two() {
    let server = Httpd::start();
    let ecdsa = &[KeyParameters::ECDSAP256];
    for (offered, answered) in [
        ("1.0", "1.0"),
        ("1.1", "1.0"),
        ("2.0", "1.0"),
        ("255.255", "1.0"),
        ("0.13", "0.13"),
        ("0.16", "0.16"),
    ] {
        let answer = answer(&server, offered, ecdsa).await.unwrap();
        assert_eq!(answer, (answered.to_owned(), KeyParameters::ECDSAP256), "offered {offered}");
    }
    for offered in ["0.12", "0.10", "0.0"] {
        assert_eq!(answer(&server, offered, ecdsa).await, None, "offered {offered}");
    }
}

#[tokio::test]
async fn the_oldest_version_is_configurable() {
    let server = Setup::with("TokenBindingMinVersion 1.0").start();
    let ecdsa = &[KeyParameters::ECDSAP256];
    assert_eq!(answer(&server, "0.18", ecdsa).await, None);
    assert!(answer(&server, "1.0", ecdsa).await.is_some());
}

#[tokio::test]
async fn the_servers_preference_decides_among_what_the_client_offers() {
    use KeyParameters as K;
    let server = Httpd::start();
    let all = [K::RSA2048_PKCS1_5, K::RSA2048_PSS, K::ECDSAP256];
    assert_eq!(answer(&server, "1.0", &all).await.unwrap().1, K::ECDSAP256);
    assert_eq!(answer(&server, "1.0", &all[..2]).await.unwrap().1, K::RSA2048_PSS);
    assert_eq!(answer(&server, "1.0", &[KeyParameters(200), all[0]]).await.unwrap().1, K::RSA2048_PKCS1_5);
    assert_eq!(answer(&server, "1.0", &[KeyParameters(200)]).await, None);

    let server = Setup::with("TokenBindingKeyParameters rsa2048_pkcs1.5 ecdsap256").start();
    assert_eq!(answer(&server, "1.0", &all).await.unwrap().1, K::RSA2048_PKCS1_5);
    assert_eq!(answer(&server, "1.0", &[K::RSA2048_PSS]).await, None);
}

#[tokio::test]
async fn a_malformed_body_is_a_fatal_decode_error() {
    const DECODE_ERROR: u8 = 50;
    let server = Httpd::start();
    let bodies: [&[u8]; 7] =
        [&[], &[1], &[1, 0], &[1, 0, 0], &[1, 0, 2, 2], &[1, 0, 1, 2, 2], &[1, 0, 255, 2]];
    for tls in VERSIONS {
        for body in bodies {
            let options = options().tls_version(tls).offer(Offer::Raw(body.to_vec()));
            let refused =
                Connector::new(&options).unwrap().connect(server.address(), HOST).await.unwrap_err();
            assert_eq!(refused.alert_received(), Some(DECODE_ERROR), "{body:?}: {refused}");
        }
    }
    assert!(server.line("TB201").contains("[token_binding:info]"));
    // The next connection is none the worse.
    assert!(connect(&server, &options()).await.negotiated().is_some());
}

#[tokio::test]
async fn without_extended_master_secret_tls_1_2_is_not_answered() {
    let server = Httpd::start();
    let connection =
        connect(&server, &options().tls_version(SslVersion::TLS1_2).extended_master_secret(false)).await;
    assert!(!connection.extended_master_secret());
    assert_eq!(connection.answer(), None);
    let page = Http1::new(connection).request(&Request::get(HOST, "/page.html")).await.unwrap();
    assert_eq!(page.status, 200, "the connection goes on without Token Binding");
    assert!(server.line("TB202").contains("Extended Master Secret"));
}

#[tokio::test]
async fn a_server_without_extended_master_secret_is_not_answering() {
    let server = Setup::with("SSLOpenSSLConfCmd Options -ExtendedMasterSecret\nSSLProtocol TLSv1.2").start();
    let connection = connect(&server, &options()).await;
    assert!(!connection.extended_master_secret());
    assert_eq!(connection.answer(), None);
}

#[tokio::test]
async fn a_raw_client_hello_is_answered_only_with_ems_and_renegotiation_indication() {
    use tokbind::probe::{ClientHello, EXTENDED_MASTER_SECRET, RENEGOTIATION_INFO, probe};
    let server = Httpd::start();
    for (ems, renegotiation_info, scsv) in [
        (true, true, false),
        (true, false, true),
        (true, false, false),
        (false, true, true),
        (false, false, false),
    ] {
        let mut hello = ClientHello::tls12().unwrap().server_name(HOST).unwrap().token_binding(&[1, 0, 1, 2]);
        if !ems {
            hello = hello.without(EXTENDED_MASTER_SECRET);
        }
        if !renegotiation_info {
            hello = hello.without(RENEGOTIATION_INFO);
        }
        if scsv {
            hello = hello.scsv();
        }
        let reply = probe(server.address(), &hello).await.unwrap();
        let answer = reply.server_hello().expect("the handshake goes on").token_binding();
        let expected = (ems && (renegotiation_info || scsv)).then_some(&[1, 0, 1, 2][..]);
        assert_eq!(answer, expected, "EMS {ems}, renegotiation_info {renegotiation_info}, SCSV {scsv}");
    }
}

#[tokio::test]
async fn an_extension_that_stands_twice_ends_the_handshake() {
    use tokbind::probe::{ClientHello, Reply, probe};
    const FATAL: u8 = 2;
    let server = Httpd::start();
    let hello = ClientHello::tls12().unwrap().token_binding(&[1, 0, 1, 2]).extension(24, [1, 0, 1, 2]);
    let reply = probe(server.address(), &hello).await.unwrap();
    assert!(matches!(reply, Reply::Alert(alert) if alert.level == FATAL), "not refused");
}

/// Resumed with a ticket or an id: negotiated anew, with an EKM of its own.
#[tokio::test]
async fn resumed_sessions_negotiate_anew() {
    for mpm in [Mpm::Event, Mpm::Prefork] {
        for (tls, tickets) in
            [(SslVersion::TLS1_2, true), (SslVersion::TLS1_2, false), (SslVersion::TLS1_3, true)]
        {
            let server = Setup {
                mpm,
                virtual_hosts: vec![VirtualHost::tls(
                    HOST,
                    if tickets { "" } else { "SSLSessionTickets Off" },
                )],
                ..Setup::default()
            }
            .start();
            let visitor = Visitor::new();
            let connector = Connector::new(&options().tls_version(tls).session_tickets(tickets)).unwrap();
            let full = connector.connect(server.address(), HOST).await.unwrap();
            let first = full.ekm().unwrap();
            let mut http = Http1::new(full);
            assert_eq!(http.request(&visitor.get(&first, "/page.html")).await.unwrap().status, 200);
            let session = http.get_ref().session();
            drop(http);
            for offer in [Offer::v1([KeyParameters::ECDSAP256]), Offer::None, Offer::default()] {
                let connector = connector.with_offer(offer.clone());
                let resumed = connector.resume(server.address(), HOST, &session).await.unwrap();
                assert!(resumed.session_reused(), "{tls:?}, tickets {tickets}");
                assert_eq!(resumed.negotiated().is_some(), offer != Offer::None);
                let ekm = resumed.ekm().unwrap();
                assert_ne!(ekm.as_bytes(), first.as_bytes());
                let mut http = Http1::new(resumed);
                if offer == Offer::None {
                    assert_eq!(http.request(&Request::get(HOST, "/page.html")).await.unwrap().status, 200);
                    continue;
                }
                let page = http.request(&visitor.get(&ekm, "/env.cgi")).await.unwrap().text();
                assert_eq!(shown(&page, "Sec_Provided_Token_Binding_ID"), Some(visitor.id().as_str()));
                assert_eq!(http.request(&visitor.get(&first, "/page.html")).await.unwrap().status, 400);
            }
        }
    }
}

/// Virtual hosts on one address, told apart by SNI: each has its own settings, whichever comes first.
#[tokio::test]
async fn virtual_hosts_have_settings_of_their_own() {
    for first_is_on in [true, false] {
        let mut hosts = vec![
            VirtualHost::tls(HOST, "TokenBindingKeyParameters rsa2048_pss ecdsap256"),
            VirtualHost::tls("www.plain.test", "TokenBindingEnabled Off"),
            VirtualHost::tls("other.bound.test", "TokenBindingMinVersion 1.0"),
        ];
        if !first_is_on {
            hosts.swap(0, 1);
        }
        let server = Setup { virtual_hosts: hosts, ..Setup::default() }.start();
        for tls in VERSIONS {
            let at = async |name: ServerName, offered: ProtocolVersion| {
                let offer =
                    Offer::Parameters { version: offered, key_parameters: KeyParameters::ALL_KNOWN.to_vec() };
                let options = options().tls_version(tls).server_name(name).offer(offer);
                connect(&server, &options).await.negotiated().map(|negotiated| negotiated.key_parameters)
            };
            let named = |name: &str| ServerName::Other(name.into());
            assert_eq!(at(named(HOST), BROWSER).await, Some(KeyParameters::RSA2048_PSS));
            assert_eq!(at(named("www.plain.test"), BROWSER).await, None);
            assert_eq!(at(named("other.bound.test"), BROWSER).await, None);
            assert_eq!(
                at(named("other.bound.test"), ProtocolVersion::V1_0).await,
                Some(KeyParameters::ECDSAP256)
            );
            let without_sni = if first_is_on { Some(KeyParameters::RSA2048_PSS) } else { None };
            assert_eq!(at(ServerName::None, BROWSER).await, without_sni);
        }
    }
}

/// A malformed body is nobody's business where Token Binding is off.
#[tokio::test]
async fn a_disabled_virtual_host_ignores_the_extension() {
    let server = Setup::with("TokenBindingEnabled Off").start();
    for tls in VERSIONS {
        let connection = connect(&server, &options().tls_version(tls).offer(Offer::Raw(vec![1]))).await;
        assert_eq!(connection.answer(), None);
    }
}
