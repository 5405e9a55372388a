//! `tokbind get`, against servers of this process.

use std::fs;

use openssl::ssl::SslVersion;
use tokbind::KeyParameters;
use tokbind::keys::KeyStore;
use tokbind_testing::tls::{self, ServerOptions};
use tokbind_testing::web::{Reply, Seen, Web, reply};
use token_binding::header::encode;
use token_binding::sign::Signer;

use crate::support::{self, Said, User};

const EC: KeyParameters = KeyParameters::ECDSAP256;

/// Answers with the request, or redirects to what follows `?` and asks for a referral.
fn site(seen: &Seen) -> Reply {
    const ASK: (&str, &str) = ("Include-Referred-Token-Binding-ID", "true");
    match seen.path.split_once('?') {
        Some((_, target)) => reply(302, &[("Location", target), ASK, ("Set-Cookie", "session=s3cret")], ""),
        None if seen.path == "/missing" => reply(404, &[], "nothing here"),
        None => reply(200, &[("X-Page", "1")], &format!("{} {}\n", seen.method, seen.path)),
    }
}

async fn web(version: SslVersion) -> Web {
    Web::tls(ServerOptions::new(version), site).await
}

/// A user whose command trusts the server and finds `a.example` and `b.example` there.
struct Visitor {
    user: User,
    common: Vec<String>,
}

impl Visitor {
    fn of(server: &Web) -> Self {
        let user = User::new();
        let mut common = vec!["get".to_owned()];
        if let Some(certificate) = &server.certificate {
            fs::write(user.home().join("ca.pem"), certificate.to_pem().unwrap()).unwrap();
            common.extend(["--cacert", "ca.pem"].map(str::to_owned));
        }
        for host in ["a.example", "b.example"] {
            common.push(format!("--resolve={host}:{}:127.0.0.1", server.address.port()));
        }
        Visitor { user, common }
    }

    /// Runs `tokbind get` beside the server.
    async fn get(&self, args: &[&str]) -> Said {
        let mut command = self.user.command(&[]);
        command.args(&self.common).args(args);
        tokio::task::spawn_blocking(move || support::said(&mut command)).await.unwrap()
    }

    fn id(&self, host: &str) -> String {
        let store = KeyStore::open(Some(self.user.keys())).unwrap();
        encode(&store.existing_key(host, EC).unwrap().unwrap().token_binding_id())
    }
}

#[tokio::test]
async fn a_page_is_fetched_with_the_same_key_each_time() {
    for (tls, http, version) in [("1.2", "1.1", SslVersion::TLS1_2), ("1.3", "2", SslVersion::TLS1_3)] {
        let server = web(version).await;
        let visitor = Visitor::of(&server);
        let url = server.url("a.example", "/page");
        for _ in 0..2 {
            let said = visitor.get(&["--tls", tls, "--http", http, &url]).await.exited(0);
            assert_eq!((said.out.as_str(), said.err.as_str()), ("GET /page\n", ""));
        }
        let seen = server.seen();
        assert!(seen[0].provided.is_some() && seen[0].provided == seen[1].provided);
        assert_eq!(encode(seen[0].provided.as_ref().unwrap()), visitor.id("a.example"));

        visitor.get(&["--ephemeral", &url]).await.exited(0);
        let stranger = server.seen()[2].provided.clone();
        assert!(stranger.is_some() && stranger != seen[0].provided);
    }
}

#[tokio::test]
async fn verbose_tells_all_but_secrets() {
    let server = web(SslVersion::TLS1_2).await;
    let visitor = Visitor::of(&server);
    let (end, start) = (server.url("b.example", "/end"), server.url("a.example", "/"));
    let start = format!("{start}?{end}");
    let args = ["-v", "--http", "1.1", "--cookie-jar", "jar", "-H", "Authorization: Bearer t0ken", &start];
    let said = visitor.get(&args).await.exited(0);
    let (a, b) = (visitor.id("a.example"), visitor.id("b.example"));
    for expected in [
        ": TLS 1.2, ",
        ", new session, HTTP/1.1",
        "* Extended Master Secret: yes",
        "* Token Binding: version 1.0, ecdsap256",
        &format!("* provided Token Binding ID, ecdsap256: {a} (tbh "),
        &format!("* provided Token Binding ID, ecdsap256: {b} (tbh "),
        &format!("* referred Token Binding ID, ecdsap256: {a} (tbh "),
        "> GET /end HTTP/1.1",
        "> Sec-Token-Binding: A",
        "> Authorization: [12 bytes, not shown]",
        "< 302 Found",
        "< set-cookie: [14 bytes, not shown]",
        "< 200 OK",
    ] {
        assert!(said.err.contains(expected), "{expected}: {}", said.err);
    }
    let pem = fs::read_to_string(visitor.user.keys().join("a.example.ecdsap256.pem")).unwrap();
    for secret in ["s3cret", "t0ken", pem.lines().nth(1).unwrap()] {
        assert!(!format!("{said:?}").contains(secret), "{secret}");
    }
    assert_eq!(said.out, "GET /end\n");
}

