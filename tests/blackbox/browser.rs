//! A real browser, the last generation that spoke Token Binding: Chromium 69.

use std::collections::HashSet;

use crate::support::browser::{Browser, Page};
use crate::support::httpd::HOST;
use crate::support::{Httpd, Setup, VirtualHost, shown};

/// What the CGI page shows: protocol, the client's port (one per connection) and the Token Binding ID.
async fn visit(page: &mut Page, server: &Httpd, host: &str) -> (String, String, String) {
    let url = format!("https://{host}:{}/env.cgi", server.port());
    assert_eq!(page.go(&url).await, 200, "{}", server.log());
    let text = page.text().await;
    let value = |name: &str| shown(&text, name).unwrap_or_else(|| panic!("no {name} in:\n{text}")).to_owned();
    (value("SERVER_PROTOCOL"), value("REMOTE_PORT"), value("Sec_Provided_Token_Binding_ID"))
}

fn hosts() -> Vec<VirtualHost> {
    [HOST, "other.bound.test", "www.other.test"].map(|name| VirtualHost::tls(name, "")).into()
}

#[tokio::test]
async fn chromium_shows_one_id_over_http_1_1_on_many_connections() {
    let server =
        Setup { http2: false, global: "KeepAlive Off".into(), virtual_hosts: hosts(), ..Setup::default() }
            .start();
    let browser = Browser::start().await;
    let mut page = browser.page().await;
    let (mut ports, mut ids) = (HashSet::new(), HashSet::new());
    for host in [HOST, HOST, "other.bound.test"] {
        let (protocol, port, id) = visit(&mut page, &server, host).await;
        assert_eq!(protocol, "HTTP/1.1");
        ports.insert(port);
        ids.insert(id);
    }
    assert_eq!((ports.len(), ids.len()), (3, 1), "three connections, one key per registered domain: {ids:?}");
    let (_, _, elsewhere) = visit(&mut page, &server, "www.other.test").await;
    assert!(!ids.contains(&elsewhere), "another domain, another key");
}

#[tokio::test]
async fn chromium_shows_one_id_over_http_2_on_many_connections() {
    // Two servers: a browser would keep one HTTP/2 connection for each.
    let servers = [0, 1].map(|_| Setup { virtual_hosts: hosts(), ..Setup::default() }.start());
    let browser = Browser::start().await;
    let mut page = browser.page().await;
    let (mut ports, mut ids) = (HashSet::new(), HashSet::new());
    for server in &servers {
        for _ in 0..2 {
            let (protocol, port, id) = visit(&mut page, server, HOST).await;
            assert_eq!(protocol, "HTTP/2.0");
            ports.insert((server.port(), port));
            ids.insert(id);
        }
    }
    assert_eq!((ports.len(), ids.len()), (2, 1), "{ids:?}");
    let (_, _, elsewhere) = visit(&mut page, &servers[0], "www.other.test").await;
    assert!(!ids.contains(&elsewhere), "another domain, another key, if need be on the same connection");
    for server in &servers {
        assert!(server.lines("TB10").is_empty(), "nothing was refused");
    }
}

/// Not only navigation: scripts' requests, images and frames carry the header too, and a strict server serves them.
#[tokio::test]
async fn chromium_sub_resources_are_bound() {
    let server = Httpd::start();
    server
        .document("app.html", "<!doctype html><body><iframe src=/env.cgi></iframe><img src=/env.cgi></body>");
    let browser = Browser::start().await;
    let mut page = browser.page().await;
    let (_, _, id) = visit(&mut page, &server, HOST).await;
    assert_eq!(page.go(&format!("https://{HOST}:{}/app.html", server.port())).await, 200);
    let fetched =
        page.evaluate("fetch('/env.cgi', { credentials: 'include' }).then((answer) => answer.text())").await;
    assert_eq!(shown(fetched.as_str().unwrap(), "Sec_Provided_Token_Binding_ID"), Some(id.as_str()));
    let framed = page.evaluate("document.querySelector('iframe').contentDocument.body.innerText").await;
    assert_eq!(shown(framed.as_str().unwrap(), "Sec_Provided_Token_Binding_ID"), Some(id.as_str()));
    // Without credentials the browser uses a connection without Token Binding.
    let anonymous =
        page.evaluate("fetch('/env.cgi', { credentials: 'omit' }).then((answer) => answer.text())").await;
    assert_eq!(shown(anonymous.as_str().unwrap(), "Sec_Provided_Token_Binding_ID"), None);
    assert!(server.lines("TB10").is_empty(), "{}", server.log());
}
