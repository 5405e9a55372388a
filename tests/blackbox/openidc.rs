//! mod_auth_openidc, Debian's: its session is bound to the browser's key, and the stolen cookie is worth nothing. The
//! provider is oidc-provider-mock.

use std::process::Stdio;

use serde_json::json;
use tokbind::http1::Http1;
use tokbind::{Request, binding};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::agent::Agent;
use crate::support::browser::Browser;
use crate::support::client::{connect, http1, http2, unbound};
use crate::support::httpd::{HOST, PATIENCE, free_port};
use crate::support::{Httpd, Setup, Visitor, setup, shown};

/// A running OpenID Provider with one user, alice. It ends when it goes out of scope.
struct Provider {
    _process: Child,
    port: u16,
}

impl Provider {
    async fn start() -> Self {
        let port = free_port();
        let process = Command::new(setup::python())
            .args(["-W", "ignore", "-m", "oidc_provider_mock", "--port", &port.to_string()])
            .args(["--user-claims", r#"{"sub": "alice", "email": "alice@example.test"}"#])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the provider can be run");
        tokio::time::timeout(PATIENCE, async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("the provider takes connections");
        Self { _process: process, port }
    }
}

/// A relying party: everything below /app needs a login.
fn relying_party(provider: &Provider, with_module: bool, policy: &str) -> Httpd {
    let issuer = format!("http://127.0.0.1:{}", provider.port);
    let directives = format!(
        "OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration\n\
         OIDCProviderIssuer {issuer}\n\
         OIDCClientID client\nOIDCClientSecret secret\n\
         OIDCRedirectURI https://{HOST}:@PORT@/app/callback\n\
         OIDCCryptoPassphrase a-passphrase-for-the-tests\n\
         OIDCSessionType client-cookie\n\
         OIDCTokenBindingPolicy {policy}\n\
         <Location /app>\n  AuthType openid-connect\n  Require valid-user\n</Location>\n\
         ScriptAlias /app/ @DIR@/htdocs/"
    );
    let mut setup = Setup::with(&directives);
    setup.modules.push("auth_openidc");
    if !with_module {
        setup.module = None;
    }
    setup.start()
}

/// Logs alice in with Chromium 69, and gives the session's cookie as a thief would copy it.
async fn login(server: &Httpd) -> (Browser, String) {
    login_with(Browser::start().await, server).await
}

async fn login_with(browser: Browser, server: &Httpd) -> (Browser, String) {
    let mut page = browser.page().await;
    let url = format!("https://{HOST}:{}/app/env.cgi", server.port());
    assert_eq!(page.go(&url).await, 200, "the provider's form: {}", server.log());
    page.evaluate("document.querySelector('input[name=sub]').value = 'alice'").await;
    page.command("Network.clearBrowserCache", json!({})).await;
    page.submit("form").await;
    let text = page.text().await;
    assert_eq!(page.url().await, url, "{text}\n{}", server.log());
    assert_eq!(shown(&text, "REMOTE_USER").map(|user| user.starts_with("alice")), Some(true), "{text}");
    // The session works for its owner on any connection.
    assert_eq!(page.go(&url).await, 200);
    assert_eq!(shown(&page.text().await, "OIDC_CLAIM_sub"), Some("alice"));
    let cookie = page.cookies(HOST).await;
    assert!(cookie.contains("mod_auth_openidc_session="), "{cookie}");
    (browser, cookie)
}

fn with_cookie(request: Request, cookie: &str) -> Request {
    request.header("Cookie", cookie)
}

/// Is this answer the protected page, as alice?
fn is_inside(page: &tokbind::Response) -> bool {
    page.status == 200 && shown(&page.text(), "OIDC_CLAIM_sub") == Some("alice")
}

const PROTECTED: &str = "/app/env.cgi";

#[tokio::test]
async fn a_stolen_session_cookie_is_refused_from_any_other_client() {
    let provider = Provider::start().await;
    let mut server = relying_party(&provider, true, "optional");
    server.announce("auth_openidc:error");
    let (_browser, cookie) = login(&server).await;

    let thief = Visitor::new();
    let mut one = http1(&server).await;
    let ekm = one.get_ref().ekm().unwrap();
    let page = one.request(&with_cookie(thief.get(&ekm, PROTECTED), &cookie)).await.unwrap();
    assert!(!is_inside(&page), "with a key of the thief's own: {}", page.text());

    let two = http2(&server).await;
    let page = two.request(&with_cookie(thief.get(two.ekm(), PROTECTED), &cookie)).await.unwrap();
    assert!(!is_inside(&page), "over HTTP/2: {}", page.text());

    let mut plain = Http1::new(connect(&server, &unbound()).await);
    let page = plain.request(&with_cookie(Request::get(HOST, PROTECTED), &cookie)).await.unwrap();
    assert!(!is_inside(&page), "without Token Binding: {}", page.text());

    let forged = with_cookie(Request::get(HOST, PROTECTED), &cookie)
        .header("Sec-Provided-Token-Binding-ID", thief.id())
        .header("Sec_Provided_Token_Binding_ID", thief.id());
    let page = plain.request(&forged).await.unwrap();
    assert!(!is_inside(&page), "with forged headers: {}", page.text());

    let page = curl(&server, &cookie).await;
    assert!(!page.contains("OIDC_CLAIM_sub"), "from curl: {page}");
}

/// The control: without the module the same theft succeeds.
#[tokio::test]
async fn without_the_module_the_theft_succeeds() {
    let provider = Provider::start().await;
    let server = relying_party(&provider, false, "optional");
    let (_browser, cookie) = login(&server).await;
    let mut plain = Http1::new(connect(&server, &unbound()).await);
    let page = plain.request(&with_cookie(Request::get(HOST, PROTECTED), &cookie)).await.unwrap();
    assert!(is_inside(&page), "{}", page.text());
    assert!(curl(&server, &cookie).await.contains("OIDC_CLAIM_sub=alice"));
}

/// Today's Chromium has no Token Binding; behind the agent, its session is bound all the same.
#[tokio::test]
async fn a_cookie_stolen_from_todays_chromium_behind_the_agent_is_refused() {
    let provider = Provider::start().await;
    let mut server = relying_party(&provider, true, "optional");
    server.announce("auth_openidc:error");
    let agent = Agent::start(&server).await;
    let (_browser, cookie) = login_with(agent.browser().await, &server).await;

    let mut plain = Http1::new(connect(&server, &unbound()).await);
    let page = plain.request(&with_cookie(Request::get(HOST, PROTECTED), &cookie)).await.unwrap();
    assert!(!is_inside(&page), "without Token Binding: {}", page.text());
    let mut one = http1(&server).await;
    let ekm = one.get_ref().ekm().unwrap();
    let page = one.request(&with_cookie(Visitor::new().get(&ekm, PROTECTED), &cookie)).await.unwrap();
    assert!(!is_inside(&page), "with a key of the thief's own: {}", page.text());
}

/// A message that the thief overheard as well does not help on another connection.
#[tokio::test]
async fn a_stolen_message_does_not_help_the_thief() {
    let provider = Provider::start().await;
    let server = relying_party(&provider, true, "optional");
    let (_browser, cookie) = login(&server).await;
    let overheard = {
        let http = http1(&server).await;
        Visitor::new().header(&http.get_ref().ekm().unwrap())
    };
    let mut one = http1(&server).await;
    let request =
        with_cookie(Request::get(HOST, PROTECTED), &cookie).header(binding::SEC_TOKEN_BINDING, overheard);
    assert_eq!(one.request(&request).await.unwrap().status, 400);
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
