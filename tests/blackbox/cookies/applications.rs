//! Applications that know nothing of Token Binding, with the configurations of docs/cookies.md.

use serde_json::json;
use tokbind::{Request, binding};

use httpd_harness::browser::Browser;
use httpd_harness::client::http1;
use httpd_harness::cookies::{SECRET, is_sealed, set_cookies};
use httpd_harness::httpd::{HOST, documented};
use httpd_harness::php::{self, PhpFpm};
use httpd_harness::provider::{NO_POLICY, Provider, SingleSignOn};
use httpd_harness::session::{PROTOCOLS, Session, fetch};
use httpd_harness::{Httpd, Setup, Visitor, shown};

/// A session as PHP's own manual shows it.
const SESSION: &str = "<?php
session_start();
header('Content-Type: text/plain');
if (isset($_POST['user'])) { $_SESSION['user'] = $_POST['user']; }
echo isset($_SESSION['user']) ? \"hello {$_SESSION['user']}\\n\" : \"log in\\n\";
";

fn php(binding: &str) -> (Httpd, PhpFpm) {
    let mut setup = Setup::with(&(php::directives() + binding));
    setup.modules.extend(php::MODULES);
    setup.secrets = vec![("secret", SECRET.into())];
    let server = setup.start();
    server.script("session.php", SESSION);
    let fpm = PhpFpm::start(&server);
    (server, fpm)
}

/// Logs alice in: the session's cookie.
async fn log_in(server: &Httpd, visitor: &Visitor) -> String {
    let mut http = http1(server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let request = Request::new("POST", HOST, "/session.php")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header(binding::SEC_TOKEN_BINDING, visitor.header(&ekm))
        .body("user=alice");
    let answer = http.request(&request).await.unwrap();
    assert_eq!(answer.text(), "hello alice\n", "{}", server.log());
    set_cookies(&answer).pop().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_php_session_is_bound_and_the_program_does_not_know() {
    for policy in ["optional", "required"] {
        let (server, _fpm) =
            php(&documented("cookies.conf", &[("Policy optional", &format!("Policy {policy}"))]));
        let (owner, thief) = (Visitor::new(), Visitor::new());
        let cookie = log_in(&server, &owner).await;
        assert!(cookie.starts_with("PHPSESSID=") && is_sealed(&cookie), "{cookie}");
        let (_, id) = cookie.rsplit_once('.').unwrap();
        for protocol in PROTOCOLS {
            let mut session = Session::open(&server, protocol, Some(&owner)).await;
            assert_eq!(session.get("/session.php", &cookie).await.text(), "hello alice\n");
            for somebody in [Some(&thief), None] {
                // The session's own ID is of no use either, under any name that PHP takes for this one.
                for stolen in
                    [&cookie, &format!("PHPSESSID={id}"), &format!("PHPSESSID ={id}; PHPSESSID[={id}")]
                {
                    let page = fetch(&server, protocol, somebody, "/session.php", stolen).await;
                    assert_eq!(page.text(), "log in\n", "{stolen}");
                }
            }
        }
    }
}

/// The control.
#[tokio::test]
async fn without_a_bound_cookie_the_php_session_is_stolen() {
    let (server, _fpm) = php("");
    let cookie = log_in(&server, &Visitor::new()).await;
    for protocol in PROTOCOLS {
        for somebody in [Some(&Visitor::new()), None] {
            assert_eq!(
                fetch(&server, protocol, somebody, "/session.php", &cookie).await.text(),
                "hello alice\n"
            );
        }
    }
}

const PROTECTED: &str = "/app/env.cgi";

/// mod_auth_openidc without any Token Binding of its own: versions from 2.4.15 on look at no ID, and older ones see none.
/// Chromium 69 logs in; the cookies it got.
async fn single_sign_on(directives: &str) -> (Httpd, Provider, Browser, String) {
    let mut site = SingleSignOn::with_policy(NO_POLICY);
    site.setup.secrets = vec![("secret", SECRET.into())];
    site.directives = format!("TokenBindingPassVar none\n{directives}");
    let (server, provider) = site.start().await;
    let browser = Browser::start().await;
    let mut page = browser.page().await;
    let url = format!("https://{HOST}:{}{PROTECTED}", server.port());
    page.command("Network.clearBrowserCookies", json!({})).await;
    assert_eq!(page.go(&url).await, 200, "{}", server.log());
    page.evaluate("document.querySelector('input[name=sub]').value = 'alice'").await;
    page.submit("form").await;
    page.arrive(&url).await;
    // And again, with the session alone.
    assert_eq!(page.go(&url).await, 200);
    assert_eq!(shown(&page.text().await, "OIDC_CLAIM_sub"), Some("alice"), "{}", server.log());
    let cookies = page.cookies(HOST).await;
    (server, provider, browser, cookies)
}

#[tokio::test]
async fn a_session_of_mod_auth_openidc_is_bound_without_its_help() {
    let (server, _provider, _browser, cookies) =
        single_sign_on(&documented("cookies-openidc.conf", &[])).await;
    let session = cookies.split("; ").find(|cookie| cookie.starts_with("mod_auth_openidc_session="));
    assert!(is_sealed(session.unwrap_or_else(|| panic!("{cookies}"))), "{cookies}");
    for protocol in PROTOCOLS {
        for somebody in [Some(&Visitor::new()), None] {
            let page = fetch(&server, protocol, somebody, PROTECTED, &cookies).await;
            // 401: a program is told so, where a browser is sent to the provider.
            assert_eq!(page.status, 401, "{}", page.text());
        }
    }
    assert!(server.line("TB301").contains("mod_auth_openidc_session"), "{}", server.line("TB301"));
}

/// The control.
#[tokio::test]
async fn without_a_bound_cookie_the_session_of_mod_auth_openidc_is_stolen() {
    let (server, _provider, _browser, cookies) = single_sign_on("").await;
    for protocol in PROTOCOLS {
        for somebody in [Some(&Visitor::new()), None] {
            let page = fetch(&server, protocol, somebody, PROTECTED, &cookies).await;
            assert_eq!(shown(&page.text(), "OIDC_CLAIM_sub"), Some("alice"));
        }
    }
}
