//! Behind a balancer that ends TLS: Token Binding does not reach httpd there, and DBSC does.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use httpd_harness::browser::Browser;
use httpd_harness::cookies::{SECRET, SET_COOKIE};
use httpd_harness::device::SHORT_LIVED;
use httpd_harness::httpd::{HOST, PATIENCE, documented};
use httpd_harness::ports::free_port;
use httpd_harness::{Httpd, Setup, VirtualHost, pki, server, shown};
use tokbind::Request;
use tokbind::http1::Http1;
use tokio::net::TcpStream;

fn node(name: &str) -> Httpd {
    let directives = documented("browsers-balanced.conf", &[("www.example.org", HOST), ("PHPSESSID", "sid")])
        + &format!("SetEnv NODE {name}");
    let setup = Setup {
        secrets: vec![("secret", SECRET.into())],
        virtual_hosts: vec![VirtualHost::plain(HOST, directives)],
        ..Setup::default()
    };
    let server = setup.start();
    server.script("set.cgi", SET_COOKIE);
    server
}

/// What httpd refuses before any module sees it is logged, and its cookies are not.
#[tokio::test]
async fn no_log_has_the_proof_of_a_request_that_httpd_refuses_itself() {
    use std::io::{Read as _, Write as _};

    let server = node("first\nCustomLog @DIR@/access.log \"%>s %{Cookie}i %{Cookie2}i\"");
    let cookies = format!("Cookie: {SHORT_LIVED}=SECRET; sid=SECRET\r\nCookie2: SECRET\r\n");
    let refused = [
        "GET / HTTP/1.1\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a b\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nExpect: a-miracle\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: none\r\n"),
        format!("POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: many\r\n"),
    ];
    for start in &refused {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        write!(stream, "{start}{cookies}Connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"), "{start}: {answer}");
    }
    let log = server.dir().join("access.log");
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    tokio::time::timeout(PATIENCE, async {
        while lines().lines().count() < refused.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{}", lines()));
    assert!(!lines().contains("SECRET"), "{}", lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_on_two_nodes_behind_haproxy_in_http_mode() {
    let nodes = [node("first"), node("second")];
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    std::fs::write(dir.path().join("site.pem"), pki::server().pem()).unwrap();
    let [first, second] = [nodes[0].port(), nodes[1].port()];
    let (file, pem) = (dir.path().join("haproxy.cfg"), dir.path().join("site.pem"));
    let text = format!(
        "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend site\n  bind 127.0.0.1:{port} ssl crt {} alpn h2,http/1.1\n  default_backend nodes\n\
         backend nodes\n  balance roundrobin\n  server first 127.0.0.1:{first}\n  server second 127.0.0.1:{second}\n",
        pem.display()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(&file).stderr(Stdio::null());
    let _haproxy = server::start(&mut command, port).await;

    let browser = Browser::with_dbsc().await;
    let mut page = browser.page().await;
    let url = |path: &str| format!("https://{HOST}:{port}{path}");
    let logs = || nodes.iter().map(Httpd::log).collect::<Vec<_>>().join("\n");
    page.go(&url("/set.cgi?sid=alice")).await;
    let (mut bound, mut keys) = (HashSet::new(), HashSet::new());
    let all = tokio::time::timeout(PATIENCE, async {
        while bound.len() < 2 {
            assert_eq!(page.go(&url("/env.cgi")).await, 200);
            let text = page.text().await;
            assert_eq!(shown(&text, "HTTP_COOKIE"), Some("sid=alice"), "{text}");
            if let Some(key) = shown(&text, "Sec_Device_Bound_Session_Key") {
                keys.insert(key.to_owned());
                bound.insert(shown(&text, "NODE").unwrap().to_owned());
                page.forget_cookie(HOST, SHORT_LIVED).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    all.await.unwrap_or_else(|_| panic!("not bound on both nodes:\n{}", logs()));
    assert_eq!(keys.len(), 1, "one key");
    let cookies = page.cookies(HOST).await;
    assert!(cookies.contains("sid=tb2d"), "{cookies}");
    let stolen = cookies.split("; ").find(|cookie| cookie.starts_with("sid=")).unwrap();
    for node in &nodes {
        let mut http = Http1::over(TcpStream::connect(node.address()).await.unwrap());
        let page = http.request(&Request::get(HOST, "/env.cgi").header("Cookie", stolen)).await.unwrap();
        assert_eq!(shown(&page.text(), "HTTP_COOKIE"), None);
    }
}
