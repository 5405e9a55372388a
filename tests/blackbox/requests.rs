//! The table of requests and statuses, on HTTP/1.1: what is accepted, what is refused, what the application sees.

use tokbind::tls::{Connector, Offer};
use tokbind::{Ekm, KeyParameters, Request, TokenBindingType, binding};
use token_binding::sign::{MessageBuilder, Signer as _};

use httpd_harness::client::{connect, http1, options, unbound};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Mpm, Setup, VirtualHost, Visitor, shown};

const PROVIDED: &str = "Sec_Provided_Token_Binding_ID";
const REFERRED: &str = "Sec_Referred_Token_Binding_ID";
const OTHER: &str = "Sec_Other_Token_Binding_ID";
const CONTEXT: &str = "Sec_Token_Binding_Context";
const PROVIDED_HEADER: &str = "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID";

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    token_binding::header::encode(bytes.as_ref())
}

/// A message of one provided binding, changed by `change` after it was made.
fn altered(visitor: &Visitor, ekm: &Ekm, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut message = token_binding::header::decode(visitor.header(ekm).as_bytes()).unwrap();
    change(&mut message);
    base64url(message)
}

#[tokio::test]
async fn each_kind_of_key_is_verified_and_handed_over() {
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let server = Setup { mpm, ..Setup::default() }.start();
        for key_parameters in KeyParameters::ALL_KNOWN {
            let visitor = Visitor::with(key_parameters);
            let connection = connect(&server, &options().offer(Offer::v1([key_parameters]))).await;
            assert_eq!(connection.negotiated().unwrap().key_parameters, key_parameters);
            let ekm = connection.ekm().unwrap();
            let mut http = tokbind::http1::Http1::new(connection);
            let response = http.request(&visitor.get(&ekm, "/env.cgi")).await.unwrap();
            assert_eq!(response.status, 200);
            let page = response.text();
            assert_eq!(shown(&page, PROVIDED), Some(visitor.id().as_str()), "{key_parameters}");
            assert_eq!(shown(&page, PROVIDED_HEADER), Some(visitor.id().as_str()));
            assert_eq!(shown(&page, REFERRED), None);
            assert_eq!(shown(&page, OTHER), None);
            assert_eq!(shown(&page, CONTEXT), None);
            assert_eq!(shown(&page, "HTTP_SEC_TOKEN_BINDING"), None, "the message stays in the module");
        }
    }
}

#[tokio::test]
async fn a_connection_without_token_binding_is_served_and_nothing_is_set() {
    let server = Httpd::start();
    let mut http = tokbind::http1::Http1::new(connect(&server, &unbound()).await);
    let response = http.request(&Request::get(HOST, "/env.cgi")).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(!response.text().to_uppercase().contains("TOKEN_BINDING"), "{}", response.text());
}

/// A message captured on connection A is refused on connection B: right after A's was accepted by the same process, with
/// A still open, and when A is gone.
#[tokio::test]
async fn a_message_of_another_connection_is_refused() {
    for mpm in [Mpm::Event, Mpm::Prefork] {
        let server = Setup { mpm, ..Setup::default() }.start();
        let victim = Visitor::new();
        let mut a = http1(&server).await;
        let stolen = victim.header(&a.get_ref().ekm().unwrap());
        let with_stolen = || Request::get(HOST, "/env.cgi").header(binding::SEC_TOKEN_BINDING, &stolen);
        assert_eq!(a.request(&with_stolen()).await.unwrap().status, 200);
        for _ in 0..2 {
            let mut b = http1(&server).await;
            assert_eq!(b.request(&with_stolen()).await.unwrap().status, 400);
        }
        assert_eq!(a.request(&with_stolen()).await.unwrap().status, 200, "A is not disturbed");
        drop(a);
        let mut c = http1(&server).await;
        assert_eq!(c.request(&with_stolen()).await.unwrap().status, 400);
        assert!(server.line("TB105").contains("signature"), "{}", server.line("TB105"));
    }
}

