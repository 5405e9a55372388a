//! Applications that know nothing of it, with today's Chromium: mod_auth_openidc, PHP, mod_session, a proxied one.

use std::time::Duration;

use httpd_harness::browser::{Browser, Page};
use httpd_harness::cookies::{SECRET, SET_COOKIE, seen, setup};
use httpd_harness::device::SHORT_LIVED;
use httpd_harness::httpd::{HOST, PATIENCE, documented};
use httpd_harness::php::{self, PhpFpm};
use httpd_harness::provider::{Flow, NO_POLICY, SingleSignOn};
use httpd_harness::session::{PROTOCOLS, fetch};
use httpd_harness::{Httpd, Setup, VirtualHost, shown};

/// Visits a page until the browser has proved its key, and the cookie of this name is bound to it.
async fn become_bound(page: &mut Page, server: &Httpd, url: &str, name: &str) {
    let bound = tokio::time::timeout(PATIENCE, async {
        while !page.cookies(HOST).await.contains(&format!("{name}=tb2d")) {
            assert_eq!(page.go(url).await, 200, "{}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    bound.await.unwrap_or_else(|_| panic!("{name} is not bound:\n{}", server.log()));
}

/// What a thief has, when the short-lived cookie has run out.
fn without_proof(cookies: &str) -> String {
    cookies.split("; ").filter(|cookie| !cookie.starts_with(SHORT_LIVED)).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn mod_auth_openidc_logs_in_by_code_and_by_form_and_its_session_is_bound() {
    const PROTECTED: &str = "/app/env.cgi";
    for flow in [Flow::Code, Flow::FormPost] {
        for is_on in [true, false] {
            let mut site = SingleSignOn { flow, ..SingleSignOn::with_policy(NO_POLICY) };
            site.setup.secrets = vec![("secret", SECRET.into())];
            if is_on {
                let cookies = documented("cookies-openidc.conf", &[]);
                site.directives = format!("TokenBindingDBSC On\n{cookies}");
            }
            let (server, _provider) = site.start().await;
            let browser = Browser::with_dbsc().await;
            let mut page = browser.page().await;
            let url = format!("https://{HOST}:{}{PROTECTED}", server.port());
            assert_eq!(page.go(&url).await, 200, "{}", server.log());
            page.evaluate("document.querySelector('input[name=sub]').value = 'alice'").await;
            page.submit("form").await;
            page.arrive(&url).await;
            assert_eq!(
                shown(&page.text().await, "OIDC_CLAIM_sub"),
                Some("alice"),
                "{flow:?}\n{}",
                server.log()
            );
            if is_on {
                become_bound(&mut page, &server, &url, "mod_auth_openidc_session").await;
                page.forget_cookie(HOST, SHORT_LIVED).await;
                assert_eq!(page.go(&url).await, 200);
                assert_eq!(shown(&page.text().await, "OIDC_CLAIM_sub"), Some("alice"), "after a refresh");
            }
            let stolen = without_proof(&page.cookies(HOST).await);
            for protocol in PROTOCOLS {
                let page = fetch(&server, protocol, None, PROTECTED, &stolen).await;
                // 401: a program is told so, where a browser is sent to the provider.
                assert_eq!(page.status, if is_on { 401 } else { 200 }, "{flow:?}, {is_on}");
            }
            // The proof has run out while the visitor is at the provider, whose form comes from another site.
            if is_on {
                page.forget_cookie(HOST, "mod_auth_openidc_session").await;
                page.go(&url).await;
                page.evaluate("document.querySelector('input[name=sub]').value = 'alice'").await;
                page.forget_cookie(HOST, SHORT_LIVED).await;
                page.submit("form").await;
                page.arrive(&url).await;
                assert_eq!(
                    shown(&page.text().await, "OIDC_CLAIM_sub"),
                    Some("alice"),
                    "{flow:?}\n{}",
                    server.log()
                );
            }
        }
    }
}

const SESSION: &str = "<?php
session_start();
header('Content-Type: text/plain');
if (isset($_POST['user'])) { $_SESSION['user'] = $_POST['user']; session_regenerate_id(true); }
echo isset($_SESSION['user']) ? \"hello {$_SESSION['user']}\\n\" : \"log in\\n\";
";

/// The session's id changes at the login, as it should.
#[tokio::test]
async fn a_php_session_is_bound() {
    let mut setup = Setup::with(&(php::directives() + &documented("browsers.conf", &[])));
    setup.modules.extend(php::MODULES);
    setup.secrets = vec![("secret", SECRET.into())];
    let server = setup.start();
    server.script("session.php", SESSION);
    let _fpm = PhpFpm::start(&server);
    let browser = Browser::with_dbsc().await;
    let mut page = browser.page().await;
    let url = format!("https://{HOST}:{}/session.php", server.port());
    assert_eq!(page.go(&url).await, 200, "{}", server.log());
    page.evaluate("document.body.innerHTML = '<form method=post><input name=user value=alice></form>'").await;
    assert_eq!(page.submit("form").await, 200);
    assert_eq!(page.text().await.trim(), "hello alice");
    become_bound(&mut page, &server, &url, "PHPSESSID").await;
    page.forget_cookie(HOST, SHORT_LIVED).await;
    page.go(&url).await;
    assert_eq!(page.text().await.trim(), "hello alice");
    let stolen = without_proof(&page.cookies(HOST).await);
    for protocol in PROTOCOLS {
        assert_eq!(fetch(&server, protocol, None, "/session.php", &stolen).await.text(), "log in\n");
    }
}

/// httpd's own sessions, and an application behind it.
#[tokio::test]
async fn mod_session_and_a_proxied_application_are_bound() {
    let backend =
        Setup { module: None, virtual_hosts: vec![VirtualHost::plain(HOST, "")], ..Setup::default() };
    let backend = backend.start();
    backend.script("set.cgi", SET_COOKIE);
    let mut setup = setup(&format!(
        "TokenBindingCookie sid session\nTokenBindingDBSC On\nProxyPass /app/ http://127.0.0.1:{}/\n\
         <Location />\nSession On\nSessionCookieName session path=/\nSessionHeader X-Session\n\
         SessionEnv On\n</Location>",
        backend.port()
    ));
    setup.modules.extend(["session", "session_cookie"]);
    let server = setup.start();
    server.script("in.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\nX-Session: user=alice\\n\\n'\n");
    let browser = Browser::with_dbsc().await;
    let mut page = browser.page().await;
    let url = |path: &str| format!("https://{HOST}:{}{path}", server.port());
    page.go(&url("/in.cgi")).await;
    become_bound(&mut page, &server, &url("/env.cgi"), "session").await;
    page.go(&url("/app/set.cgi?sid=alice")).await;
    become_bound(&mut page, &server, &url("/app/env.cgi"), "sid").await;
    page.forget_cookie(HOST, SHORT_LIVED).await;
    page.go(&url("/app/env.cgi")).await;
    let text = page.text().await;
    assert!(shown(&text, "HTTP_COOKIE").unwrap().contains("sid=alice"), "{text}");
    let key = shown(&text, "HTTP_SEC_DEVICE_BOUND_SESSION_KEY").map(str::to_owned);
    assert!(key.is_some(), "the backend is told the key: {text}");
    page.go(&url("/env.cgi")).await;
    assert!(shown(&page.text().await, "HTTP_SESSION").unwrap().contains("user=alice"));
    let stolen = without_proof(&page.cookies(HOST).await);
    for protocol in PROTOCOLS {
        assert_eq!(seen(&fetch(&server, protocol, None, "/app/env.cgi", &stolen).await), None);
        let page = fetch(&server, protocol, None, "/env.cgi", &stolen).await;
        assert!(!page.text().contains("user=alice"), "{}", page.text());
    }
}
