use openssl::ssl::SslVersion;
use tokbind_testing::tls::ServerOptions;
use tokbind_testing::web::{Reply, Seen, Web, reply};
use token_binding::KeyParameters;
use token_binding::sign::Signer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::Resolve;
use crate::keys::KeyStore;
use crate::tls::{ConnectOptions, Offer};

const ASK: (&str, &str) = ("Include-Referred-Token-Binding-ID", "true");

/// Answers with the path, or redirects to what follows `?`, asking for a referral if the path says so.
fn site(seen: &Seen) -> Reply {
    match seen.path.split_once('?') {
        None => reply(200, &[], &seen.path),
        Some(("/ask", target)) => reply(302, &[("Location", target), ASK], ""),
        Some((status, target)) => {
            reply(status.trim_start_matches('/').parse().unwrap(), &[("Location", target)], "")
        }
    }
}

async fn web() -> Web {
    Web::tls(ServerOptions::new(SslVersion::TLS1_3), site).await
}

/// Options for servers with made-up names.
fn options(keys: &KeyStore, servers: &[&Web]) -> ClientOptions {
    let mut connect = ConnectOptions::new().offer(Offer::v1(KeyParameters::ALL_KNOWN));
    let mut options = ClientOptions::new(keys.clone());
    for server in servers {
        if let Some(certificate) = &server.certificate {
            connect = connect.ca_certificate(certificate.clone());
        }
        for host in ["a.example", "www.a.example", "b.example"] {
            options = options.resolve(Resolve::new(host, server.address.port(), server.address));
        }
    }
    options.connect(connect)
}

async fn get(client: &mut Client, url: &str) -> Result<Fetched> {
    client.fetch(Fetch::get(url).unwrap(), &mut ()).await
}

fn id(keys: &KeyStore, host: &str) -> Option<Vec<u8>> {
    Some(keys.existing_key(host, KeyParameters::ECDSAP256).unwrap()?.token_binding_id())
}

#[tokio::test]
async fn each_request_proves_the_domains_key() {
    for (http, version) in [
        (HttpVersion::Any, SslVersion::TLS1_3),
        (HttpVersion::Http1, SslVersion::TLS1_2),
        (HttpVersion::Http1, SslVersion::TLS1_3),
        (HttpVersion::Http2, SslVersion::TLS1_2),
    ] {
        let server = Web::tls(ServerOptions::new(version), site).await;
        let keys = KeyStore::ephemeral();
        let mut client = Client::new(&options(&keys, &[&server]).http(http)).unwrap();
        for (host, path) in
            [("a.example", "/1"), ("a.example", "/2"), ("www.a.example", "/3"), ("b.example", "/4")]
        {
            let fetched = get(&mut client, &server.url(host, path)).await.unwrap();
            assert_eq!((fetched.response.status, fetched.response.text().as_str()), (200, path));
        }
        let seen = server.seen();
        let provided: Vec<_> = seen.iter().map(|seen| seen.provided.clone()).collect();
        let (a, b) = (id(&keys, "a.example"), id(&keys, "b.example"));
        assert!(a.is_some() && a != b);
        assert_eq!(provided, [a.clone(), a.clone(), a, b], "{http:?} {version:?}");
        assert!(seen.iter().all(|seen| seen.referred.is_none()));
        // One connection for each origin; on it, the same bytes.
        assert_eq!(seen.iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 0, 1, 2]);
        assert_eq!(seen[0].header("sec-token-binding"), seen[1].header("sec-token-binding"));
        assert_eq!(seen[2].server_name.as_deref(), Some("www.a.example"));
    }
}

#[tokio::test]
async fn the_server_chooses_the_key_parameters() {
    let keys = KeyStore::ephemeral();
    for key_parameters in KeyParameters::ALL_KNOWN {
        let answer = [1, 0, 1, key_parameters.0];
        let server = Web::tls(ServerOptions::new(SslVersion::TLS1_3).answer(&answer), site).await;
        get(&mut Client::new(&options(&keys, &[&server])).unwrap(), &server.url("localhost", "/"))
            .await
            .unwrap();
        let key = keys.existing_key("localhost", key_parameters).unwrap().unwrap();
        assert_eq!(server.seen()[0].provided, Some(key.token_binding_id()), "{key_parameters}");
    }
}