/// The C module accepted a replayed message even with other key parameters negotiated.
#[tokio::test]
async fn a_replayed_message_with_other_key_parameters_negotiated_is_refused() {
    let server = Httpd::start();
    let victim = Visitor::new();
    let mut a = http1(&server).await;
    let stolen = victim.header(&a.get_ref().ekm().unwrap());
    let with_stolen = Request::get(HOST, "/page.html").header(binding::SEC_TOKEN_BINDING, &stolen);
    assert_eq!(a.request(&with_stolen).await.unwrap().status, 200);
    let offer = Offer::v1([KeyParameters::RSA2048_PSS]);
    let mut b = tokbind::http1::Http1::new(connect(&server, &options().offer(offer)).await);
    assert_eq!(b.request(&with_stolen).await.unwrap().status, 400);
}

/// What one message can have wrong with it, and what the log says of it.
fn wrong_messages(ekm: &Ekm) -> Vec<(&'static str, String, &'static str)> {
    let visitor = Visitor::new();
    let second = Visitor::new();
    let id = visitor.key.token_binding_id();
    let build = |add: &dyn Fn(&mut MessageBuilder)| {
        let mut message = MessageBuilder::new();
        add(&mut message);
        message.finish_header()
    };
    let provided = |message: &mut MessageBuilder, visitor: &Visitor| {
        message.add(TokenBindingType::PROVIDED, &visitor.key, ekm).unwrap();
    };
    let referred = |message: &mut MessageBuilder, visitor: &Visitor| {
        message.add(TokenBindingType::REFERRED, &visitor.key, ekm).unwrap();
    };
    vec![
        ("not base64url", "*".repeat(100), "base64url"),
        ("padded base64", visitor.header(ekm) + "=", "base64url"),
        ("empty", String::new(), ""),
        ("longer than 16 KiB", "A".repeat(16 * 1024 + 1), "16384"),
        ("one bit of the signature", altered(&visitor, ekm, |m| m[100] ^= 1), "signature"),
        (
            "an invented signature",
            build(&|m| {
                m.add_raw(TokenBindingType::PROVIDED, &id, &[7; 64], &[]).unwrap();
            }),
            "signature",
        ),
        ("another connection's EKM", visitor.header(&Ekm::new([1; 32])), "signature"),
        ("trailing bytes", altered(&visitor, ekm, |m| m.push(0)), ""),
        ("cut short", altered(&visitor, ekm, |m| m.truncate(60)), ""),
        ("other key parameters", Visitor::with(KeyParameters::RSA2048_PSS).header(ekm), "rsa2048_pss"),
        (
            "two provided",
            build(&|m| {
                provided(m, &visitor);
                provided(m, &second);
            }),
            "more than one provided",
        ),
        ("referred only", build(&|m| referred(m, &visitor)), "no provided"),
        (
            "two referred",
            build(&|m| {
                provided(m, &visitor);
                referred(m, &visitor);
                referred(m, &second);
            }),
            "more than one referred",
        ),
        (
            "a bad referred signature",
            build(&|m| {
                provided(m, &visitor);
                m.add_raw(TokenBindingType::REFERRED, &second.key.token_binding_id(), &[7; 64], &[]).unwrap();
            }),
            "signature",
        ),
        (
            "malformed extensions",
            build(&|m| {
                let header = token_binding::header::decode(visitor.header(ekm).as_bytes()).unwrap();
                let signature = &header[2 + 1 + id.len() + 2..][..64];
                m.add_raw(TokenBindingType::PROVIDED, &id, signature, &[1]).unwrap();
            }),
            "",
        ),
    ]
}

