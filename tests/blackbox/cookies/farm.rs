//! Two servers with the same secret behind HAProxy, which passes TCP on: one session, whichever of them a connection reaches.

use std::collections::HashSet;
use std::fs;
use std::process::Stdio;

use tokio::process::{Child, Command};

use httpd_harness::cookies::{SET_COOKIE, is_sealed, jar, seen, setup};
use httpd_harness::httpd::PATIENCE;
use httpd_harness::ports::free_port;
use httpd_harness::session::{PROTOCOLS, Protocol, Session};
use httpd_harness::{Httpd, Visitor, server, shown};

struct Balancer {
    port: u16,
    _process: Child,
    _dir: tempfile::TempDir,
}

impl Balancer {
    async fn start(nodes: [u16; 2]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = dir.path().join("haproxy.cfg");
        let [first, second] = nodes;
        fs::write(
            &file,
            format!(
                "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  retries 3\n  \
                 option redispatch\nfrontend site\n  bind 127.0.0.1:{port}\n  default_backend nodes\n\
                 backend nodes\n  balance roundrobin\n  default-server check inter 100ms fall 1 rise 1\n  \
                 server first 127.0.0.1:{first}\n  server second 127.0.0.1:{second}\n"
            ),
        )
        .unwrap();
        let mut command = Command::new("/usr/sbin/haproxy");
        command.arg("-db").arg("-f").arg(&file).stderr(Stdio::null());
        let process = server::start(&mut command, port).await;
        Self { port, _process: process, _dir: dir }
    }

    /// A page through the balancer, on a connection of its own.
    async fn fetch(
        &self,
        protocol: Protocol,
        who: Option<&Visitor>,
        path: &str,
        cookies: &str,
    ) -> tokbind::Response {
        Session::open_at(("127.0.0.1", self.port), protocol, who).await.get(path, cookies).await
    }

    /// Pages until both nodes have answered: what the application saw there.
    async fn of_both(&self, protocol: Protocol, who: Option<&Visitor>, cookies: &str) -> Vec<Option<String>> {
        let (mut nodes, mut all) = (HashSet::new(), Vec::new());
        tokio::time::timeout(PATIENCE, async {
            while nodes.len() < 2 {
                let page = self.fetch(protocol, who, "/env.cgi", cookies).await;
                nodes.insert(shown(&page.text(), "NODE").unwrap().to_owned());
                all.push(seen(&page));
            }
        })
        .await
        .expect("both nodes answer");
        all
    }
}

fn node(name: &str, port: u16) -> Httpd {
    let mut setup = setup(&format!("TokenBindingCookie sid\nSetEnv NODE {name}"));
    setup.port = Some(port);
    let server = setup.start();
    server.script("set.cgi", SET_COOKIE);
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_on_two_nodes_also_while_one_is_restarted_or_gone() {
    let ports = [free_port(), free_port()];
    let (first, second) = (node("first", ports[0]), node("second", ports[1]));
    let balancer = Balancer::start(ports).await;
    let (owner, thief) = (Visitor::new(), Visitor::new());
    let cookie = jar(&balancer.fetch(Protocol::Http1, Some(&owner), "/set.cgi?sid=alice", "").await);
    assert!(is_sealed(&cookie), "{cookie}");
    let alice = Some("sid=alice".to_owned());
    for protocol in PROTOCOLS {
        assert!(balancer.of_both(protocol, Some(&owner), &cookie).await.iter().all(|it| *it == alice));
        for somebody in [Some(&thief), None] {
            assert!(balancer.of_both(protocol, somebody, &cookie).await.iter().all(Option::is_none));
        }
    }
    // A graceful restart of one, in the middle of requests.
    for protocol in PROTOCOLS {
        let (restarted, pages) = tokio::join!(
            async { tokio::task::block_in_place(|| first.restart()) },
            balancer.of_both(protocol, Some(&owner), &cookie)
        );
        let () = restarted;
        assert!(pages.iter().all(|it| *it == alice));
    }
    // One is gone: the other serves all, as soon as HAProxy knows.
    drop(first);
    for protocol in PROTOCOLS {
        for _ in 0..4 {
            let page = balancer.fetch(protocol, Some(&owner), "/env.cgi", &cookie).await;
            assert_eq!((shown(&page.text(), "NODE"), seen(&page)), (Some("second"), alice.clone()));
        }
    }
    // And comes back, as another process with the same secret.
    let first = node("first", ports[0]);
    for protocol in PROTOCOLS {
        assert!(balancer.of_both(protocol, Some(&owner), &cookie).await.iter().all(|it| *it == alice));
        assert!(balancer.of_both(protocol, Some(&thief), &cookie).await.iter().all(Option::is_none));
    }
    drop((first, second));
}
