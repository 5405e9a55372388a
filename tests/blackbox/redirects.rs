//! Requests that httpd continues as other requests: error documents, rewrites, indexes, sub-requests.

use tokbind::http1::Http1;
use tokbind::{Request, Response, binding};

use httpd_harness::client::{connect, http1, http2, unbound};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Setup, Visitor, shown};

const PROVIDED: &str = "Sec_Provided_Token_Binding_ID";

/// The page over HTTP/1.1 and over HTTP/2, both as a bound visitor.
async fn both(server: &Httpd, visitor: &Visitor, path: &str) -> [Response; 2] {
    let mut one = http1(server).await;
    let ekm = one.get_ref().ekm().unwrap();
    let first = one.request(&visitor.get(&ekm, path)).await.unwrap();
    let two = http2(server).await;
    let second = two.request(&visitor.get(two.ekm(), path)).await.unwrap();
    [first, second]
}

#[tokio::test]
async fn an_error_document_is_delivered_bound_and_with_its_status() {
    let server = Setup::with(
        "ErrorDocument 404 /env.cgi\nErrorDocument 401 /env.cgi\n\
         <Location /locked>\n  AuthType None\n  Require valid-user\n  ErrorDocument 401 /env.cgi\n</Location>",
    )
    .start();
    let visitor = Visitor::new();
    for page in both(&server, &visitor, "/nowhere").await {
        assert_eq!(page.status, 404);
        assert_eq!(shown(&page.text(), "REDIRECT_STATUS"), Some("404"));
        assert_eq!(shown(&page.text(), PROVIDED), Some(visitor.id().as_str()), "{}", page.text());
        assert_eq!(shown(&page.text(), "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID"), Some(visitor.id().as_str()));
    }
}

#[tokio::test]
async fn a_rewrite_in_a_directory_leads_to_a_bound_page() {
    let server = Setup::default().start();
    server.document("app/.htaccess", "RewriteEngine On\nRewriteRule ^page$ /env.cgi [L]\n");
    let visitor = Visitor::new();
    for page in both(&server, &visitor, "/app/page").await {
        assert_eq!(page.status, 200);
        assert_eq!(shown(&page.text(), PROVIDED), Some(visitor.id().as_str()), "{}", page.text());
    }
}

#[tokio::test]
async fn a_directory_index_is_bound() {
    let server = Setup::with("DirectoryIndex env.cgi").start();
    let visitor = Visitor::new();
    for page in both(&server, &visitor, "/").await {
        assert_eq!(page.status, 200);
        assert_eq!(shown(&page.text(), PROVIDED), Some(visitor.id().as_str()), "{}", page.text());
    }
}

/// The 400 itself can have an error document; it is delivered, as a 400, with nothing set.
#[tokio::test]
async fn a_refusal_can_have_an_error_document() {
    let server = Setup::with("ErrorDocument 400 /env.cgi").start();
    let stolen = Visitor::new();
    let ekm = http1(&server).await.get_ref().ekm().unwrap();
    let header = stolen.header(&ekm);
    let mut one = http1(&server).await;
    let two = http2(&server).await;
    let request = Request::get(HOST, "/page.html").header(binding::SEC_TOKEN_BINDING, header);
    for page in [one.request(&request).await.unwrap(), two.request(&request).await.unwrap()] {
        assert_eq!(page.status, 400);
        assert_eq!(shown(&page.text(), "REDIRECT_STATUS"), Some("400"), "{}", page.text());
        assert!(!page.text().to_uppercase().contains("SEC_TOKEN_BINDING"), "{}", page.text());
        assert_eq!(shown(&page.text(), PROVIDED), None);
    }
    assert_eq!(server.lines("TB105").len(), 2, "one line a request, not one for the error document too");
}

/// httpd refuses a malformed request before any hook; what it shows instead is served without a verdict.
#[tokio::test]
async fn an_error_document_of_a_request_that_never_reached_us_is_unbound() {
    let mut server = Setup::with("ErrorDocument 400 /env.cgi").start();
    server.announce("AH01270: Error reading request entity data");
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let request = format!(
        "GET /page.html HTTP/1.1\r\nHost: {HOST}\r\nSec-Token-Binding: {}\r\nbad header\r\n\
         Sec-Provided-Token-Binding-ID: forged\r\n\r\n",
        Visitor::new().header(&ekm)
    );
    http.send_raw(request.as_bytes()).await.unwrap();
    let page = http.read_response().await.unwrap();
    assert_eq!(page.status, 400);
    assert!(!page.text().contains("forged"), "{}", page.text());
    assert_eq!(shown(&page.text(), PROVIDED), None);
}

#[tokio::test]
async fn pass_var_of_the_directory_that_is_served_in_the_end_counts() {
    let server = Setup::with(
        "ErrorDocument 404 /env.cgi\n\
         <Location /none>\n  TokenBindingPassVar none\n</Location>\n\
         <Location /context>\n  TokenBindingPassVar context\n</Location>\n\
         Alias /none /context\nScriptAlias /x/ @DIR@/htdocs/",
    )
    .start();
    server.script("none/env.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n/usr/bin/env\n");
    let visitor = Visitor::new();
    // From a directory that passes nothing to one that passes the default.
    for page in both(&server, &visitor, "/none/missing").await {
        assert_eq!(page.status, 404);
        assert_eq!(shown(&page.text(), PROVIDED), Some(visitor.id().as_str()), "{}", page.text());
        assert_eq!(shown(&page.text(), "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID"), Some(visitor.id().as_str()));
    }
}

#[tokio::test]
async fn an_unbound_visitor_stays_unbound_through_redirects() {
    let server = Setup::with("ErrorDocument 404 /env.cgi\nDirectoryIndex env.cgi").start();
    let mut http = Http1::new(connect(&server, &unbound()).await);
    for (path, status) in [("/nowhere", 404), ("/", 200)] {
        let page = http.request(&Request::get(HOST, path)).await.unwrap();
        assert_eq!(page.status, status);
        assert!(!page.text().to_uppercase().contains("TOKEN_BINDING"), "{}", page.text());
    }
}