#[tokio::test]
async fn a_wrong_message_is_refused_with_one_line_in_the_log() {
    // httpd's own limit on a header is lower than the module's.
    let server = Setup::with("LimitRequestFieldSize 20000").start();
    let probe = http1(&server).await.get_ref().ekm().unwrap();
    for number in 0..wrong_messages(&probe).len() {
        let mut http = http1(&server).await;
        let ekm = http.get_ref().ekm().unwrap();
        let (what, header, words) = wrong_messages(&ekm).swap_remove(number);
        let before = server.lines("TB105").len();
        let request = Request::get(HOST, "/env.cgi").header(binding::SEC_TOKEN_BINDING, &header);
        assert_eq!(http.request(&request).await.unwrap().status, 400, "{what}");
        assert!(server.wait_for(|server| server.lines("TB105").len() > before), "{what}: not logged");
        let lines = server.lines("TB105");
        assert_eq!(lines.len(), before + 1, "{what}: one line\n{}", lines.join("\n"));
        let line = lines.last().unwrap();
        assert!(line.contains("[token_binding:info]") && line.contains(words), "{what}: {line}");
        assert!(header.len() < 20 || !line.contains(&header[..20]), "{what}: the header is in the log");
    }
}

#[tokio::test]
async fn lenient_serves_a_wrong_message_unbound() {
    let server = Setup::with("TokenBindingStrict Off\nLimitRequestFieldSize 20000").start();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    for (what, header, _) in wrong_messages(&ekm) {
        let request = Request::get(HOST, "/env.cgi").header(binding::SEC_TOKEN_BINDING, header);
        let response = http.request(&request).await.unwrap();
        assert_eq!(response.status, 200, "{what}");
        assert!(!response.text().to_uppercase().contains("TOKEN_BINDING"), "{what}: {}", response.text());
    }
    // The same connection is not spoiled.
    let visitor = Visitor::new();
    let page = http.request(&visitor.get(&ekm, "/env.cgi")).await.unwrap().text();
    assert_eq!(shown(&page, PROVIDED), Some(visitor.id().as_str()));
}

#[tokio::test]
async fn a_missing_header_is_400_or_lenient_unbound() {
    for (directives, status) in [("", 400), ("TokenBindingStrict Off", 200)] {
        let server = Setup::with(directives).start();
        let mut http = http1(&server).await;
        let response = http.request(&Request::get(HOST, "/env.cgi")).await.unwrap();
        assert_eq!(response.status, status);
        assert!(!response.text().to_uppercase().contains("TOKEN_BINDING"));
        server.line("TB102");
    }
}

#[tokio::test]
async fn a_header_where_nothing_was_negotiated_is_400_or_lenient_unbound() {
    for (directives, status) in [("", 400), ("TokenBindingStrict Off", 200)] {
        let server = Setup::with(directives).start();
        let connection = connect(&server, &unbound()).await;
        let ekm = connection.ekm().unwrap();
        let mut http = tokbind::http1::Http1::new(connection);
        let response = http.request(&Visitor::new().get(&ekm, "/env.cgi")).await.unwrap();
        assert_eq!(response.status, status);
        assert!(!response.text().to_uppercase().contains("TOKEN_BINDING"));
        server.line("TB103");
    }
}

#[tokio::test]
async fn a_header_on_plain_http_is_400() {
    let plain = VirtualHost::plain(HOST, "");
    let server = Setup { virtual_hosts: vec![plain], ..Setup::default() }.start();
    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let mut http = tokbind::http1::Http1::over(stream);
    assert_eq!(http.request(&Request::get(HOST, "/page.html")).await.unwrap().status, 200);
    let request = Request::get(HOST, "/page.html")
        .header(binding::SEC_TOKEN_BINDING, Visitor::new().header(&Ekm::new([0; 32])));
    assert_eq!(http.request(&request).await.unwrap().status, 400);
}

#[tokio::test]
async fn two_headers_are_400_even_when_lenient() {
    for directives in ["", "TokenBindingStrict Off"] {
        let server = Setup::with(directives).start();
        for offer in [Offer::v1(KeyParameters::ALL_KNOWN), Offer::None] {
            for second in ["the same", "", "x"] {
                let connection = connect(&server, &options().offer(offer.clone())).await;
                let ekm = connection.ekm().unwrap();
                let mut http = tokbind::http1::Http1::new(connection);
                let header = Visitor::new().header(&ekm);
                let second = if second == "the same" { &header } else { second };
                let request = Request::get(HOST, "/page.html")
                    .header(binding::SEC_TOKEN_BINDING, &header)
                    .header("sec-token-binding", second);
                let response = http.request(&request).await.unwrap();
                assert_eq!(response.status, 400, "second header {second:?}");
            }
            server.line("TB101");
        }
    }
}

