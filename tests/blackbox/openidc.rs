//! mod_auth_openidc, Debian's: browsers log in with every policy and flow, their sessions are bound to their keys, and a
//! stolen cookie is worth nothing.

use std::collections::HashSet;

use serde_json::{Value, json};
use tokbind::http1::Http1;
use tokbind::{Request, Response, binding};
use tokio::process::Command;

use httpd_harness::agent::Agent;
use httpd_harness::browser::{Browser, Page};
use httpd_harness::client::{connect, http1, http2, unbound};
use httpd_harness::httpd::{HOST, documented};
use httpd_harness::ports::free_port;
use httpd_harness::provider::{Flow, PROVIDER, SingleSignOn, provider_host, relying_party, start_provider};
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor, shown};

const PROTECTED: &str = "/app/env.cgi";
const ID: &str = "Sec_Provided_Token_Binding_ID";

/// Goes to the protected page, logs alice in at the provider, and gives the page she ends on.
async fn login(page: &mut Page, server: &Httpd) -> String {
    let url = format!("https://{HOST}:{}{PROTECTED}", server.port());
    page.command("Network.clearBrowserCookies", json!({})).await;
    assert_eq!(page.go(&url).await, 200, "the provider's form: {}", server.log());
    assert!(page.url().await.starts_with(&format!("https://{PROVIDER}:")), "{}", page.url().await);
    page.evaluate("document.querySelector('input[name=sub]').value = 'alice'").await;
    page.submit("form").await;
    page.arrive(&url).await;
    let text = page.text().await;
    assert_eq!(shown(&text, "OIDC_CLAIM_sub"), Some("alice"), "{text}\n{}", server.log());
    text
}

/// The protected page again, with the session that the browser has.
async fn visit(page: &mut Page, server: &Httpd) -> String {
    let url = format!("https://{HOST}:{}{PROTECTED}", server.port());
    assert_eq!(page.go(&url).await, 200, "{}", server.log());
    assert_eq!(page.url().await, url, "no login");
    page.text().await
}

/// `cnf.tbh` of the id_token that the page was reached with.
fn bound_to(page: &str) -> Option<String> {
    let payload = shown(page, "OIDC_id_token_payload").expect("mod_auth_openidc passes the id_token on");
    let claims: Value = serde_json::from_str(payload).unwrap();
    claims["cnf"]["tbh"].as_str().map(str::to_owned)
}

/// base64url(SHA-256(Token Binding ID)).
fn hash(id: &str) -> String {
    let id = token_binding::header::decode(id.as_bytes()).unwrap();
    token_binding::header::encode(&openssl::sha::sha256(&id))
}

/// A site that shows the id_token too.
fn site(policy: &'static str, flow: Flow) -> SingleSignOn {
    SingleSignOn {
        flow,
        directives: "OIDCPassIDTokenAs claims payload".into(),
        ..SingleSignOn::with_policy(policy)
    }
}

const POLICIES: [&str; 3] = ["optional", "required", "enforced"];

/// Logs in with the policy and the flow: session and id_token are bound to the browser's key, and stay so.
async fn logs_in(browser: &Browser, policy: &'static str, flow: Flow, is_http2: bool) {
    let site = site(policy, flow);
    let (server, _provider) =
        SingleSignOn { setup: Setup { http2: is_http2, ..site.setup }, ..site }.start().await;
    let mut page = browser.page().await;
    let first = login(&mut page, &server).await;
    let context = format!("{policy}, {flow:?}, HTTP/2: {is_http2}");
    let id = shown(&first, ID).unwrap_or_else(|| panic!("{context}: {first}"));
    assert_eq!(bound_to(&first), Some(hash(id)), "{context}");
    assert_eq!(shown(&first, "SERVER_PROTOCOL"), Some(if is_http2 { "HTTP/2.0" } else { "HTTP/1.1" }));
    let second = visit(&mut page, &server).await;
    assert_eq!(shown(&second, "OIDC_CLAIM_sub"), Some("alice"), "{context}: {second}");
    assert_eq!(shown(&second, ID), Some(id), "{context}");
    assert!(server.lines("TB10").is_empty(), "nothing was refused: {}", server.log());
}

