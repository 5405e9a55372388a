//! An OAuth 2.0 resource server: JWT access tokens that are bound to the key which the client uses there. The client is a
//! program with keys of its own; mod_auth_openidc checks the tokens.

use serde_json::Value;
use tokbind::http1::Http1;
use tokbind::http2::Http2;
use tokbind::{Request, Response, binding};

use httpd_harness::client::{connect, http1, http2, unbound};
use httpd_harness::httpd::{HOST, documented};
use httpd_harness::ports::free_port;
use httpd_harness::provider::{BACK_CHANNEL, PROVIDER, Provider, provider_host, start_provider};
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor, pki, shown};

const RESOURCE: &str = "/api/env.cgi";

/// A resource server and the provider that issues its tokens.
async fn resource_server(setup: Setup, directives: &str) -> (Httpd, Provider) {
    let port = free_port();
    let values = [
        ("https://op.example.org/jwks", "https://localhost:@PORT@/jwks"),
        ("https://op.example.org", &format!("https://{PROVIDER}:@PORT@")),
    ];
    let resource = documented("resource-server.conf", &values)
        + BACK_CHANNEL
        + "ScriptAlias /api/ @DIR@/htdocs/\n"
        + directives;
    let mut setup =
        Setup { virtual_hosts: vec![VirtualHost::tls(HOST, resource), provider_host(port)], ..setup };
    setup.modules.push("auth_openidc");
    let mut server = setup.start();
    // Each token that is refused.
    server.announce("auth_openidc:error");
    let provider = start_provider(port, &server).await;
    (server, provider)
}

