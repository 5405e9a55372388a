//! Virtual hosts that have one secret: each takes its own seals, unless they are told to share.

use tokbind::Request;

use httpd_harness::cookies::{SECRET, SET_COOKIE, is_sealed, jar, seen};
use httpd_harness::session::{PROTOCOLS, Protocol, Session};
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor};

const A: &str = "www.bound.test";
const B: &str = "other.bound.test";

/// Names and secret in the main server; the hosts say nothing, or this.
fn server(a: &str, b: &str) -> Httpd {
    let server = Setup {
        global: "TokenBindingCookie sid\nTokenBindingCookieSecret file:secret".into(),
        virtual_hosts: vec![VirtualHost::tls(A, a), VirtualHost::tls(B, b)],
        secrets: vec![("secret", SECRET.into())],
        ..Setup::default()
    }
    .start();
    server.script("set.cgi", SET_COOKIE);
    server
}

async fn get(
    server: &Httpd,
    protocol: Protocol,
    visitor: Option<&Visitor>,
    request: Request,
) -> tokbind::Response {
    // The certificate is for all of them: requests for several hosts come on connections to one.
    Session::open(server, protocol, visitor).await.send(request).await
}

#[tokio::test]
async fn a_seal_of_another_virtual_host_is_not_taken() {
    let server = server("", "");
    // What a tenant of the other host can do: `.htaccess` with a victim's value, for the thief's key.
    server.document("mine/.htaccess", "Header always set Set-Cookie \"sid=victims\"\n");
    server.document("mine/page.html", "mine");
    for protocol in PROTOCOLS {
        for thief in [Some(&Visitor::new()), None] {
            let page = get(&server, protocol, thief, Request::get(B, "/mine/page.html")).await;
            let cookie = jar(&page);
            assert!(is_sealed(&cookie), "{cookie}");
            let page =
                get(&server, protocol, thief, Request::get(B, "/env.cgi").header("Cookie", &cookie)).await;
            assert_eq!(seen(&page).as_deref(), Some("sid=victims"), "its own host takes it");
            let page =
                get(&server, protocol, thief, Request::get(A, "/env.cgi").header("Cookie", &cookie)).await;
            assert_eq!(seen(&page), None, "{protocol:?}");
        }
    }
    let line = server.line("TB301");
    assert!(line.contains("sid: sealed for another") && line.contains("TokenBindingCookieRealm"), "{line}");
}

#[tokio::test]
async fn hosts_of_one_realm_share() {
    for (a, b) in [
        ("TokenBindingCookieRealm bound.test", "TokenBindingCookieRealm Bound.Test"),
        ("", "TokenBindingCookieRealm www.bound.test"),
    ] {
        let server = server(a, b);
        let visitor = Visitor::new();
        for protocol in PROTOCOLS {
            for (from, to) in [(A, B), (B, A)] {
                let page =
                    get(&server, protocol, Some(&visitor), Request::get(from, "/set.cgi?sid=alice")).await;
                let request = Request::get(to, "/env.cgi").header("Cookie", jar(&page));
                let page = get(&server, protocol, Some(&visitor), request).await;
                assert_eq!(seen(&page).as_deref(), Some("sid=alice"));
            }
        }
    }
    let main = "TokenBindingCookieRealm for-all";
    let inherited = Setup {
        global: format!("{main}\nTokenBindingCookie sid\nTokenBindingCookieSecret file:secret"),
        virtual_hosts: vec![VirtualHost::tls(A, ""), VirtualHost::tls(B, "")],
        secrets: vec![("secret", SECRET.into())],
        ..Setup::default()
    }
    .start();
    inherited.script("set.cgi", SET_COOKIE);
    let page = get(&inherited, Protocol::Http1, None, Request::get(A, "/set.cgi?sid=alice")).await;
    let request = Request::get(B, "/env.cgi").header("Cookie", jar(&page));
    assert_eq!(seen(&get(&inherited, Protocol::Http1, None, request).await).as_deref(), Some("sid=alice"));
}

/// A farm's nodes, and a site's ports, agree on the realm by the name.
#[tokio::test]
async fn the_port_of_a_server_name_and_its_case_do_not_matter() {
    let one = Setup { virtual_hosts: vec![], ..plain("WWW.Bound.Test:8443") }.start();
    let other = Setup { virtual_hosts: vec![], ..plain("www.bound.test") }.start();
    one.script("set.cgi", SET_COOKIE);
    let visitor = Visitor::new();
    let page = get(&one, Protocol::Http1, Some(&visitor), Request::get(A, "/set.cgi?sid=alice")).await;
    let request = Request::get(A, "/env.cgi").header("Cookie", jar(&page));
    assert_eq!(
        seen(&get(&other, Protocol::Http1, Some(&visitor), request).await).as_deref(),
        Some("sid=alice")
    );
}

fn plain(name: &str) -> Setup {
    Setup {
        global: format!(
            "TokenBindingCookie sid\nTokenBindingCookieSecret file:secret\n<VirtualHost 127.0.0.1:@PORT@>\n\
             ServerName {name}\nServerAlias www.bound.test\nDocumentRoot @DIR@/htdocs\nSSLEngine On\n\
             SSLCertificateFile @DIR@/server.pem\n</VirtualHost>"
        ),
        secrets: vec![("secret", SECRET.into())],
        ..Setup::default()
    }
}

#[test]
fn what_is_no_realm_fails_the_syntax_check() {
    for (words, quoted) in
        [("\"a b\"", "a b"), ("a.test b.test", "b.test"), ("\"\"", "one name"), ("a;b", "a;b")]
    {
        let output = Setup::with(&format!("TokenBindingCookieRealm {words}")).check();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(quoted), "{words}: {message}");
    }
}

/// Without a ServerName httpd gives virtual hosts one name, which is their realm: that is said.
#[test]
fn virtual_hosts_without_a_name_are_warned_of() {
    let host = |directives: &str| {
        format!(
            "<VirtualHost 127.0.0.1:@PORT@>\nSSLEngine On\nSSLCertificateFile @DIR@/server.pem\n{directives}\n</VirtualHost>\n"
        )
    };
    for (directives, warns) in [
        (["ServerAlias a.test", "ServerAlias b.test"], true),
        (["ServerName a.test", "ServerName b.test"], false),
        (["ServerAlias a.test", "ServerAlias b.test\nTokenBindingCookieRealm b"], false),
        (["ServerAlias a.test", "ServerAlias b.test\nTokenBindingCookie none"], false),
    ] {
        let hosts: String = directives.iter().map(|directives| host(directives)).collect();
        let server = Setup {
            global: format!("TokenBindingCookie sid\nTokenBindingCookieSecret file:secret\n{hosts}"),
            virtual_hosts: vec![],
            secrets: vec![("secret", SECRET.into())],
            ..Setup::default()
        }
        .start();
        let lines = server.lines("TB007");
        assert_eq!(lines.len(), usize::from(warns), "{directives:?}: {lines:?}");
        assert!(
            lines.iter().all(|line| line.contains("TokenBindingCookieRealm") && line.contains("httpd.conf:"))
        );
    }
}
