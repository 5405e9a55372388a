//! What is refused, what is passed on untouched, and what the browser is told when a server can't be reached.

use tokbind::agent::{Agent, AgentOptions, Authority, Error};
use tokbind::http1::Http1;
use tokbind::keys::KeyStore;
use tokbind::tls::ConnectOptions;
use tokbind::{KeyParameters, Request};
use tokio::net::TcpListener;

use crate::support::{Browser, Scene, Site, SiteOptions, certificate, exchange};

#[tokio::test]
async fn the_agents_own_pages_are_its_users_alone() {
    let site = Site::usual().await;
    let scene = Scene::with(&[("rp.test", &site)], |options| options.only = vec!["rp.test".to_owned()]).await;
    scene.browser().get("rp.test", "/").await;
    let own = scene.agent.to_string();
    let ask = async |target: &str, host: &str, line: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{line}Connection: close\r\n\r\n");
        exchange(scene.agent, &request).await
    };
    let page = ask("/", &own, "").await;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    assert!(page.contains(&scene.id("rp.test", KeyParameters::ECDSAP256)), "{page}");
    assert!(page.contains("default-src 'none'; frame-ancestors 'none'"), "{page}");
    let pac = ask("/proxy.pac", &own, "").await;
    assert!(pac.contains("content-type: application/x-ns-proxy-autoconfig\r\n"), "{pac}");
    assert!(
        pac.contains(&format!(
            "  if (host == \"rp.test\" || dnsDomainIs(host, \".rp.test\")) return \"PROXY {own}\";\n  return \"DIRECT\";"
        )),
        "{pac}"
    );
    assert!(ask("/ca.pem", &own, "").await.starts_with("HTTP/1.1 404 "));

    // As a page would have the browser do, by the agent's address or by a name of the page's own that leads here.
    for (host, line) in [
        (own.as_str(), "Origin: https://evil.test\r\n"),
        (&own, "Origin: null\r\n"),
        (&own, "Sec-Fetch-Site: cross-site\r\n"),
        ("localhost", ""),
        ("rebound.evil.test", ""),
        (&format!("rebound.evil.test:{}", scene.agent.port()), ""),
    ] {
        for target in ["/", "/proxy.pac", "/ca.pem", "//rp.test/"] {
            let answer = ask(target, host, line).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{target} {host} {line}: {answer}");
            assert!(!answer.contains("access-control") && !answer.contains("rp.test"), "{answer}");
        }
    }
    for target in ["https://rp.test/", "ftp://rp.test/", "http://user@rp.test/"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: rp.test\r\nConnection: close\r\n\r\n");
        let answer = exchange(scene.agent, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
}

#[tokio::test]
async fn a_way_back_to_itself_is_refused() {
    let scene = Scene::with(&[], |options| options.only = vec!["nothing.test".to_owned()]).await;
    let own = scene.agent;
    let request = format!("GET http://{own}/ HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n");
    let answer = exchange(own, &request).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert!(answer.contains("proxy_loop_detected"), "{answer}");
    let refused = scene.browser().try_tunnel(&own.to_string()).await.unwrap_err();
    assert!(refused.contains("proxy_loop_detected"), "{refused}");
}

#[tokio::test]
async fn a_target_that_is_no_server_is_refused() {
    let scene = Scene::new(&[]).await;
    for target in ["rp.test", "rp.test:0", "rp.test:99999", "user@rp.test:443", "a,b:443"] {
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = exchange(scene.agent, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
}

#[tokio::test]
async fn other_machines_are_kept_out_unless_confirmed() {
    let bind = async |allow_remote| {
        let mut options = AgentOptions::default();
        options.listen = ([0, 0, 0, 0], 0).into();
        options.allow_remote = allow_remote;
        Agent::bind(options, Authority::ephemeral().unwrap(), KeyStore::ephemeral()).await
    };
    let refused = bind(false).await.unwrap_err();
    assert!(matches!(&refused, Error::NotLoopback { .. }), "{refused}");
    assert!(bind(true).await.is_ok());
}

#[tokio::test]
async fn a_server_that_can_not_be_trusted_is_explained() {
    let site = Site::usual().await;
    let strangers =
        ConnectOptions::new().ca_certificate(Authority::ephemeral().unwrap().certificate().clone());
    let scene = Scene::with(&[("rp.test", &site)], |options| options.connect = strangers).await;
    let response = scene.browser().get("rp.test", "/").await;
    assert_eq!(response.status, 502);
    assert!(response.text().contains("https://rp.test"), "{}", response.text());
    assert!(response.text().contains("self-signed certificate"), "{}", response.text());
    assert_eq!(response.header("proxy-status"), Some("tokbind-agent; error=tls_protocol_error"));
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(site.connections(), 0);
}

#[tokio::test]
async fn a_server_of_another_name_is_explained() {
    let site = Site::usual().await;
    let scene = Scene::new(&[("stranger.test", &site)]).await;
    let response = scene.browser().get("stranger.test", "/").await;
    assert_eq!(response.status, 502);
    assert!(response.text().to_lowercase().contains("hostname mismatch"), "{}", response.text());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_explained() {
    // A port that nobody listens on any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let resolve = format!("rp.test:443:{gone}").parse().unwrap();
    let scene = Scene::with(&[], |options| options.resolve = vec![resolve]).await;
    let response = scene.browser().get("rp.test", "/").await;
    assert_eq!(response.status, 502);
    assert!(response.text().contains("Connection refused"), "{}", response.text());
    assert_eq!(response.header("proxy-status"), Some("tokbind-agent; error=destination_unavailable"));
}

#[tokio::test]
async fn what_only_does_not_name_is_passed_on_untouched() {
    let site = Site::usual().await;
    let sites = [("rp.test", &site), ("other.test", &site)];
    let scene = Scene::with(&sites, |options| options.only = vec!["rp.test".to_owned()]).await;
    let outside = Browser::new(scene.agent, certificate());

    // It is the site's own certificate, and whatever the client sends arrives.
    let tls = outside.tls("other.test", false).await.unwrap();
    assert_eq!(tls.peer_certificate().unwrap(), certificate());
    let request = Request::get("other.test", "/").header("Sec-Token-Binding", "AAAA");
    let response = Http1::new(tls).request(&request).await.unwrap();
    assert_eq!(response.header("x-message"), Some("AAAA"));

    assert!(scene.browser().tls("other.test", false).await.is_err());
    let response = scene.browser().get("rp.test", "/").await;
    assert!(response.header("x-provided").is_some());
    assert!(outside.tls("rp.test", false).await.is_err());
}

#[tokio::test]
async fn a_tunnel_without_tls_is_passed_on_untouched() {
    let site = Site::start(SiteOptions { tls: false, ..SiteOptions::default() }).await;
    let scene = Scene::new(&[]).await;
    let tcp = scene.browser().try_tunnel(&site.address.to_string()).await.unwrap();
    let request = Request::get("x", "/").header("Sec-Token-Binding", "AAAA");
    let response = Http1::over(tcp).request(&request).await.unwrap();
    assert_eq!((response.text().as_str(), response.header("x-tokens")), ("hello", Some("1")));
}

#[tokio::test]
async fn a_tunnel_is_for_one_server() {
    let site = Site::usual().await;
    let scene = Scene::new(&[("rp.test", &site), ("idp.test", &site)]).await;
    for host in ["idp.test", "rp.test:444", "user@rp.test", "", "rp.test, idp.test"] {
        let request = Request::get(host, "/");
        let response = scene.browser().http1("rp.test").await.request(&request).await.unwrap();
        assert_eq!(response.status, 421, "{host}");
    }
    let response =
        scene.browser().http2("rp.test").await.request(&Request::get("idp.test", "/")).await.unwrap();
    assert_eq!(response.status, 421);
    let twice = Request::get("rp.test", "/").header("Host", "rp.test");
    assert_eq!(scene.browser().http1("rp.test").await.request(&twice).await.unwrap().status, 421);
    for host in ["rp.test:443", "RP.test", "rp.test."] {
        assert_eq!(
            scene.browser().http1("rp.test").await.request(&Request::get(host, "/")).await.unwrap().status,
            200
        );
    }
}