#[tokio::test]
async fn chromium_69_logs_in_with_every_policy_and_flow_over_http_1_1() {
    let browser = Browser::start().await;
    for policy in POLICIES {
        for flow in [Flow::Code, Flow::FormPost] {
            logs_in(&browser, policy, flow, false).await;
        }
    }
}

#[tokio::test]
async fn chromium_69_logs_in_with_every_policy_and_flow_over_http_2() {
    let browser = Browser::start().await;
    for policy in POLICIES {
        for flow in [Flow::Code, Flow::FormPost] {
            logs_in(&browser, policy, flow, true).await;
        }
    }
}

/// Today's Chromium has no Token Binding; behind the agent, session and id_token are bound all the same.
#[tokio::test]
async fn todays_chromium_behind_the_agent_logs_in_with_every_policy_and_flow() {
    for policy in POLICIES {
        for flow in [Flow::Code, Flow::FormPost] {
            let (server, _provider) = site(policy, flow).start().await;
            let agent = Agent::start(&server).await;
            let browser = agent.browser().await;
            let mut page = browser.page().await;
            let first = login(&mut page, &server).await;
            let id = shown(&first, ID).unwrap_or_else(|| panic!("{policy}, {flow:?}: {first}"));
            assert_eq!(bound_to(&first), Some(hash(id)), "{policy}, {flow:?}");
            assert_eq!(shown(&visit(&mut page, &server).await, ID), Some(id));
        }
    }
}

/// Each request on a connection of its own, resumed from the one before; then a graceful restart.
#[tokio::test]
async fn a_session_survives_other_connections_resumption_and_a_graceful_restart() {
    let mut site = SingleSignOn::with_policy("enforced");
    site.setup = Setup { http2: false, global: "KeepAlive Off".into(), ..site.setup };
    site.directives = "SSLOptions +StdEnvVars\nSSLSessionTickets Off".into();
    let (server, _provider) = site.start().await;
    let browser = Browser::start().await;
    let mut page = browser.page().await;
    let mut seen = vec![login(&mut page, &server).await];
    seen.push(visit(&mut page, &server).await);
    server.restart();
    seen.push(visit(&mut page, &server).await);
    seen.push(visit(&mut page, &server).await);
    let of =
        |name: &str| -> Vec<&str> { seen.iter().map(|text| shown(text, name).unwrap_or("none")).collect() };
    let mut ports = of("REMOTE_PORT");
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), seen.len(), "a connection each: {ports:?}");
    assert!(of("SSL_SESSION_RESUMED").contains(&"Resumed"), "{:?}", of("SSL_SESSION_RESUMED"));
    assert_eq!(of("OIDC_CLAIM_sub"), ["alice"; 4]);
    assert!(of(ID).iter().all(|id| *id == of(ID)[0] && *id != "none"), "{:?}", of(ID));
}

#[tokio::test]
async fn a_session_survives_a_graceful_restart_over_http_2() {
    let (server, _provider) = SingleSignOn::with_policy("enforced").start().await;
    let browser = Browser::start().await;
    let mut page = browser.page().await;
    let before = login(&mut page, &server).await;
    server.restart();
    let after = visit(&mut page, &server).await;
    assert_ne!(shown(&before, "REMOTE_PORT"), shown(&after, "REMOTE_PORT"), "another connection");
    assert_eq!(shown(&after, "OIDC_CLAIM_sub"), Some("alice"), "{after}");
    assert_eq!(shown(&after, ID), shown(&before, ID));
}

/// Relying party and provider share address and certificate: the browser uses one HTTP/2 connection for both, with a key
/// for each, and nobody mixes them up.
#[tokio::test]
async fn relying_party_and_provider_on_one_http_2_connection() {
    let mut site = site("enforced", Flow::Code);
    site.setup.global =
        "CustomLog @DIR@/access.log \"%V %{remote}p %{Sec-Provided-Token-Binding-ID}e\"".into();
    let (server, _provider) = site.start().await;
    let browser = Browser::trusting().await;
    let mut page = browser.page().await;
    let text = login(&mut page, &server).await;
    let id = shown(&text, ID).unwrap();
    assert_eq!(bound_to(&text), Some(hash(id)));
    let log = std::fs::read_to_string(server.dir().join("access.log")).unwrap();
    let of = |host: &str| -> (HashSet<String>, HashSet<String>) {
        log.lines()
            .filter_map(|line| line.strip_prefix(host)?.trim_start().split_once(' '))
            .map(|(port, id)| (port.to_owned(), id.to_owned()))
            .unzip()
    };
    let ((ports, ids), (provider_ports, provider_ids)) = (of(HOST), of(PROVIDER));
    assert_eq!((ports.len(), ids.len()), (1, 1), "{log}");
    assert_eq!(ports, provider_ports, "one connection:\n{log}");
    assert_eq!(provider_ids.len(), 1, "{log}");
    assert!(ids.is_disjoint(&provider_ids), "a key for each:\n{log}");
}

