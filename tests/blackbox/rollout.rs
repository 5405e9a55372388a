//! What an administrator sees who turns it on step by step: warnings that are seen and don't flood, figures, words for visitors.

use httpd_harness::client::{Visitor, connect, http1, unbound};
use httpd_harness::figures::{assert_figures, figure, figures, with_figures};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Setup, VirtualHost};
use tokbind::Request;
use tokbind::http1::Http1;

/// Debian's level.
const QUIET: &str = "LogLevel token_binding:warn";

/// The statuses of requests that have a header which was never signed.
async fn send_wrong(server: &Httpd, number: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..number {
        let mut http = http1(server).await;
        let request = Request::get(HOST, "/env.cgi").header("Sec-Token-Binding", "AAAA");
        statuses.push(http.request(&request).await.unwrap().status);
    }
    statuses
}

#[tokio::test]
async fn the_first_refusal_of_a_kind_is_seen_at_the_level_of_most_servers() {
    let server = Setup::with(QUIET).start();
    assert_eq!(send_wrong(&server, 3).await, [400; 3]);
    let line = server.line("TB105");
    assert!(line.contains("[token_binding:warn]") && line.contains("LogLevel token_binding:info"), "{line}");
    // Another kind has a warning of its own, and when it is there, the others of the first would be, too.
    let mut http = http1(&server).await;
    assert_eq!(http.request(&Request::get(HOST, "/env.cgi")).await.unwrap().status, 400);
    assert!(server.line("TB102").contains("[token_binding:warn]"));
    assert_eq!(server.lines("TB105").len(), 1, "the others of this minute are left out");
}

#[tokio::test]
async fn with_info_each_refusal_is_there_at_info() {
    let server = Setup::default().start();
    assert_eq!(send_wrong(&server, 3).await, [400; 3]);
    assert!(server.wait_for(|server| server.lines("TB105").len() == 3));
    for line in server.lines("TB105") {
        assert!(line.contains("[token_binding:info]") && !line.contains("more like it"), "{line}");
    }
}

/// What would be refused has words and counters of its own, and is served.
#[tokio::test]
async fn without_strict_what_would_be_refused_is_said_and_counted() {
    let server = with_figures(Setup::with("TokenBindingStrict Off")).start();
    assert_eq!(send_wrong(&server, 2).await, [200; 2]);
    let line = server.line("TB105");
    assert!(line.contains("served unbound (TokenBindingStrict On would refuse it)"), "{line}");
    let mut http = http1(&server).await;
    assert_eq!(http.request(&Request::get(HOST, "/env.cgi")).await.unwrap().status, 200);
    assert!(server.line("TB102").contains("served unbound"));
    assert_figures(
        &server,
        &[
            ("WouldRefuseWrongMessage", 2),
            ("WouldRefuseMissingHeader", 1),
            ("RefusedWrongMessage", 0),
            ("RefusedMissingHeader", 0),
        ],
    )
    .await;
}

/// A share of the requests since the start.
#[tokio::test]
async fn mod_status_shows_the_share_of_bound_requests() {
    let server = with_figures(Setup::default()).start();
    let visitor = Visitor::new();
    for _ in 0..3 {
        assert_eq!(visitor.visit(&server, "/env.cgi").await.status, 200);
    }
    let page = figures(&server).await;
    assert_eq!(figure(&page, "RequestsUnbound"), 1, "the one for the figures");
    assert!(page.contains("TokenBindingPercentBound: 75.0\nTokenBindingPercentDevice: 0.0\n"), "{page}");
}

/// The likeliest mistake behind a proxy that verifies: nobody told the server behind it.
#[tokio::test]
async fn headers_of_a_proxy_that_nobody_named_are_warned_of_once() {
    let server = Setup { virtual_hosts: vec![VirtualHost::plain(HOST, QUIET)], ..Setup::default() }.start();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    let mut http = Http1::over(stream);
    for _ in 0..3 {
        let request =
            Request::get(HOST, "/env.cgi").header("Sec-Provided-Token-Binding-ID", Visitor::new().id());
        assert_eq!(http.request(&request).await.unwrap().status, 200);
    }
    let line = server.line("TB109");
    assert!(line.contains("[token_binding:warn]"), "{line}");
    assert!(
        line.contains("127.0.0.1") && line.contains("TokenBindingTrustedProxy is not set here"),
        "{line}"
    );
    assert_eq!(server.lines("TB109").len(), 1);
}

/// A visitor can say to the helpdesk what happened, on httpd's own page and on the site's.
#[tokio::test]
async fn the_page_of_a_refusal_has_a_code_to_quote() {
    for directives in
        ["", "ErrorDocument 400 /notes.shtml\nOptions +Includes\nAddOutputFilter INCLUDES .shtml"]
    {
        let mut setup = Setup::with(directives);
        setup.modules.push("include");
        let server = setup.start();
        server.document("notes.shtml", "<!--#echo encoding=\"none\" var=\"REDIRECT_ERROR_NOTES\" -->");
        let connection = connect(&server, &unbound()).await;
        let request = Request::get(HOST, "/env.cgi").header("Sec-Token-Binding", "AAAA");
        let response = Http1::new(connection).request(&request).await.unwrap();
        assert_eq!(response.status, 400);
        let text = response.text();
        assert!(text.contains("tell the helpdesk this code: TB103"), "{text}");
    }
}