#[tokio::test]
async fn without_negotiation_there_is_no_header() {
    let keys = KeyStore::ephemeral();
    let mut silent = ServerOptions::new(SslVersion::TLS1_3);
    silent.answer = None;
    let silent = Web::tls(silent, site).await;
    get(&mut Client::new(&options(&keys, &[&silent])).unwrap(), &silent.url("localhost", "/")).await.unwrap();

    let plain = Web::plain(site).await;
    get(&mut Client::new(&options(&keys, &[&plain])).unwrap(), &plain.url("localhost", "/")).await.unwrap();

    let server = web().await;
    let trusting = ConnectOptions::new().ca_certificate(server.certificate.clone().unwrap());
    let unasked = ClientOptions::new(keys.clone()).connect(trusting.offer(Offer::None));
    get(&mut Client::new(&unasked).unwrap(), &server.url("localhost", "/")).await.unwrap();

    for seen in [silent.seen(), plain.seen(), server.seen()] {
        assert_eq!((seen.len(), seen[0].header("sec-token-binding")), (1, None));
    }
    assert!(keys.list().unwrap().is_empty(), "a key that is not needed is not made");
}

#[tokio::test]
async fn a_redirect_refers_when_it_asks() {
    let (server, keys) = (web().await, KeyStore::ephemeral());
    let mut client = Client::new(&options(&keys, &[&server])).unwrap();
    // a asks and redirects to b, which redirects to a without asking.
    let back = server.url("a.example", "/end");
    let over = server.url("b.example", &format!("/302?{back}"));
    let fetched = get(&mut client, &server.url("a.example", &format!("/ask?{over}"))).await.unwrap();
    assert_eq!((fetched.url.as_str(), fetched.response.status), (back.as_str(), 200));
    let (a, b) = (id(&keys, "a.example"), id(&keys, "b.example"));
    let bindings: Vec<_> = server.seen().into_iter().map(|seen| (seen.provided, seen.referred)).collect();
    assert_eq!(bindings, [(a.clone(), None), (b, a.clone()), (a, None)]);
}

#[tokio::test]
async fn a_referral_within_a_domain_has_two_bindings_of_one_key() {
    let (server, keys) = (web().await, KeyStore::ephemeral());
    let mut client = Client::new(&options(&keys, &[&server])).unwrap();
    get(&mut client, &server.url("a.example", "/ask?/end")).await.unwrap();
    let a = id(&keys, "a.example");
    let seen = server.seen();
    assert_eq!((&seen[1].provided, &seen[1].referred), (&a, &a));
    // The next request is an ordinary one again.
    get(&mut client, &server.url("a.example", "/")).await.unwrap();
    assert_eq!((&server.seen()[2].provided, &server.seen()[2].referred), (&a, &None));
}

#[tokio::test]
async fn a_referral_keeps_its_key_parameters() {
    let keys = KeyStore::ephemeral();
    let rsa = ServerOptions::new(SslVersion::TLS1_2).answer(&[1, 0, 1, 1]);
    let (consumer, provider) = (Web::tls(rsa, site).await, web().await);
    // OpenSSL can't tell two self-signed certificates of one name apart.
    let connect =
        ConnectOptions::new().offer(Offer::v1(KeyParameters::ALL_KNOWN)).accept_any_certificate(true);
    let mut client = Client::new(&options(&keys, &[&consumer, &provider]).connect(connect)).unwrap();
    let target = provider.url("b.example", "/");
    get(&mut client, &consumer.url("a.example", &format!("/ask?{target}"))).await.unwrap();
    let a = keys.existing_key("a.example", KeyParameters::RSA2048_PSS).unwrap().unwrap();
    assert_eq!(provider.seen()[0].referred, Some(a.token_binding_id()));
    assert_eq!(provider.seen()[0].provided, id(&keys, "b.example"));
}

#[tokio::test]
async fn a_detour_over_plain_http_ends_a_referral() {
    let (server, plain, keys) = (web().await, Web::plain(site).await, KeyStore::ephemeral());
    let mut client = Client::new(&options(&keys, &[&server, &plain])).unwrap();
    let end = server.url("b.example", "/end");
    let detour = plain.url("localhost", &format!("/302?{end}"));
    get(&mut client, &server.url("a.example", &format!("/ask?{detour}"))).await.unwrap();
    assert_eq!(plain.seen()[0].header("sec-token-binding"), None);
    assert_eq!(server.seen()[1].provided, id(&keys, "b.example"));
    assert_eq!(server.seen()[1].referred, None);

    // And a plain server, which no key was proved to, has nothing to refer to.
    let end = server.url("b.example", "/end");
    get(&mut client, &plain.url("localhost", &format!("/ask?{end}"))).await.unwrap();
    assert_eq!(server.seen()[2].referred, None);
}