fn with_cookie(request: Request, cookie: &str) -> Request {
    request.header("Cookie", cookie)
}

/// Whether this answer is the protected page, as alice.
fn is_inside(page: &Response) -> bool {
    page.status == 200 && shown(&page.text(), "OIDC_CLAIM_sub") == Some("alice")
}

/// The session's cookie, as a thief would copy it.
async fn stolen(page: &mut Page) -> String {
    let cookie = page.cookies(HOST).await;
    assert!(cookie.contains("mod_auth_openidc_session="), "{cookie}");
    cookie
}

/// Uses the stolen cookie in every way that a thief has. All of them must end outside.
async fn assert_worthless(server: &Httpd, cookie: &str) {
    let thief = Visitor::new();
    let mut one = http1(server).await;
    let ekm = one.get_ref().ekm().unwrap();
    let page = one.request(&with_cookie(thief.get(&ekm, PROTECTED), cookie)).await.unwrap();
    assert!(!is_inside(&page), "with a key of the thief's own: {}", page.text());

    let two = http2(server).await;
    let page = two.request(&with_cookie(thief.get(two.ekm(), PROTECTED), cookie)).await.unwrap();
    assert!(!is_inside(&page), "over HTTP/2: {}", page.text());

    let mut plain = Http1::new(connect(server, &unbound()).await);
    let page = plain.request(&with_cookie(Request::get(HOST, PROTECTED), cookie)).await.unwrap();
    assert!(!is_inside(&page), "without Token Binding: {}", page.text());

    let forged = with_cookie(Request::get(HOST, PROTECTED), cookie)
        .header("Sec-Provided-Token-Binding-ID", thief.id())
        .header("Sec_Provided_Token_Binding_ID", thief.id());
    let page = plain.request(&forged).await.unwrap();
    assert!(!is_inside(&page), "with forged headers: {}", page.text());

    let page = curl(server, cookie).await;
    assert!(!page.contains("OIDC_CLAIM_sub"), "from curl: {page}");
}

