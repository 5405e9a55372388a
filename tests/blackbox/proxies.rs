//! TLS-terminating reverse proxies (draft-ietf-tokbind-ttrp), both roles: an httpd in front that verifies, and one behind
//! it that takes its word, and nobody else's.

use tokbind::http1::Http1;
use tokbind::{Ekm, Request, Response, TokenBindingType, binding};
use token_binding::sign::MessageBuilder;
use tokio::net::{TcpSocket, TcpStream};

use httpd_harness::client::{connect, http1, http2, options, unbound};
use httpd_harness::httpd::{HOST, documented};
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor, shown};

/// Where the proxy's connections to the backend come from. The tests' own come from 127.0.0.1.
const PROXY: &str = "127.0.0.9";

const NAMES: [&str; 3] =
    ["Sec-Provided-Token-Binding-ID", "Sec-Referred-Token-Binding-ID", "Sec-Other-Token-Binding-ID"];

/// A backend without TLS that trusts the proxy.
fn backend(directives: &str) -> Httpd {
    let trusting = documented("proxy-back.conf", &[("10.0.0.2", PROXY)]);
    backend_with(&format!("{trusting}\n{directives}"))
}

fn backend_with(directives: &str) -> Httpd {
    let mut setup = Setup { virtual_hosts: vec![VirtualHost::plain(HOST, directives)], ..Setup::default() };
    setup.modules.push("remoteip");
    setup.start()
}

/// A proxy before the backend; `scheme` says how it speaks with it.
fn front(backend: &Httpd, scheme: &str) -> Httpd {
    front_with(backend, scheme, "")
}

fn front_with(backend: &Httpd, scheme: &str, more: &str) -> Httpd {
    let origin = format!("{scheme}://127.0.0.1:{}", backend.port());
    let directives = documented("proxy-front.conf", &[("http://10.0.0.3", &origin)]);
    let mut setup = Setup::with(&format!("ProxySourceAddress {PROXY}\n{directives}\n{more}"));
    setup.modules.push("proxy_http2");
    setup.start()
}

/// A message with a provided binding, a referred one and one of another type.
fn message(ekm: &Ekm, [provided, referred, other]: [&Visitor; 3]) -> String {
    let mut message = MessageBuilder::new();
    message.add(TokenBindingType::PROVIDED, &provided.key, ekm).unwrap();
    message.add(TokenBindingType::REFERRED, &referred.key, ekm).unwrap();
    message.add(TokenBindingType(77), &other.key, ekm).unwrap();
    message.finish_header()
}

/// The environment variables and the request headers of a CGI program, in the order of `NAMES`.
fn seen(page: &str) -> [Option<String>; 6] {
    let name = |index: usize| NAMES[index % 3].replace('-', "_");
    std::array::from_fn(|index| {
        let name = if index < 3 { name(index) } else { format!("HTTP_{}", name(index).to_uppercase()) };
        shown(page, &name).map(str::to_owned)
    })
}

fn twice<T: Clone>(values: [T; 3]) -> [T; 6] {
    std::array::from_fn(|index| values[index % 3].clone())
}

const NOTHING: [Option<String>; 6] = [const { None }; 6];

/// Forged headers in the spelling that a proxy would use, and in another.
fn forged(path: &str) -> Request {
    let id = Visitor::new().id();
    NAMES.iter().fold(Request::get(HOST, path), |request, name| {
        request.header(name, &id).header(&name.replace('-', "_"), &id)
    })
}

#[tokio::test]
async fn the_backend_sees_exactly_what_the_proxy_has_verified() {
    let backend = backend("");
    for scheme in ["http", "h2c"] {
        let front = front(&backend, scheme);
        let visitors = [Visitor::new(), Visitor::new(), Visitor::new()];
        let [provided, referred, other] = &visitors;
        let expected = twice([provided.id(), referred.id(), format!("TQ.{}", other.id())].map(Some));
        let mut one = http1(&front).await;
        let ekm = one.get_ref().ekm().unwrap();
        let request =
            forged("/env.cgi").header(binding::SEC_TOKEN_BINDING, message(&ekm, visitors.each_ref()));
        let first = one.request(&request).await.unwrap();
        let two = http2(&front).await;
        let request =
            forged("/env.cgi").header(binding::SEC_TOKEN_BINDING, message(two.ekm(), visitors.each_ref()));
        for page in [first, two.request(&request).await.unwrap()] {
            assert_eq!(page.status, 200, "{}", page.text());
            let protocol = if scheme == "h2c" { "HTTP/2.0" } else { "HTTP/1.1" };
            assert_eq!(shown(&page.text(), "SERVER_PROTOCOL"), Some(protocol), "of the backend");
            assert_eq!(seen(&page.text()), expected, "{scheme}: {}", page.text());
            assert!(!page.text().contains("HTTP_SEC_TOKEN_BINDING="), "the message stays with the proxy");
        }
    }
}