#[tokio::test]
async fn redirects_come_to_an_end() {
    let server = web().await;
    let options = options(&KeyStore::ephemeral(), &[&server]);
    let url = server.url("localhost", "/302?/302?/end");
    let none = get(&mut Client::new(&options.clone().max_redirects(0)).unwrap(), &url).await.unwrap();
    assert_eq!((none.response.status, none.url.as_str()), (302, url.as_str()));
    let one = get(&mut Client::new(&options.clone().max_redirects(1)).unwrap(), &url).await;
    assert!(matches!(one, Err(Error::TooManyRedirects { limit: 1 })), "{one:?}");
    let two = get(&mut Client::new(&options.clone().max_redirects(2)).unwrap(), &url).await.unwrap();
    assert_eq!(two.response.text(), "/end");

    let elsewhere =
        get(&mut Client::new(&options).unwrap(), &server.url("localhost", "/302?ftp://a.example/")).await;
    assert!(matches!(elsewhere, Err(Error::Url { .. })), "{elsewhere:?}");
}

#[tokio::test]
async fn a_post_is_posted_once_and_credentials_stay_at_home() {
    let server = web().await;
    let mut client = Client::new(&options(&KeyStore::ephemeral(), &[&server])).unwrap();
    let mut fetch =
        Fetch::get(&server.url("a.example", &format!("/303?{}", server.url("b.example", "/")))).unwrap();
    fetch.method = "POST".to_owned();
    fetch.body = b"secret".to_vec();
    for (name, value) in [("Authorization", "Bearer x"), ("Content-Type", "text/plain"), ("X-Mine", "1")] {
        fetch.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }
    client.fetch(fetch, &mut ()).await.unwrap();
    let seen = server.seen();
    assert_eq!((seen[0].method.as_str(), &seen[0].body[..]), ("POST", &b"secret"[..]));
    assert_eq!(seen[0].header("authorization"), Some("Bearer x"));
    assert_eq!((seen[1].method.as_str(), &seen[1].body[..]), ("GET", &b""[..]));
    assert_eq!((seen[1].header("authorization"), seen[1].header("content-type")), (None, None));
    assert_eq!(seen[1].header("x-mine"), Some("1"));
}

#[tokio::test]
async fn cookies_come_back() {
    let handler = |seen: &Seen| {
        if seen.path == "/" {
            reply(302, &[("Location", "/in"), ("Set-Cookie", "session=1")], "")
        } else {
            site(seen)
        }
    };
    let server = Web::tls(ServerOptions::new(SslVersion::TLS1_3), handler).await;
    let mut client = Client::new(&options(&KeyStore::ephemeral(), &[&server])).unwrap();
    get(&mut client, &server.url("a.example", "/")).await.unwrap();
    get(&mut client, &server.url("b.example", "/x")).await.unwrap();
    let cookies: Vec<_> = server.seen().iter().map(|seen| seen.header("cookie").map(str::to_owned)).collect();
    assert_eq!(cookies, [None, Some("session=1".to_owned()), None]);
}

#[tokio::test]
async fn a_header_of_ones_own_is_sent_as_it_is() {
    let (server, keys) = (web().await, KeyStore::ephemeral());
    let mut client = Client::new(&options(&keys, &[&server])).unwrap();
    let mut fetch = Fetch::get(&server.url("localhost", "/")).unwrap();
    fetch.headers.push(("sec-token-binding".to_owned(), b"mine".to_vec()));
    fetch.headers.push(("HOST".to_owned(), b"other.example".to_vec()));
    client.fetch(fetch, &mut ()).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.headers.get_all("sec-token-binding").iter().collect::<Vec<_>>(), ["mine"]);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut tcp, _) = listener.accept().await.unwrap();
            assert!(tcp.read(&mut [0; 1024]).await.unwrap() > 0);
            tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx").await.unwrap();
        }
        listener
    });
    let mut client = Client::new(&ClientOptions::new(KeyStore::ephemeral())).unwrap();
    assert_eq!(get(&mut client, &url).await.unwrap().response.text(), "x");
    assert_eq!(get(&mut client, &url).await.unwrap().response.text(), "x");

    // What changes something is not sent twice.
    let _listener = server.await.unwrap();
    let post = Fetch { method: "POST".to_owned(), ..Fetch::get(&url).unwrap() };
    let error = client.fetch(post, &mut ()).await.unwrap_err();
    assert!(error.to_string().starts_with(url.trim_end_matches('/')), "{error}");
}