#[tokio::test]
async fn json_tells_what_was_proved() {
    let server = web(SslVersion::TLS1_3).await;
    let visitor = Visitor::of(&server);
    let (end, start) = (server.url("b.example", "/end"), server.url("a.example", "/"));
    let said = visitor.get(&["--json", &format!("{start}?{end}"), &start]).await.exited(0);
    let lines: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let report = &lines[0];
    assert_eq!((&report["status"], report["final_url"].as_str()), (&200.into(), Some(end.as_str())));
    assert_eq!(
        (&report["body"], &report["body_base64url"]),
        (&"GET /end\n".into(), &serde_json::Value::Null)
    );
    let exchanges = report["exchanges"].as_array().unwrap();
    assert_eq!(exchanges.len(), 2);
    assert_eq!(exchanges[0]["status"], 302);
    assert_eq!(exchanges[0]["tls"]["version"], "TLS 1.3");
    assert_eq!(exchanges[1]["token_binding"]["key_parameters"], "ecdsap256");
    assert_eq!(exchanges[1]["provided_token_binding_id"], visitor.id("b.example"));
    assert_eq!(exchanges[1]["referred_token_binding_id"], visitor.id("a.example"));
    assert_eq!(exchanges[0]["referred_token_binding_id"], serde_json::Value::Null);
    assert_eq!(lines[1]["exchanges"][0]["connection_reused"], true);
}

#[tokio::test]
async fn token_binding_can_be_left_out_or_required() {
    let server = web(SslVersion::TLS1_3).await;
    let visitor = Visitor::of(&server);
    let url = server.url("a.example", "/");
    let said = visitor.get(&["-v", "--no-token-binding", &url]).await.exited(0);
    assert!(said.err.contains("* Token Binding: not offered"), "{said:?}");
    assert_eq!(server.seen()[0].header("sec-token-binding"), None);
    visitor.get(&["--require-token-binding", &url]).await.exited(0);

    let mut silent = ServerOptions::new(SslVersion::TLS1_3);
    silent.answer = None;
    let silent = Web::tls(silent, site).await;
    let visitor = Visitor::of(&silent);
    let url = silent.url("a.example", "/");
    let said = visitor.get(&["-v", "--require-token-binding", &url]).await.exited(1);
    assert!(said.err.contains("not negotiated: the server did not answer the offer"), "{said:?}");
    assert!(said.err.contains(&format!("the request to {url} went out without a Token Binding")), "{said:?}");
}

#[tokio::test]
async fn the_offer_can_be_chosen() {
    let server = Web::tls(ServerOptions::new(SslVersion::TLS1_3).answer(&[1, 0, 1, 1]), site).await;
    let visitor = Visitor::of(&server);
    let url = server.url("a.example", "/");
    let args = ["-v", "--key-parameters", "rsa2048_pss,ecdsap256", &url];
    let said = visitor.get(&args).await.exited(0);
    assert!(said.err.contains("Token Binding: version 1.0, rsa2048_pss"), "{said:?}");
    assert!(server.seen()[0].provided.is_some());
    let refused = visitor.get(&[&url]).await.exited(3);
    assert!(refused.err.contains("key parameters rsa2048_pss were not offered"), "{refused:?}");
}

