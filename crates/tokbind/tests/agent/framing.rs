//! Responses that say odd things of themselves: a client behind the agent sees what curl sees without it, or an error.

use std::io::Write;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Raw, Scene, certificate, raw_scene};

/// What curl made of a response: its status and body; `None` when it says that the response is broken.
type Seen = Option<(String, String)>;

async fn curl(arguments: &[String], ca: &str) -> Seen {
    let curl = Command::new("curl")
        .args([
            "--silent",
            "--max-time",
            "20",
            "--noproxy",
            "",
            "--write-out",
            "\n%{http_code}",
            "--cacert",
            ca,
        ])
        .args(arguments)
        .arg("https://rp.test/")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let output = String::from_utf8_lossy(&curl.stdout).into_owned();
    let (body, status) = output.rsplit_once('\n').unwrap();
    curl.status.success().then(|| (status.to_owned(), body.to_owned()))
}

fn pem_file(certificate: &openssl::x509::X509) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&certificate.to_pem().unwrap()).unwrap();
    file
}

/// The response as curl sees it without the agent, and through it over HTTP/1.1 and HTTP/2.
async fn views(server: &Raw, scene: &Scene, method: &str) -> [Seen; 3] {
    let (own, agents) = (pem_file(&certificate()), pem_file(&scene.authority));
    let direct = format!("rp.test:443:127.0.0.1:{}", server.address.port());
    let method: Vec<String> = match method {
        "HEAD" => vec!["--head".into(), "--output".into(), "/dev/null".into()],
        _ => Vec::new(),
    };
    let connect_to = [method.clone(), vec!["--connect-to".into(), direct]].concat();
    let proxied = |version: &str| {
        [method.clone(), vec!["--proxy".into(), format!("http://{}", scene.agent), version.into()]].concat()
    };
    let agents = agents.path().to_str().unwrap();
    [
        curl(&connect_to, own.path().to_str().unwrap()).await,
        curl(&proxied("--http1.1"), agents).await,
        curl(&proxied("--http2"), agents).await,
    ]
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";

#[tokio::test]
async fn odd_responses_are_passed_on_as_they_are_meant_or_refused() {
    let ok = |lines: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}");
    // Each with whether it may be refused where curl accepts it.
    let table = [
        (ok("Content-Length: 5\r\n", "hello"), false),
        (ok("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), false),
        (ok("Content-Length: 5, 5\r\n", "hello"), false),
        (ok("Content-Length: 5\r\nContent-Length: 3\r\n", "hello"), true),
        (ok("Content-Length: +5\r\n", "hello"), true),
        (ok("Content-Length: 9\r\n", "hello"), false),
        (ok(CHUNKED, CHUNKS), false),
        (ok(&format!("{CHUNKED}Content-Length: 3\r\n"), CHUNKS), false),
        (ok(&format!("Content-Length: 99\r\n{CHUNKED}"), CHUNKS), false),
        (ok(CHUNKED, "5\r\nhello\r\n"), false),
        (ok("Transfer-Encoding: chunked, chunked\r\n", CHUNKS), true),
        (ok("Transfer-Encoding: gzip, chunked\r\n", CHUNKS), true),
        (ok("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "hello"), true),
        (ok("", "until the end"), false),
        (ok("X-Space : 1\r\nContent-Length : 5\r\n", "hello"), false),
        (ok("X-Folded: 1,\r\n  2\r\nContent-Length: 5\r\n", "hello"), false),
        (ok("Set-Cookie: a=\u{e9}\r\nContent-Length: 5\r\n", "hello"), false),
        ("HTTP/1.0 200 OK\r\n\r\nold".to_owned(), false),
        (format!("HTTP/1.0 200 OK\r\n{CHUNKED}\r\n{CHUNKS}"), true),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n".to_owned(), false),
        (format!("HTTP/1.1 204 No Content\r\n{CHUNKED}\r\n"), false),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n".to_owned(), false),
        ("HTTP/1.1 200 OK\r\n broken\r\n\r\n".to_owned(), true),
    ];
    for (response, may_be_refused) in table {
        let server = Raw::answering(response.clone(), true).await;
        let scene = raw_scene(&server).await;
        let [direct, first, second] = views(&server, &scene, "GET").await;
        for seen in [first, second] {
            let refused = seen.as_ref().is_none_or(|(status, _)| status == "502");
            let same = seen == direct || (direct.is_none() && refused);
            assert!(same || (may_be_refused && refused), "{response:?}: {direct:?} became {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_head_has_no_body_whatever_it_says() {
    for lines in ["Content-Length: 5\r\n", CHUNKED, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"] {
        let server = Raw::answering(format!("HTTP/1.1 200 OK\r\n{lines}\r\n"), true).await;
        let scene = raw_scene(&server).await;
        let [direct, first, second] = views(&server, &scene, "HEAD").await;
        assert_eq!(direct.as_ref().unwrap().0, "200");
        assert_eq!([&first, &second], [&direct, &direct], "{lines:?}");
    }
}

#[tokio::test]
async fn what_was_cut_off_is_not_complete() {
    let server = Raw::answering("HTTP/1.1 200 OK\r\n\r\nhalf of i", false).await;
    let scene = raw_scene(&server).await;
    // Older versions of curl take it, newer ones don't.
    let [_, first, second] = views(&server, &scene, "GET").await;
    assert_eq!([first, second], [None, None]);
    // What says itself how long it is needs no goodbye.
    let server = Raw::answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall", false).await;
    let scene = raw_scene(&server).await;
    let all = Some(("200".to_owned(), "all".to_owned()));
    assert_eq!(views(&server, &scene, "GET").await, [all.clone(), all.clone(), all]);
}

#[tokio::test]
async fn fields_come_through_byte_by_byte() {
    let lines =
        "Set-Cookie: a=\u{e9}; Path=/\r\nLocation: /caf\u{e9}\r\nX-Folded: 1,\r\n \t2\r\nX-Space \t: 3\r\n";
    let server =
        Raw::answering(format!("HTTP/1.1 302 Found\r\n{lines}Content-Length: 0\r\n\r\n"), true).await;
    let scene = raw_scene(&server).await;
    let request = tokbind::Request::get("rp.test", "/");
    let first = scene.browser().http1("rp.test").await.request(&request).await.unwrap();
    let second = scene.browser().http2("rp.test").await.request(&request).await.unwrap();
    for response in [first, second] {
        let value = |name: &str| response.headers_named(name).next().map(<[u8]>::to_vec).unwrap();
        assert_eq!(value("set-cookie"), "a=\u{e9}; Path=/".as_bytes());
        assert_eq!(value("location"), "/caf\u{e9}".as_bytes());
        let folded = String::from_utf8(value("x-folded")).unwrap();
        assert_eq!(folded.split_whitespace().collect::<Vec<_>>(), ["1,", "2"]);
        assert!(!folded.contains(['\r', '\n']));
        assert_eq!(value("x-space"), b"3");
    }
}