#[tokio::test]
async fn referred_and_other_bindings_are_handed_over() {
    let server = Httpd::start();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let (visitor, referred) = (Visitor::new(), Visitor::with(KeyParameters::RSA2048_PSS));
    let (seven, eight) = (Visitor::new(), Visitor::with(KeyParameters::RSA2048_PKCS1_5));
    let mut message = MessageBuilder::new();
    message.add(TokenBindingType(7), &seven.key, &ekm).unwrap();
    message.add(TokenBindingType::REFERRED, &referred.key, &ekm).unwrap();
    message.add(TokenBindingType::PROVIDED, &visitor.key, &ekm).unwrap();
    message.add(TokenBindingType(8), &eight.key, &ekm).unwrap();
    // Of unknown type with a signature that is none: not offered to the application, and no reason to refuse.
    message.add_raw(TokenBindingType(9), &visitor.key.token_binding_id(), &[7; 64], &[]).unwrap();
    let request = Request::get(HOST, "/env.cgi").header(binding::SEC_TOKEN_BINDING, message.finish_header());
    let page = http.request(&request).await.unwrap().text();
    assert_eq!(shown(&page, PROVIDED), Some(visitor.id().as_str()));
    assert_eq!(shown(&page, REFERRED), Some(referred.id().as_str()));
    let other = format!("{}.{},{}.{}", base64url([7]), seven.id(), base64url([8]), eight.id());
    assert_eq!(shown(&page, OTHER), Some(other.as_str()));
    assert_eq!(shown(&page, "HTTP_SEC_OTHER_TOKEN_BINDING_ID"), Some(other.as_str()));
}

#[tokio::test]
async fn a_referred_binding_with_unknown_key_parameters_is_left_out() {
    let server = Httpd::start();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let visitor = Visitor::new();
    let mut message = MessageBuilder::new();
    message.add(TokenBindingType::PROVIDED, &visitor.key, &ekm).unwrap();
    message.add_raw(TokenBindingType::REFERRED, &[88, 0, 3, 1, 2, 3], &[4; 64], &[]).unwrap();
    let request = Request::get(HOST, "/env.cgi").header(binding::SEC_TOKEN_BINDING, message.finish_header());
    let page = http.request(&request).await.unwrap().text();
    assert_eq!(shown(&page, PROVIDED), Some(visitor.id().as_str()));
    assert_eq!(shown(&page, REFERRED), None);
}

#[tokio::test]
async fn one_key_on_many_connections_is_one_id_and_many_requests_are_served_on_each() {
    let server = Httpd::start();
    let visitor = Visitor::new();
    let connector = Connector::new(&options()).unwrap();
    for _ in 0..3 {
        let mut http = tokbind::http1::Http1::new(connector.connect(server.address(), HOST).await.unwrap());
        let ekm = http.get_ref().ekm().unwrap();
        let request = visitor.get(&ekm, "/env.cgi");
        for _ in 0..5 {
            let page = http.request(&request).await.unwrap().text();
            assert_eq!(shown(&page, PROVIDED), Some(visitor.id().as_str()));
        }
    }
}

/// More keys on one connection than the module remembers: each is verified, none is taken for another.
#[tokio::test]
async fn many_keys_on_one_connection_are_kept_apart() {
    let server = Httpd::start();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let visitors: Vec<Visitor> = (0..7).map(|_| Visitor::new()).collect();
    for _ in 0..2 {
        for visitor in &visitors {
            let page = http.request(&visitor.get(&ekm, "/env.cgi")).await.unwrap().text();
            assert_eq!(shown(&page, PROVIDED), Some(visitor.id().as_str()));
        }
    }
}
