//! `tokbind get`, against servers without manners.

use std::fs;

use h2::Reason;
use tokbind_testing::Raw;
use tokbind_testing::raw;

use crate::support::{self, User};

#[tokio::test]
async fn a_terminal_is_not_told_what_to_do() {
    let bytes: &'static [u8] =
        b"HTTP/1.1 200 OK\r\nX-Evil: \xc2\x9b2J\x9b\r\nContent-Length: 4\r\n\r\n\xc2\x9b2J";
    let server = Raw::answering(bytes, true).await;
    let user = User::new();
    fs::write(user.home().join("ca.pem"), tokbind_testing::certificate().to_pem().unwrap()).unwrap();
    let resolve = format!("rp.test:443:{}", server.address);
    for option in ["-i", "--json"] {
        let args = ["get", option, "--cacert", "ca.pem", "--resolve", &resolve, "https://rp.test/"];
        let mut command = user.command(&args);
        let said = tokio::task::spawn_blocking(move || support::said(&mut command)).await.unwrap();
        let head = said.out.split("\n\n").next().unwrap();
        assert!(said.code == 0 && !head.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_http2_or_a_request_is_asked_again() {
    let user = User::new();
    fs::write(user.home().join("ca.pem"), tokbind_testing::certificate().to_pem().unwrap()).unwrap();
    let get = async |server: &Raw, args: &[&str]| {
        let resolve = format!("rp.test:443:{}", server.address);
        let fixed = ["get", "-d", "body", "--cacert", "ca.pem", "--resolve", &resolve, "https://rp.test/"];
        let mut command = user.command(&[&fixed, args].concat());
        tokio::task::spawn_blocking(move || support::said(&mut command)).await.unwrap()
    };
    let wants_http1 = Raw::two_versions(|_, mut respond| respond.send_reset(Reason::HTTP_1_1_REQUIRED)).await;
    assert_eq!(get(&wants_http1, &["https://rp.test/2"]).await.exited(0).out, "http1 bodyhttp1 body");
    assert_eq!(wants_http1.connections(), 2);
    let said = get(&wants_http1, &["--http", "2"]).await.exited(3);
    assert!(said.err.contains("HTTP/1.1"), "{said:?}");

    let busy = Raw::two_versions(|number, mut respond| match number {
        0 => respond.send_reset(Reason::REFUSED_STREAM),
        _ => raw::answer(respond),
    });
    assert_eq!(get(&busy.await, &[]).await.exited(0).out, "http2");
    let never = Raw::two_versions(|_, mut respond| respond.send_reset(Reason::REFUSED_STREAM)).await;
    get(&never, &[]).await.exited(3);
    assert_eq!(never.connections(), 2);
}

#[tokio::test]
async fn what_was_cut_off_is_a_failure() {
    let server = Raw::answering("HTTP/1.1 200 OK\r\n\r\nhalf of i", false).await;
    let user = User::new();
    fs::write(user.home().join("ca.pem"), tokbind_testing::certificate().to_pem().unwrap()).unwrap();
    let resolve = format!("rp.test:443:{}", server.address);
    let mut command = user.command(&["get", "--cacert", "ca.pem", "--resolve", &resolve, "https://rp.test/"]);
    let said = tokio::task::spawn_blocking(move || support::said(&mut command)).await.unwrap();
    assert_eq!((said.code, said.out.as_str()), (3, "half of i"));
    assert!(said.err.contains("no close_notify"), "{said:?}");
}

#[tokio::test]
async fn a_proxy_is_asked_where_one_is_named() {
    let server = Raw::two_versions(|_, respond| raw::answer(respond)).await;
    let proxy = raw::Proxy::start(server.address, Some("Basic bWU6czNjcmV0")).await;
    let user = User::new();
    fs::write(user.home().join("ca.pem"), tokbind_testing::certificate().to_pem().unwrap()).unwrap();
    let url = format!("http://me:s3cret@{}", proxy.address);
    let get = async |args: &[&str], environment: &[(&str, &str)]| {
        let mut command = user.command(&[&["get", "--cacert", "ca.pem"], args].concat());
        command.envs(environment.iter().copied());
        tokio::task::spawn_blocking(move || support::said(&mut command)).await.unwrap()
    };
    let asked = || proxy.asked().len();
    assert_eq!(get(&["-x", &url, "https://rp.test/"], &[]).await.exited(0).out, "http2");
    assert_eq!(get(&["https://rp.test/"], &[("HTTPS_PROXY", &url)]).await.exited(0).out, "http2");
    assert_eq!(proxy.asked(), ["CONNECT rp.test:443 HTTP/1.1"; 2]);
    // Not for this host: nothing knows its name then.
    let environment = [("https_proxy", url.as_str()), ("no_proxy", ".rp.test,rp.test")];
    get(&["https://rp.test/"], &environment).await.exited(3);
    get(&["--noproxy", "rp.test", "https://rp.test/"], &environment[..1]).await.exited(3);
    get(&["--proxy", "", "https://rp.test/"], &environment[..1]).await.exited(3);
    assert_eq!(asked(), 2);
    let said = get(&["-x", &proxy.address.to_string(), "https://rp.test/"], &[]).await.exited(3);
    assert!(said.err.contains(&format!("the proxy {}", proxy.address)), "{said:?}");
    let said = get(&["-x", "socks5://me:s3cret@localhost", "https://rp.test/"], &[]).await.exited(2);
    assert!(said.err.contains("only proxies with http:// URLs") && !said.err.contains("s3cret"), "{said:?}");
}
