//! Requests that httpd continues as others, and requests that nobody has judged.

use tokbind::Request;

use httpd_harness::client::http1;
use httpd_harness::cookies::{SET_COOKIE, is_sealed, jar, seen, set_cookies, setup};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session, fetch, submit};
use httpd_harness::{Httpd, Visitor};

fn server(directives: &str) -> Httpd {
    let mut setup = setup(&format!("TokenBindingCookie sid\n{directives}"));
    setup.modules.extend(["include", "negotiation", "actions"]);
    let server = setup.start();
    server.script("set.cgi", SET_COOKIE);
    server
}

#[tokio::test]
async fn error_documents_indexes_rewrites_and_parts_see_the_unsealed_cookie_once() {
    let server = server(
        "ErrorDocument 404 /env.cgi\nDirectoryIndex env.cgi\nAddOutputFilter INCLUDES .shtml\n\
         Action relay /env.cgi virtual\nAddHandler relay .relay\n\
         <Directory @DIR@/htdocs>\n  Options +ExecCGI +MultiViews +Includes\n  MultiviewsMatch Any\n</Directory>",
    );
    server.document("app/.htaccess", "RewriteEngine On\nRewriteRule ^page$ /env.cgi [L]\n");
    server.document(
        "parts.shtml",
        "<!--#include virtual=\"/env.cgi\" --><!--#include virtual=\"/env.cgi\" -->\n",
    );
    server.document("x.relay", "");
    let visitor = Visitor::new();
    let cookie = jar(&fetch(&server, Protocol::Http1, Some(&visitor), "/set.cgi?sid=alice", "").await);
    for protocol in PROTOCOLS {
        let mut session = Session::open(&server, protocol, Some(&visitor)).await;
        for (path, status, times) in [
            ("/nowhere", 404, 1),
            ("/", 200, 1),
            ("/app/page", 200, 1),
            ("/env", 200, 1),
            ("/x.relay", 200, 1),
            ("/parts.shtml", 200, 2),
        ] {
            let page = session.get(path, &format!("{cookie}; sid=forged; a=1")).await;
            assert_eq!(page.status, status, "{path}");
            let text = page.text();
            assert_eq!(text.matches("HTTP_COOKIE=sid=alice; a=1\n").count(), times, "{path}: {text}");
            assert_eq!(page.header("Cache-Control"), Some("private"), "{path}");
        }
    }
}

/// What an error document sets is sealed, for the client of the request that failed.
#[tokio::test]
async fn an_error_document_sets_bound_cookies() {
    let server = server("ErrorDocument 404 /set.cgi?sid=document\nErrorDocument 403 /env.cgi\n");
    let (visitor, thief) = (Visitor::new(), Visitor::new());
    for protocol in PROTOCOLS {
        let page = fetch(&server, protocol, Some(&visitor), "/nowhere", "").await;
        let cookie = jar(&page);
        assert!(page.status == 404 && is_sealed(&cookie), "{cookie}");
        let page = fetch(&server, protocol, Some(&visitor), "/env.cgi", &cookie).await;
        assert_eq!(seen(&page).as_deref(), Some("sid=document"));
        assert_eq!(seen(&fetch(&server, protocol, Some(&thief), "/env.cgi", &cookie).await), None);
    }
}

/// A request that was refused for its Token Binding: its error document sees no bound cookie, and sets none.
#[tokio::test]
async fn a_refused_request_brings_and_gets_no_bound_cookie() {
    let server = server("ErrorDocument 400 /set.cgi?sid=refused");
    let visitor = Visitor::new();
    let cookie = jar(&fetch(&server, Protocol::Http1, Some(&visitor), "/set.cgi?sid=alice", "").await);
    let unbound = jar(&fetch(&server, Protocol::Http1, None, "/set.cgi?sid=alice", "").await);
    for protocol in PROTOCOLS {
        for cookie in [&cookie, &unbound] {
            // Another one is added, which is good: two are refused.
            let request = Request::get(HOST, "/env.cgi")
                .header("Sec-Token-Binding", "AAAA")
                .header("Cookie", format!("{cookie}; a=1"));
            let page = submit(&server, protocol, Some(&visitor), request).await;
            assert_eq!((page.status, seen(&page).as_deref()), (400, Some("a=1")));
            assert_eq!(set_cookies(&page), [] as [&str; 0]);
        }
    }
}

/// httpd refuses a malformed request before any hook has seen it.
#[tokio::test]
async fn a_request_that_was_never_judged_brings_and_gets_no_bound_cookie() {
    let mut server = server("ErrorDocument 400 /set.cgi?sid=unjudged");
    server.announce("AH01270: Error reading request entity data");
    let visitor = Visitor::new();
    let cookie = jar(&fetch(&server, Protocol::Http1, Some(&visitor), "/set.cgi?sid=alice", "").await);
    let unbound = jar(&fetch(&server, Protocol::Http1, None, "/set.cgi?sid=alice", "").await);
    for cookie in [cookie.as_str(), &unbound, "sid=forged"] {
        let mut http = http1(&server).await;
        let header = visitor.header(&http.get_ref().ekm().unwrap());
        let request = format!(
            "GET /page.html HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookie}; a=1\r\nSec-Token-Binding: {header}\r\n\
             bad header\r\n\r\n"
        );
        http.send_raw(request.as_bytes()).await.unwrap();
        let page = http.read_response().await.unwrap();
        assert_eq!(page.status, 400);
        assert!(!page.text().contains("HTTP_COOKIE=sid"), "{}", page.text());
        assert_eq!(set_cookies(&page), [] as [&str; 0], "{}", page.text());
    }
}
