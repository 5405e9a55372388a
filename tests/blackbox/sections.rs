//! `TokenBindingPassVar` of the directory that serves, whichever way httpd comes to it: an index, a negotiated variant, an
//! included part, an error document.

use tokbind::Request;

use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Session};
use httpd_harness::{Httpd, Setup, Visitor, shown};

const PROVIDED: &str = "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID";
const CONTEXT: &str = "HTTP_SEC_TOKEN_BINDING_CONTEXT";

/// A directory with these words, and in it a program for which others hold.
fn server(outer: &str, inner: &str) -> Httpd {
    let mut setup = Setup::with(&format!(
        "<Directory @DIR@/htdocs/e>\n  TokenBindingPassVar {outer}\n  Options +MultiViews +Includes\n\
           MultiviewsMatch Any\n  DirectoryIndex index.cgi\n  AddOutputFilter INCLUDES .shtml\n  AddType text/html .shtml\n\
           ErrorDocument 404 /e/index.cgi\n\
           <Files index.cgi>\n    TokenBindingPassVar {inner}\n  </Files>\n</Directory>"
    ));
    setup.modules.extend(["negotiation", "include"]);
    let server = setup.start();
    server.script("e/index.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n/usr/bin/env\n");
    server.script("e/outer.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n/usr/bin/env\n");
    server.document("e/page.shtml", "<p>first</p>\n<!--#include virtual=\"index.cgi\" -->\n<p>\n");
    server.document(
        "e/outer.shtml",
        "<!--#include virtual=\"index.cgi\" --><!--#include virtual=\"outer.cgi\" -->",
    );
    server
}

async fn page(server: &Httpd, visitor: &Visitor, path: &str) -> Vec<String> {
    let mut pages = Vec::new();
    for protocol in PROTOCOLS {
        let mut session = Session::open(server, protocol, Some(visitor)).await;
        let page = session.send(Request::get(HOST, path)).await;
        assert!([200, 404].contains(&page.status), "{path}: {}", page.text());
        pages.push(page.text());
    }
    pages
}

const WAYS: [&str; 5] = ["/e/", "/e/index", "/e/page.shtml", "/e/missing", "/e/index.cgi"];

#[tokio::test]
async fn keying_material_does_not_reach_a_program_that_should_not_have_it() {
    let server = server("provided context", "provided");
    let visitor = Visitor::new();
    for path in WAYS {
        for page in page(&server, &visitor, path).await {
            assert_eq!(shown(&page, PROVIDED), Some(&*visitor.id()), "{path}: {page}");
            assert!(!page.to_uppercase().contains("TOKEN_BINDING_CONTEXT"), "{path}: {page}");
        }
    }
    for page in page(&server, &visitor, "/e/outer.cgi").await {
        assert!(shown(&page, CONTEXT).is_some(), "{page}");
    }
    // A part takes nothing from the parts behind it.
    for page in page(&server, &visitor, "/e/outer.shtml").await {
        assert_eq!(page.matches(&format!("{CONTEXT}=")).count(), 1, "{page}");
    }
}

#[tokio::test]
async fn a_bound_client_looks_bound_to_a_program_that_asks() {
    let server = server("none", "provided");
    let visitor = Visitor::new();
    for path in WAYS {
        for page in page(&server, &visitor, path).await {
            assert_eq!(shown(&page, PROVIDED), Some(&*visitor.id()), "{path}: {page}");
            assert_eq!(shown(&page, "Sec_Provided_Token_Binding_ID"), Some(&*visitor.id()), "{path}: {page}");
        }
    }
    for page in page(&server, &visitor, "/e/outer.cgi").await {
        assert_eq!(shown(&page, PROVIDED), None, "{page}");
    }
}