/// mod_proxy removes what the client's Connection header names: so a client could have its verified ID left out.
#[tokio::test]
async fn a_client_can_not_have_the_verified_headers_taken_for_the_connections_own() {
    let backend = backend("");
    let front = front(&backend, "http");
    let visitor = Visitor::new();
    // mod_proxy ends a name at semicolons and white space, too.
    for options in [
        "Sec-Provided-Token-Binding-ID",
        "keep-alive, sec-referred-token-binding-id ,x",
        "keep-alive;Sec-Provided-Token-Binding-ID",
        "keep-alive Sec-Provided-Token-Binding-ID",
        "keep-alive\tSec-Provided-Token-Binding-ID;x",
        ";;Sec-Provided-Token-Binding-ID",
    ] {
        let mut http = http1(&front).await;
        let ekm = http.get_ref().ekm().unwrap();
        let request = visitor.get(&ekm, "/env.cgi").header("Connection", options);
        assert_eq!(http.request(&request).await.unwrap().status, 400, "{options}");
        assert!(front.line("TB110").contains("Connection"));
    }
    let mut http = http1(&front).await;
    let ekm = http.get_ref().ekm().unwrap();
    let request =
        visitor.get(&ekm, "/env.cgi").header("Connection", "keep-alive, x-sec-provided-token-binding-id");
    let page = http.request(&request).await.unwrap();
    assert_eq!(seen(&page.text())[3], Some(visitor.id()), "{}", page.text());
}

/// Nor by a Connection line among the trailers, which mod_ssl has merged before mod_proxy looks.
#[tokio::test]
async fn a_connection_trailer_takes_nothing_out() {
    let backend = backend("");
    let front = front_with(
        &backend,
        "http",
        "MergeTrailers On\nSSLCACertificateFile @DIR@/user.pem\n<Location />\n  SSLVerifyClient optional\n</Location>",
    );
    let visitor = Visitor::new();
    let options = options().tls_version(openssl::ssl::SslVersion::TLS1_2);
    let mut http = Http1::new(connect(&front, &options).await);
    let ekm = http.get_ref().ekm().unwrap();
    let mut request = visitor.get(&ekm, "/env.cgi").body("body").chunked();
    request.method = "POST".into();
    for (name, value) in [
        ("Connection", "Sec-Provided-Token-Binding-ID"),
        ("Sec-Provided-Token-Binding-ID", "forged"),
        ("X-Harmless", "trailer"),
    ] {
        request = request.trailer(name, value);
    }
    let page = http.request(&request).await.unwrap();
    assert_eq!(http.get_ref().renegotiations(), 1);
    assert_eq!(seen(&page.text())[3], Some(visitor.id()), "{}", page.text());
    assert_eq!(shown(&page.text(), "HTTP_X_HARMLESS"), Some("trailer"), "{}", page.text());
}

#[tokio::test]
async fn an_unbound_client_of_the_proxy_is_unbound_at_the_backend() {
    let backend = backend("");
    let front = front(&backend, "http");
    let mut http = Http1::new(connect(&front, &unbound()).await);
    let page = http.request(&forged("/env.cgi")).await.unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(seen(&page.text()), NOTHING, "{}", page.text());
}

/// A connection to the backend that comes from this address.
async fn plain(server: &Httpd, from: &str) -> Http1<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let address = format!("127.0.0.1:{}", server.port()).parse().unwrap();
    Http1::over(socket.connect(address).await.unwrap())
}

async fn ask(server: &Httpd, from: &str, request: &Request) -> Response {
    plain(server, from).await.request(request).await.unwrap()
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let backend = backend("");
    let page = ask(&backend, "127.0.0.1", &forged("/env.cgi")).await;
    assert_eq!(page.status, 200);
    assert_eq!(seen(&page.text()), NOTHING, "{}", page.text());
    assert!(backend.line("TB109").contains("127.0.0.1 is not in TokenBindingTrustedProxy"));
    // Whatever mod_remoteip makes of the client's address: it is the TCP peer that counts.
    let pretending = forged("/env.cgi").header("X-Forwarded-For", PROXY);
    let page = ask(&backend, "127.0.0.1", &pretending).await;
    assert_eq!(seen(&page.text()), NOTHING, "{}", page.text());
}