#[tokio::test]
async fn cookies_are_kept_in_a_jar_where_one_is_named() {
    let server = web(SslVersion::TLS1_3).await;
    let visitor = Visitor::of(&server);
    let login = server.url("a.example", "/?/in");
    visitor.get(&["-c", "jar", &login]).await.exited(0);
    let jar = fs::read_to_string(visitor.user.home().join("jar")).unwrap();
    assert!(jar.starts_with("# Netscape HTTP Cookie File\n"), "{jar}");
    assert!(jar.contains("a.example\tFALSE\t/\tFALSE\t0\tsession\ts3cret\n"), "{jar}");

    // A jar that is only read stays as it is, whatever is set.
    let again = server.url("a.example", "/again");
    visitor.get(&["-b", "jar", "--ephemeral", &again]).await.exited(0);
    visitor.get(&["-b", "other=1; third=2", "-b", "jar", &again]).await.exited(0);
    visitor.get(&["-b", "nothing", &login]).await.exited(0);
    assert_eq!(fs::read_to_string(visitor.user.home().join("jar")).unwrap(), jar);
    assert!(!visitor.user.home().join("nothing").exists());
    let cookies: Vec<_> = server.seen().iter().map(|seen| seen.header("cookie").map(str::to_owned)).collect();
    let session = "session=s3cret";
    assert_eq!(cookies[..3], [None, Some(session.to_owned()), Some(session.to_owned())]);
    assert_eq!(cookies[3].as_deref(), Some("session=s3cret; other=1; third=2"));

    // What is given is sent as it is, and not kept.
    let given = ["-b", "__Host-id=1; b=\"2\"", "-b", "jar", "-c", "-", "-o", "page", &again];
    let said = visitor.get(&given).await.exited(0);
    assert_eq!(said.out.lines().filter(|line| line.contains('\t')).count(), 1, "{said:?}");
    assert!(said.out.ends_with("session\ts3cret\n"), "{said:?}");
    let sent = server.seen().last().unwrap().header("cookie").map(str::to_owned);
    assert_eq!(sent.as_deref(), Some("session=s3cret; __Host-id=1; b=\"2\""));
    let elsewhere = server.url("a.example", &format!("/?{}", server.url("b.example", "/")));
    visitor.get(&["-b", "id=1", &elsewhere]).await.exited(0);
    assert_eq!(server.seen().last().unwrap().header("cookie"), None);
    visitor.get(&["-b", "id=1\nX-Evil: 2", &again]).await.exited(2);

    fs::write(visitor.user.home().join("jar"), "[]").unwrap();
    let refused = visitor.get(&["-b", "jar", &again]).await.exited(3);
    assert!(refused.err.contains("reading the cookie jar jar: line 1 is no cookie in the Netscape format"));
}

#[tokio::test]
async fn a_body_may_be_larger_than_memory_would_hold() {
    const SIZE: usize = 80 * 1024 * 1024;
    let body = "x".repeat(SIZE);
    let mut options = ServerOptions::new(SslVersion::TLS1_3);
    options.alpn = Some(b"\x02h2\x08http/1.1");
    let server = Web::tls(options, move |_| reply(200, &[], &body)).await;
    let visitor = Visitor::of(&server);
    let url = server.url("a.example", "/");
    for http in ["1.1", "2"] {
        visitor.get(&["--http", http, "-o", "page", "-L", &url]).await.exited(0);
        assert_eq!(fs::metadata(visitor.user.home().join("page")).unwrap().len(), SIZE as u64);
        let refused = visitor.get(&["--http", http, "--json", &url]).await.exited(3);
        assert!(refused.err.contains("the response's body: more than 67108864"), "{refused:?}");
    }
}

#[tokio::test]
async fn what_does_not_come_overwrites_nothing_and_can_be_kept_quiet() {
    let server = web(SslVersion::TLS1_3).await;
    let visitor = Visitor::of(&server);
    fs::write(visitor.user.home().join("page"), "old").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("https://localhost:{}/", gone.port());
    for (quiet, told) in [(&[][..], true), (&["-s"], false), (&["-s", "-S"], true)] {
        let said = visitor.get(&[quiet, &["-o", "page", &url]].concat()).await.exited(3);
        assert_eq!(said.err.contains("Connection refused"), told, "{said:?}");
        assert_eq!(said.err.is_empty(), !told, "{said:?}");
    }
    assert_eq!(fs::read_to_string(visitor.user.home().join("page")).unwrap(), "old");
    visitor.get(&["--json", "-o", "page", &server.url("a.example", "/")]).await.exited(0);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(visitor.user.home().join("page")).unwrap()).unwrap();
    assert_eq!(json["status"], 200);
}

#[tokio::test]
async fn a_request_can_be_shaped() {
    let server = web(SslVersion::TLS1_3).await;
    let visitor = Visitor::of(&server);
    let url = server.url("a.example", "/form");
    visitor.get(&["-d", "a=1", "--data", "b=2", "-H", "X-Mine: yes", &url]).await.exited(0);
    let seen = &server.seen()[0];
    assert_eq!((seen.method.as_str(), &seen.body[..]), ("POST", &b"a=1&b=2"[..]));
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen.header("x-mine"), Some("yes"));

    let said = visitor.get(&["-i", "-X", "DELETE", &url]).await.exited(0);
    assert!(said.out.starts_with("200 \n") && said.out.ends_with("\n\nDELETE /form\n"), "{said:?}");
    let said = visitor.get(&["-o", "page", &url]).await.exited(0);
    assert_eq!(said.out, "");
    assert_eq!(fs::read_to_string(visitor.user.home().join("page")).unwrap(), "GET /form\n");
}