/// Gets an access token as a service does. `provided` is its key at the provider, `referred` the one that it uses at the
/// resource server.
async fn access_token(server: &Httpd, provided: &Visitor, referred: Option<&Visitor>) -> String {
    let mut http = http1(server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let referred = referred.map(|referred| &referred.key as &dyn binding::Signer);
    let header = binding::header(&ekm, &provided.key, referred).unwrap();
    read_token(&http.request(&token_request().header(binding::SEC_TOKEN_BINDING, header)).await.unwrap())
}

fn token_request() -> Request {
    Request::new("POST", PROVIDER, "/token")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials&client_id=service&client_secret=secret&scope=read")
}

fn read_token(answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn bearing(request: Request, token: &str) -> Request {
    request.header("Authorization", format!("Bearer {token}"))
}

fn is_served(answer: &Response) -> bool {
    match answer.status {
        200 => shown(&answer.text(), "REMOTE_USER") == Some("service"),
        status => {
            assert_eq!(status, 401, "{}", answer.text());
            false
        }
    }
}

/// Uses the token with a key, over HTTP/1.1 and HTTP/2.
async fn uses(server: &Httpd, client: &Visitor, token: &str) -> [bool; 2] {
    let mut one = http1(server).await;
    let ekm = one.get_ref().ekm().unwrap();
    let first = one.request(&bearing(client.get(&ekm, RESOURCE), token)).await.unwrap();
    let two = http2(server).await;
    let second = two.request(&bearing(client.get(two.ekm(), RESOURCE), token)).await.unwrap();
    [first, second].map(|answer| is_served(&answer))
}

/// Uses the token without Token Binding.
async fn uses_unbound(server: &Httpd, token: &str) -> bool {
    let mut plain = Http1::new(connect(server, &unbound()).await);
    is_served(&plain.request(&bearing(Request::get(HOST, RESOURCE), token)).await.unwrap())
}

#[tokio::test]
async fn a_token_is_good_for_the_client_that_it_is_bound_to_and_for_nobody_else() {
    let (server, _provider) = resource_server(Setup::default(), "").await;
    let (client, at_provider, thief) = (Visitor::new(), Visitor::new(), Visitor::new());
    let token = access_token(&server, &at_provider, Some(&client)).await;
    assert_eq!(uses(&server, &client, &token).await, [true, true], "{}", server.log());
    assert_eq!(uses(&server, &thief, &token).await, [false, false]);
    assert_eq!(uses(&server, &at_provider, &token).await, [false, false], "the key of another site");
    assert!(!uses_unbound(&server, &token).await);
    // With the client's ID in forged headers, too.
    let mut plain = Http1::new(connect(&server, &unbound()).await);
    let forged =
        bearing(Request::get(HOST, RESOURCE), &token).header("Sec-Provided-Token-Binding-ID", client.id());
    assert!(!is_served(&plain.request(&forged).await.unwrap()));
    // And with the client's own message, from another connection.
    let message = client.header(&http1(&server).await.get_ref().ekm().unwrap());
    let mut one = http1(&server).await;
    let replayed = bearing(Request::get(HOST, RESOURCE), &token).header(binding::SEC_TOKEN_BINDING, message);
    assert_eq!(one.request(&replayed).await.unwrap().status, 400);
    let why = "hash of provided token binding ID environment variable does not match cnf[\"tbh\"]";
    assert!(server.log().contains(why), "an administrator sees why: {}", server.log());
}

#[tokio::test]
async fn an_unbound_token_is_refused_where_bindings_are_enforced() {
    let (server, _provider) = resource_server(Setup::default(), "").await;
    let client = Visitor::new();
    let token = access_token(&server, &Visitor::new(), None).await;
    assert_eq!(uses(&server, &client, &token).await, [false, false]);
    assert!(!uses_unbound(&server, &token).await);
}

/// A token that is bound to a client certificate (RFC 8705): mod_auth_openidc compares `cnf.x5t#S256` with what the module says
/// of the certificate on this connection.
#[tokio::test]
async fn a_token_is_good_with_the_certificate_that_it_is_bound_to_and_no_other() {
    let verifying = "SSLCACertificateFile @DIR@/users.pem\nSSLVerifyClient optional\n";
    let (user, other) = (pki::user(), pki::other_user());
    let users = [user, other].map(|identity| identity.certificate.to_pem().unwrap()).concat();
    let setup = Setup {
        global: format!("SSLStrictSNIVHostCheck Off\n{verifying}"),
        files: vec![("users.pem", users)],
        ..Setup::default()
    };
    let (server, _provider) = resource_server(setup, "").await;
    let showing = |identity: &pki::Identity| {
        unbound().client_certificate(identity.certificate.clone(), identity.key.clone())
    };
    let mut http = Http1::new(connect(&server, &showing(user)).await);
    let token = read_token(&http.request(&token_request()).await.unwrap());
    for (options, is_good) in [(showing(user), true), (showing(other), false), (unbound(), false)] {
        let mut one = Http1::new(connect(&server, &options).await);
        let first = one.request(&bearing(Request::get(HOST, RESOURCE), &token)).await.unwrap();
        let two = Http2::handshake(connect(&server, &options.alpn(["h2"])).await).await.unwrap();
        let second = two.request(&bearing(Request::get(HOST, RESOURCE), &token)).await.unwrap();
        assert_eq!([is_served(&first), is_served(&second)], [is_good; 2], "{}", server.log());
    }
    // Whoever says so in a header is not believed.
    let fingerprint = user.certificate.digest(openssl::hash::MessageDigest::sha256()).unwrap();
    let forged = bearing(Request::get(HOST, RESOURCE), &token)
        .header("TB_SSL_CLIENT_CERT_FINGERPRINT", token_binding::header::encode(&fingerprint));
    let mut plain = Http1::new(connect(&server, &unbound()).await);
    assert!(!is_served(&plain.request(&forged).await.unwrap()));
}

/// The control: without the module a stolen token is good for anybody.
#[tokio::test]
async fn without_the_module_the_theft_succeeds() {
    let without = Setup { module: None, ..Setup::default() };
    let (server, _provider) = resource_server(without, "OIDCOAuthAccessTokenBindingPolicy optional").await;
    let mut http = Http1::new(connect(&server, &unbound()).await);
    let token = read_token(&http.request(&token_request()).await.unwrap());
    assert!(uses_unbound(&server, &token).await, "{}", server.log());
}