#[tokio::test]
async fn errors_name_the_server_and_the_cause() {
    let server = web().await;
    let url = server.url("localhost", "/");
    let mut distrustful = Client::new(&ClientOptions::new(KeyStore::ephemeral())).unwrap();
    let error = get(&mut distrustful, &url).await.unwrap_err().to_string();
    let origin = url.trim_end_matches('/');
    assert_eq!(error, format!("{origin}: TLS handshake: certificate verify failed: self-signed certificate"));

    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = get(&mut distrustful, &format!("https://{free}/")).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("https://{free}: connecting: ")), "{error}");

    let mut old = ServerOptions::new(SslVersion::TLS1_2);
    old.alpn = Some(b"\x08http/1.1");
    let old = Web::tls(old, site).await;
    let options = options(&KeyStore::ephemeral(), &[&old]).http(HttpVersion::Http2);
    let error = get(&mut Client::new(&options).unwrap(), &old.url("localhost", "/")).await.unwrap_err();
    let Error::At { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(**source, Error::NoHttp2 | Error::Handshake(_)), "{error}");

    let wrong = get(&mut Client::new(&options).unwrap(), &old.url("[::1]", "/")).await.unwrap_err();
    assert!(wrong.to_string().starts_with("https://[::1]:"), "{wrong}");
}

#[test]
fn only_the_web_can_be_fetched() {
    for (url, problem) in [
        ("ftp://a.example/", "only https and http"),
        ("file:///etc/passwd", "only https and http"),
        ("a.example", "write https://a.example"),
        ("https://", "empty host"),
        ("https://me:pw@a.example/", "it has a user name or password"),
    ] {
        let error = Fetch::get(url).unwrap_err().to_string();
        assert!(error.contains(problem) && !error.contains("pw"), "{error}");
    }
}

#[tokio::test]
async fn a_resumed_session_is_bound_anew() {
    #[derive(Default)]
    struct Seer(Vec<(bool, bool)>);
    impl Trace for Seer {
        fn sending(&mut self, sent: &Sent<'_>) {
            self.0.push((sent.reused, sent.tls.unwrap().session_reused));
        }
    }
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let closes = |_: &Seen| reply(200, &[("Connection", "close")], "");
        let server = Web::tls(ServerOptions::new(version), closes).await;
        let keys = KeyStore::ephemeral();
        let mut client = Client::new(&options(&keys, &[&server]).http(HttpVersion::Http1)).unwrap();
        let mut seer = Seer::default();
        for _ in 0..3 {
            let fetch = Fetch::get(&server.url("a.example", "/")).unwrap();
            client.fetch(fetch, &mut seer).await.unwrap();
        }
        assert_eq!(seer.0, [(false, false), (false, true), (false, true)], "{version:?}");
        let seen = server.seen();
        assert!(seen.iter().all(|seen| seen.provided == id(&keys, "a.example")));
        assert_ne!(seen[0].header("sec-token-binding"), seen[1].header("sec-token-binding"));
    }
}

#[tokio::test]
async fn a_trace_sees_what_is_sent() {
    #[derive(Default)]
    struct Seer(Vec<String>);
    impl Trace for Seer {
        fn sending(&mut self, sent: &Sent<'_>) {
            let tls = sent.tls.map(|tls| tls.negotiated.is_some());
            let keys = (sent.provided.is_some(), sent.referred.is_some());
            self.0.push(format!("{} {} {tls:?} {} {keys:?}", sent.http, sent.url.path(), sent.reused));
        }
        fn received(&mut self, url: &Url, response: &Response, _: u64) {
            self.0.push(format!("{} {}", url.path(), response.status));
        }
    }
    let server = web().await;
    let mut client = Client::new(&options(&KeyStore::ephemeral(), &[&server])).unwrap();
    let mut seer = Seer::default();
    client.fetch(Fetch::get(&server.url("a.example", "/ask?/end")).unwrap(), &mut seer).await.unwrap();
    assert_eq!(
        seer.0,
        [
            "HTTP/2 /ask Some(true) false (true, false)",
            "/ask 302",
            "HTTP/2 /end Some(true) true (true, true)",
            "/end 200"
        ]
    );
}