#[tokio::test]
async fn what_mod_remoteip_says_makes_no_peer_a_proxy_nor_a_proxy_a_stranger() {
    // Here it believes everybody on this machine.
    let directives = format!(
        "TokenBindingTrustedProxy {PROXY}\nRemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.0/8"
    );
    let backend = backend_with(&directives);
    let pretending = forged("/env.cgi").header("X-Forwarded-For", PROXY);
    let page = ask(&backend, "127.0.0.1", &pretending).await;
    assert_eq!(shown(&page.text(), "REMOTE_ADDR"), Some(PROXY), "mod_remoteip was told so");
    assert_eq!(seen(&page.text()), NOTHING, "{}", page.text());
    let visitor = Visitor::new();
    let request = Request::get(HOST, "/env.cgi").header(NAMES[0], visitor.id());
    let page = ask(&backend, PROXY, &request.header("X-Forwarded-For", "192.0.2.1")).await;
    assert_eq!(shown(&page.text(), "REMOTE_ADDR"), Some("192.0.2.1"));
    assert_eq!(seen(&page.text())[0], Some(visitor.id()), "{}", page.text());
}

#[tokio::test]
async fn other_spellings_are_not_believed_from_the_proxy_either() {
    let backend = backend("");
    let (id, other) = (Visitor::new().id(), Visitor::new().id());
    let request = Request::get(HOST, "/env.cgi")
        .header("sec-provided-token-binding-id", &id)
        .header("Sec_Provided_Token_Binding_ID", &other)
        .header("Sec_Referred_Token_Binding_ID", &other)
        .header("Sec-Token-Binding-Context", &other);
    let page = ask(&backend, PROXY, &request).await;
    assert_eq!(page.status, 200);
    assert_eq!(seen(&page.text()), twice([Some(id), None, None]), "{}", page.text());
    assert!(!page.text().contains(&other), "{}", page.text());
}

#[tokio::test]
async fn what_is_malformed_is_refused() {
    for directives in ["", "TokenBindingStrict Off"] {
        let backend = backend(directives);
        let (id, other) = (Visitor::new().id(), Visitor::new().id());
        let [provided, referred, others] = NAMES;
        let longer = format!("{id}AA");
        for (headers, problem) in [
            (&[(provided, "")][..], "Sec-Provided-Token-Binding-ID is malformed"),
            (&[(provided, "forged")], "Sec-Provided-Token-Binding-ID is malformed"),
            (&[(provided, longer.as_str())], "Sec-Provided-Token-Binding-ID is malformed"),
            (
                &[(provided, id.as_str()), (provided, other.as_str())],
                "Sec-Provided-Token-Binding-ID is malformed",
            ),
            (&[(referred, id.as_str())], "Sec-Referred-Token-Binding-ID comes without"),
            (&[(provided, id.as_str()), (referred, "AgBB")], "Sec-Referred-Token-Binding-ID is malformed"),
            (&[(provided, id.as_str()), (others, id.as_str())], "Sec-Other-Token-Binding-ID is malformed"),
        ] {
            let request = headers
                .iter()
                .fold(Request::get(HOST, "/env.cgi"), |request, (name, value)| request.header(name, value));
            let before = backend.lines("TB107").len();
            assert_eq!(ask(&backend, PROXY, &request).await.status, 400, "{headers:?}");
            assert!(backend.wait_for(|backend| backend.lines("TB107").len() == before + 1), "{headers:?}");
            let line = backend.line("TB107");
            assert!(line.contains(problem) && line.contains(":info]"), "{line}");
            assert!(!line.contains(&id), "no ID in the log");
            // From anybody else it is nothing.
            assert_eq!(ask(&backend, "127.0.0.1", &request).await.status, 200, "{headers:?}");
        }
    }
}