async fn curl(server: &Httpd, cookie: &str) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--max-time", "20", "--cookie", cookie])
        .args(["--resolve", &format!("{HOST}:{}:127.0.0.1", server.port())])
        .arg(format!("https://{HOST}:{}{PROTECTED}", server.port()))
        .output()
        .await
        .expect("curl can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The same theft with each policy: it is the session that is bound, whatever is asked of the id_token.
#[tokio::test]
async fn a_stolen_session_cookie_is_refused_from_any_other_client() {
    let browser = Browser::start().await;
    for policy in ["disabled"].into_iter().chain(POLICIES) {
        let (mut server, _provider) = SingleSignOn::with_policy(policy).start().await;
        server.announce("auth_openidc:error");
        let mut page = browser.page().await;
        login(&mut page, &server).await;
        let cookie = stolen(&mut page).await;
        assert_worthless(&server, &cookie).await;
        // An administrator sees why.
        assert!(
            server.log().contains("Provided Token Binding ID stored in the session doesn't match"),
            "{}",
            server.log()
        );
        // And the owner still has the session.
        assert_eq!(shown(&visit(&mut page, &server).await, "OIDC_CLAIM_sub"), Some("alice"));
    }
}

#[tokio::test]
async fn a_cookie_stolen_from_todays_chromium_behind_the_agent_is_refused() {
    let (mut server, _provider) = SingleSignOn::default().start().await;
    server.announce("auth_openidc:error");
    let agent = Agent::start(&server).await;
    let browser = agent.browser().await;
    let mut page = browser.page().await;
    login(&mut page, &server).await;
    let cookie = stolen(&mut page).await;
    assert_worthless(&server, &cookie).await;
}

/// The control: without the module the same theft succeeds.
#[tokio::test]
async fn without_the_module_the_theft_succeeds() {
    let (server, _provider) = SingleSignOn::default().without_module().start().await;
    let browser = Browser::start().await;
    let mut page = browser.page().await;
    login(&mut page, &server).await;
    let cookie = stolen(&mut page).await;
    let mut plain = Http1::new(connect(&server, &unbound()).await);
    let page = plain.request(&with_cookie(Request::get(HOST, PROTECTED), &cookie)).await.unwrap();
    assert!(is_inside(&page), "{}", page.text());
    assert!(curl(&server, &cookie).await.contains("OIDC_CLAIM_sub=alice"));
}

/// A message that the thief overheard as well, the victim's own, does not help on another connection.
#[tokio::test]
async fn the_victims_own_message_does_not_help_the_thief() {
    let mut site = SingleSignOn::with_policy("optional");
    // Tells what passes here, as a thief inside the server's network would see it.
    site.directives = "CustomLog @DIR@/overheard.log \"%{Sec-Token-Binding}i %{Cookie}i\"".into();
    let (server, _provider) = site.start().await;
    let victim = Visitor::new();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let message = victim.header(&ekm);
    let request = victim.get(&ekm, "/page.html");
    assert_eq!(http.request(&request).await.unwrap().status, 200);
    let heard = std::fs::read_to_string(server.dir().join("overheard.log")).unwrap();
    assert!(!heard.contains(&message), "httpd's own log does not have it");

    for replayed in [Request::get(HOST, PROTECTED), Request::get(HOST, "/page.html")] {
        let replayed = replayed.header(binding::SEC_TOKEN_BINDING, &message);
        let mut one = http1(&server).await;
        assert_eq!(one.request(&replayed).await.unwrap().status, 400);
        let two = http2(&server).await;
        assert_eq!(two.request(&replayed).await.unwrap().status, 400);
    }
    let line = server.line("TB105");
    assert!(line.contains("not valid for this connection"), "{line}");
}

/// A relying party on a backend without TLS: the proxy verifies, the backend takes its word.
#[tokio::test]
async fn a_session_behind_a_reverse_proxy_is_bound_all_the_same() {
    const PROXY: &str = "127.0.0.9";
    let port = free_port();
    let front_port = free_port();
    let directives = format!(
        "{}\n{}\nOIDCXForwardedHeaders X-Forwarded-Proto X-Forwarded-Host\nScriptAlias /app/ @DIR@/htdocs/",
        documented("proxy-back.conf", &[("10.0.0.2", PROXY)]),
        relying_party(&front_port.to_string(), "enforced"),
    );
    let mut backend = Setup { virtual_hosts: vec![VirtualHost::plain(HOST, directives)], ..Setup::default() };
    backend.modules.extend(["auth_openidc", "remoteip"]);
    let mut backend = backend.start();
    backend.announce("auth_openidc:error");
    let origin = format!("http://127.0.0.1:{}", backend.port());
    let proxying = format!(
        "ProxySourceAddress {PROXY}\n{}",
        documented("proxy-front.conf", &[("http://10.0.0.3", &origin)])
    );
    let front = Setup {
        port: Some(front_port),
        virtual_hosts: vec![VirtualHost::tls(HOST, proxying), provider_host(port)],
        ..Setup::default()
    }
    .start();
    let _provider = start_provider(port, &front).await;
    let browser = Browser::start().await;
    let mut page = browser.page().await;
    let first = login(&mut page, &front).await;
    let id = shown(&first, ID).unwrap_or_else(|| panic!("{first}")).to_owned();
    assert_eq!(shown(&visit(&mut page, &front).await, ID), Some(id.as_str()));
    let cookie = stolen(&mut page).await;
    assert_worthless(&front, &cookie).await;
    // Nor does it help to reach the backend itself with the victim's ID, which is no secret.
    let mut direct = Http1::over(tokio::net::TcpStream::connect(backend.address()).await.unwrap());
    let forged = with_cookie(Request::get(HOST, PROTECTED), &cookie)
        .header("Sec-Provided-Token-Binding-ID", &id)
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-For", PROXY);
    let page = direct.request(&forged).await.unwrap();
    assert!(!is_inside(&page), "{}", page.text());
    backend.line("TB109");
}
