//! A real browser, the last generation that spoke Token Binding: Chromium 69.

use std::collections::HashSet;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use httpd_harness::agent::Agent;
use httpd_harness::browser::{Browser, Page};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Setup, VirtualHost, shown};

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

/// An echo server for WebSockets, behind the module: the handshake is a request like any other. The backend tells the
/// Token Binding ID that it was sent with the handshake.
async fn websocket_backend() -> u16 {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut id = String::new();
                #[allow(clippy::result_large_err, reason = "the library's own signature")]
                let callback = |request: &Request, response: Response| {
                    let header = request.headers().get("Sec-Provided-Token-Binding-ID");
                    id = header.and_then(|value| value.to_str().ok()).unwrap_or("none").to_owned();
                    Ok(response)
                };
                let mut socket = tokio_tungstenite::accept_hdr_async(stream, callback).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if let Message::Text(text) = message {
                        socket.send(Message::text(format!("{id} {text}"))).await.unwrap();
                    }
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn web_sockets_are_bound_in_chromium_69_and_in_todays_behind_the_agent() {
    let backend = websocket_backend().await;
    let mut setup = Setup::with(&format!("ProxyPass /ws ws://127.0.0.1:{backend}/"));
    setup.modules.push("proxy_wstunnel");
    let server = setup.start();
    let agent = Agent::start(&server).await;
    for browser in [Browser::start().await, agent.browser().await] {
        let mut page = browser.page().await;
        let (_, _, id) = visit(&mut page, &server, HOST).await;
        let echoed = page
            .evaluate(
                "new Promise((done, failed) => {
                     const socket = new WebSocket(`wss://${location.host}/ws`);
                     socket.onopen = () => socket.send('hello');
                     socket.onmessage = (message) => {
                         socket.onclose = () => done(message.data);
                         socket.close();
                     };
                     socket.onerror = () => failed(new Error('the WebSocket failed'));
                 })",
            )
            .await;
        assert_eq!(echoed, format!("{id} hello"));
    }
    assert!(server.lines("TB10").is_empty(), "{}", server.log());
}