/// Nobody can say whose key it is then: the client's, or the proxy's own.
#[tokio::test]
async fn a_proxy_with_token_binding_of_its_own_is_refused() {
    let server = Setup::with("TokenBindingTrustedProxy 127.0.0.1").start();
    let proxy = Visitor::new();
    for strict in [true, false] {
        let mut http = http1(&server).await;
        let ekm = http.get_ref().ekm().unwrap();
        let request = if strict { proxy.get(&ekm, "/env.cgi") } else { Request::get(HOST, "/env.cgi") };
        let request = request.header(NAMES[0], Visitor::new().id());
        assert_eq!(http.request(&request).await.unwrap().status, 400);
    }
    assert_eq!(server.lines("TB108").len(), 2);
    // Without the headers it is a client like any other.
    assert_eq!(proxy.visit(&server, "/env.cgi").await.status, 200);
    // A proxy that speaks TLS without Token Binding is the normal case.
    let id = Visitor::new().id();
    let mut http = Http1::new(connect(&server, &unbound()).await);
    let page = http.request(&Request::get(HOST, "/env.cgi").header(NAMES[0], &id)).await.unwrap();
    assert_eq!(shown(&page.text(), "Sec_Provided_Token_Binding_ID"), Some(id.as_str()));
    // One that passes its client's message on as well is misconfigured, and hears of it.
    let both =
        Request::get(HOST, "/env.cgi").header(NAMES[0], &id).header(binding::SEC_TOKEN_BINDING, "AAAA");
    assert_eq!(http.request(&both).await.unwrap().status, 400);
    server.line("TB103");
}

#[tokio::test]
async fn the_virtual_host_decides_whom_it_believes() {
    let hosts = vec![
        VirtualHost::plain(HOST, ""),
        VirtualHost::plain("other.bound.test", "TokenBindingTrustedProxy none"),
        VirtualHost::plain("www.plain.test", "TokenBindingEnabled Off"),
        VirtualHost::plain("www.other.test", "TokenBindingPassVar referred\nTokenBindingPassHeaders Off"),
    ];
    let global = "TokenBindingTrustedProxy 127.0.0.0/29".to_owned();
    let server = Setup { virtual_hosts: hosts, global, ..Setup::default() }.start();
    let (provided, referred) = (Visitor::new().id(), Visitor::new().id());
    for (host, expected) in [
        (HOST, twice([Some(provided.clone()), Some(referred.clone()), None])),
        ("other.bound.test", NOTHING),
        ("www.plain.test", NOTHING),
        ("www.other.test", [None, Some(referred.clone()), None, None, None, None]),
    ] {
        let request = Request::get(host, "/env.cgi").header(NAMES[0], &provided).header(NAMES[1], &referred);
        let page = ask(&server, "127.0.0.7", &request).await;
        assert_eq!(page.status, 200, "{host}");
        assert_eq!(seen(&page.text()), expected, "{host}: {}", page.text());
        let page = ask(&server, "127.0.0.8", &request).await;
        assert_eq!(seen(&page.text()), NOTHING, "{host}: outside the network");
    }
}

/// As with any request: the verdict of the first one holds for those that continue it.
#[tokio::test]
async fn an_error_document_keeps_the_proxys_word() {
    let backend = backend("ErrorDocument 404 /env.cgi");
    let id = Visitor::new().id();
    let page = ask(&backend, PROXY, &Request::get(HOST, "/missing").header(NAMES[0], &id)).await;
    assert_eq!(page.status, 404);
    assert_eq!(seen(&page.text()), twice([Some(id), None, None]), "{}", page.text());
}

#[tokio::test]
async fn a_proxys_trailers_say_nothing() {
    let backend = backend("MergeTrailers On");
    let mut request = Request::new("POST", HOST, "/env.cgi").body("x");
    request.trailers =
        NAMES.iter().map(|name| ((*name).to_owned(), Visitor::new().id().into_bytes())).collect();
    let page = ask(&backend, PROXY, &request).await;
    assert_eq!(page.status, 200);
    assert_eq!(seen(&page.text()), NOTHING, "{}", page.text());
}

#[test]
fn wrong_addresses_fail_the_syntax_check() {
    for word in ["proxy.example", "10.0.0.0/33", "0.0.0.0/0"] {
        let output = Setup::with(&format!("TokenBindingTrustedProxy 127.0.0.1 {word}")).check();
        assert!(!output.status.success(), "{word}");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains("TokenBindingTrustedProxy") && message.contains(word), "{message}");
        assert!(message.contains("10.1.0.0/16"), "{message}");
    }
    let output = Setup::with("<Location />\n  TokenBindingTrustedProxy 127.0.0.1\n</Location>").check();
    assert!(!output.status.success());
}
