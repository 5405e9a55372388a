//! The examples of docs/examples, as docs/applications.md shows them: applications that bind their sessions themselves.

use std::process::Stdio;

use tokbind::http1::Http1;
use tokbind::{Request, Response, binding};
use tokio::process::{Child, Command};

use httpd_harness::client::{connect, http1, http2, unbound};
use httpd_harness::httpd::{HOST, Httpd, documented};
use httpd_harness::php::{self, PhpFpm};
use httpd_harness::ports::free_port;
use httpd_harness::{Setup, Visitor, server, setup};

/// A server with one of the examples below its document root.
fn server(mut setup: Setup, example: &str, modules: &[&'static str], conf: &str) -> Httpd {
    setup.modules.extend(modules);
    setup.virtual_hosts[0].directives = conf.to_owned();
    let server = setup.start();
    let text = std::fs::read_to_string(setup::root().join("docs/examples").join(example)).unwrap();
    server.script(example, &text);
    // For what the programs keep.
    let sessions = server.dir().join("kept");
    std::fs::create_dir(&sessions).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(sessions, mode).unwrap();
    server
}

async fn log_in(server: &Httpd, path: &str, visitor: &Visitor) -> String {
    let mut http = http1(server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let request = Request::new("POST", HOST, path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header(binding::SEC_TOKEN_BINDING, visitor.header(&ekm))
        .body("user=alice");
    let answer = http.request(&request).await.unwrap();
    assert_eq!(answer.text(), "welcome\n", "{path}: {}", server.log());
    // PHP gives the session that it began and the one that it goes on with: the last counts.
    let set = answer.headers_named("Set-Cookie").last().expect("a session").to_vec();
    String::from_utf8(set).unwrap().split(';').next().unwrap().to_owned()
}

fn is_inside(answer: &Response) -> bool {
    match (answer.status, answer.text().as_str()) {
        (200, "hello alice\n") => true,
        (403, "log in\n") => false,
        (status, text) => panic!("{status}: {text}"),
    }
}

/// The session is its owner's, on any connection, and nobody else's.
async fn assert_bound(server: &Httpd, path: &str) {
    let (owner, thief) = (Visitor::new(), Visitor::new());
    let cookie = log_in(server, path, &owner).await;
    for (visitor, expected) in [(&owner, true), (&thief, false), (&owner, true)] {
        let mut one = http1(server).await;
        let ekm = one.get_ref().ekm().unwrap();
        let answer = one.request(&visitor.get(&ekm, path).header("Cookie", &cookie)).await.unwrap();
        assert_eq!(is_inside(&answer), expected, "{path}");
        let two = http2(server).await;
        let answer = two.request(&visitor.get(two.ekm(), path).header("Cookie", &cookie)).await.unwrap();
        assert_eq!(is_inside(&answer), expected, "{path} over HTTP/2");
    }
    let mut plain = Http1::new(connect(server, &unbound()).await);
    let bare = Request::get(HOST, path).header("Cookie", &cookie);
    assert!(!is_inside(&plain.request(&bare).await.unwrap()), "{path} without Token Binding");
    let forged = bare
        .header("Sec-Provided-Token-Binding-ID", owner.id())
        .header("Sec_Provided_Token_Binding_ID", owner.id());
    assert!(!is_inside(&plain.request(&forged).await.unwrap()), "{path} with forged headers");
    let nobody = owner.visit(server, path).await;
    assert!(!is_inside(&nobody), "{path} without a cookie");
}

/// The control: without the module the theft succeeds.
async fn assert_stealable(server: &Httpd, path: &str) {
    let mut owner = Http1::new(connect(server, &unbound()).await);
    let request = Request::new("POST", HOST, path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("user=alice");
    let answer = owner.request(&request).await.unwrap();
    let set = answer.headers_named("Set-Cookie").last().expect("a session").to_vec();
    let cookie = String::from_utf8(set).unwrap().split(';').next().unwrap().to_owned();
    let mut thief = Http1::new(connect(server, &unbound()).await);
    let stolen = Request::get(HOST, path).header("Cookie", cookie);
    assert!(is_inside(&thief.request(&stolen).await.unwrap()), "{path}");
}

fn without_module() -> Setup {
    Setup { module: None, ..Setup::default() }
}

#[tokio::test]
async fn php() {
    for (setup, is_bound) in [(Setup::default(), true), (without_module(), false)] {
        let server = server(setup, "session.php", &php::MODULES, &php::directives());
        let _fpm = PhpFpm::start(&server);
        if is_bound {
            assert_bound(&server, "/session.php").await;
        } else {
            assert_stealable(&server, "/session.php").await;
        }
    }
}

#[tokio::test]
async fn python_wsgi() {
    let conf = documented("wsgi.conf", &[("/srv/example", "@DIR@/htdocs")]);
    let setup = |setup: Setup| Setup { global: "WSGISocketPrefix @DIR@/wsgi".into(), ..setup };
    let bound = server(setup(Setup::default()), "session.py", &["wsgi"], &conf);
    assert_bound(&bound, "/session.py").await;
    let unbound = server(setup(without_module()), "session.py", &["wsgi"], &conf);
    assert_stealable(&unbound, "/session.py").await;
}

#[tokio::test]
async fn cgi() {
    let conf = documented("cgi.conf", &[("/var/lib/example/sessions", "@DIR@/kept")]);
    assert_bound(&server(Setup::default(), "session.cgi", &[], &conf), "/session.cgi").await;
    assert_stealable(&server(without_module(), "session.cgi", &[], &conf), "/session.cgi").await;
}

/// The same WSGI application, served by waitress.
async fn application() -> (Child, u16) {
    let port = free_port();
    let mut command = Command::new(setup::python());
    command
        .args(["-m", "waitress", "--host=127.0.0.1", &format!("--port={port}"), "session:application"])
        .current_dir(setup::root().join("docs/examples"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stderr(Stdio::null());
    let process = server::start(&mut command, port).await;
    (process, port)
}

#[tokio::test]
async fn proxied() {
    let (_process, port) = application().await;
    let origin = format!("http://127.0.0.1:{port}/");
    let conf = documented("application-proxied.conf", &[("http://127.0.0.1:8080/", &origin)]);
    assert_bound(&server(Setup::default(), "session.py", &[], &conf), "/proxied").await;
    assert_stealable(&server(without_module(), "session.py", &[], &conf), "/proxied").await;
}