#[tokio::test]
async fn a_status_fails_only_when_asked_to() {
    let server = web(SslVersion::TLS1_3).await;
    let visitor = Visitor::of(&server);
    let url = server.url("a.example", "/missing");
    assert_eq!(visitor.get(&[&url]).await.exited(0).out, "nothing here");
    let said = visitor.get(&["--fail", &url]).await.exited(1);
    assert!(said.err.contains(&format!("{url} answered with status 404")), "{said:?}");
    let redirect = server.url("a.example", "/?/x");
    assert!(visitor.get(&["-i", "--max-redirects", "0", &redirect]).await.exited(0).out.starts_with("302"));
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_servers_that_ask() {
    let (certificate, key) = tls::identity();
    let (pem, key) = (certificate.to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap());
    let mut options = ServerOptions::new(SslVersion::TLS1_3);
    options.client_ca = Some(certificate.clone());
    let server = Web::tls(options, site).await;
    let visitor = Visitor::of(&server);
    let url = server.url("a.example", "/");
    let write = |name: &str, content: &[u8]| fs::write(visitor.user.home().join(name), content).unwrap();
    write("me.pem", &pem);
    write("me.key", &key);
    write("both.pem", &[&pem[..], &pem, &key].concat());

    visitor.get(&[&url]).await.exited(0);
    visitor.get(&["--cert", "me.pem", "--key", "me.key", &url]).await.exited(0);
    visitor.get(&["-E", "both.pem", &url]).await.exited(0);
    let shown: Vec<_> = server.seen().into_iter().map(|seen| seen.client_certificate).collect();
    assert_eq!(shown, [None, Some(certificate.clone()), Some(certificate)]);
    assert!(server.seen().iter().all(|seen| seen.provided.is_some()), "beside Token Binding");

    let said = visitor.get(&["--cert", "me.pem", &url]).await.exited(3);
    assert!(said.err.contains("me.pem holds no unencrypted private key in PEM"), "{said:?}");
    write("other.key", &tls::identity().1.private_key_to_pem_pkcs8().unwrap());
    let said = visitor.get(&["--cert", "me.pem", "--key", "other.key", &url]).await.exited(3);
    assert!(
        said.err.contains("the key in other.key is not that of the first certificate in me.pem"),
        "{said:?}"
    );
    visitor.get(&["--key", "me.key", &url]).await.exited(2);
}

#[tokio::test]
async fn plain_http_goes_without() {
    let server = Web::plain(site).await;
    let visitor = Visitor::of(&server);
    let said = visitor.get(&["-v", &server.url("a.example", "/")]).await.exited(0);
    assert!(said.err.contains("not encrypted") && said.err.contains("none without TLS"), "{said:?}");
    assert!(!visitor.user.keys().exists());
}

#[tokio::test]
async fn errors_name_the_cause() {
    let server = web(SslVersion::TLS1_3).await;
    let visitor = Visitor::of(&server);
    let user = User::new();
    let url = server.url("127.0.0.1", "/");
    let get = async |args: &[&str]| {
        let mut command = user.command(&[&["get"], args].concat());
        tokio::task::spawn_blocking(move || support::said(&mut command)).await.unwrap()
    };
    let said = get(&[&url]).await.exited(3);
    assert!(said.err.contains("certificate verify failed: self-signed certificate"), "{said:?}");
    get(&["--insecure", &url]).await.exited(0);

    let said = get(&["--cacert", "nowhere.pem", &url]).await.exited(3);
    assert!(said.err.contains("reading nowhere.pem: No such file"), "{said:?}");
    fs::write(user.home().join("empty.pem"), "").unwrap();
    let said = get(&["--cacert", "empty.pem", &url]).await.exited(3);
    assert!(said.err.contains("empty.pem holds no certificate"), "{said:?}");

    for (wrong, why) in [
        ("ftp://a.example", "only https and http"),
        ("a.example", "write https://a.example"),
        ("a.example:8443/x", "write https:// before it"),
    ] {
        let said = get(&[wrong]).await.exited(2);
        assert!(said.err.contains(why), "{said:?}");
    }
    get(&[]).await.exited(2);
    get(&["--tls", "1.1", &url]).await.exited(2);
    get(&["--ephemeral", "--keys", "k", &url]).await.exited(2);
    let said = visitor.get(&["--tls", "1.2", &server.url("a.example", "/")]).await.exited(3);
    assert!(said.err.contains("TLS handshake: tlsv1 alert protocol version"), "{said:?}");
}
