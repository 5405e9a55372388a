//! Secrets: what is refused at start-up, and how they are changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use tokbind::{Request, Response};

use httpd_harness::cookies::{OTHER_SECRET, SECRET, SET_COOKIE, is_sealed, jar, seen, set_cookies, setup};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session, fetch};
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor};

/// Neither `httpd -t` nor a start takes this configuration; both say why, and none shows a secret.
fn assert_refused(setup: &Setup, words: &str) {
    let output = setup.check();
    assert!(!output.status.success(), "{words}: taken");
    let (status, log) = setup.run_to_end();
    assert!(!status.success(), "{words}: started");
    for message in [String::from_utf8_lossy(&output.stderr).into_owned(), log] {
        assert!(message.contains(words), "{words}: {message}");
        assert!(!message.contains(&SECRET[..8]) && !message.contains("abcabc"), "{message}");
    }
}

#[test]
fn bound_cookies_without_a_secret_do_not_start() {
    let recipe = "(umask 077; openssl rand -base64 48 > FILE); chown root FILE";
    assert_refused(&Setup::with("TokenBindingCookie sid"), recipe);
    assert_refused(&Setup::with("TokenBindingCookie sid"), "(of ");
    assert_refused(&Setup { global: "TokenBindingCookie all".into(), ..Setup::default() }, recipe);
    // Nothing is bound, and nothing is needed; a secret that nobody needs is not read.
    assert!(Setup::with("TokenBindingCookie none").check().status.success());
    assert!(Setup::with("TokenBindingCookieSecret file:nowhere").check().status.success());
}

#[test]
fn what_is_no_secret_does_not_start() {
    let with = |directive: &str, content: &str| Setup {
        secrets: vec![("weak", content.into())],
        ..Setup::with(&format!("TokenBindingCookie sid\nTokenBindingCookieSecret {directive}"))
    };
    for (directive, content, words) in [
        ("file:weak", "", "file:weak: it is empty"),
        ("file:weak", "abcabcdefghijklmnopqrstuvwxyz12", "file:weak: it has 31 bytes, too few"),
        ("file:weak", &"abc".repeat(20), "to be random"),
        ("file:nowhere", "", "file:nowhere: No such file"),
        ("file:htdocs", "", "file:htdocs: it is not a regular file"),
        ("exec:/bin/false", "", "exec:/bin/false: the command failed"),
        ("exec:/bin/true", "", "exec:/bin/true: it is empty"),
        ("exec:/nowhere/command", "", "can't be run"),
        ("exec:/bin/echo short", "", "it has 5 bytes, too few"),
        (
            "exec:/usr/bin/head -c 300M /dev/zero",
            "",
            "it printed more than 65536 bytes, too many for a secret",
        ),
        ("exec:/usr/bin/yes", "", "it printed more than 65536 bytes, too many for a secret"),
        (SECRET.trim(), "", "file:PATH, or exec:COMMAND"),
    ] {
        assert_refused(&with(directive, content), words);
    }
}

/// An argument that no other process has, and that `sleep` takes for an hour.
fn unique() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("3600.{}{:03}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Whether a process has this argument.
fn runs(argument: &str) -> bool {
    fs::read_dir("/proc").unwrap().any(|entry| {
        let line = fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    })
}

#[test]
fn a_command_that_does_not_answer_does_not_start() {
    let argument = unique();
    let setup =
        Setup::with(&format!("TokenBindingCookie sid\nTokenBindingCookieSecret exec:/bin/sleep {argument}"));
    assert_refused(&setup, "exec:/bin/sleep: gave no answer within 10 seconds");
    assert!(!runs(&argument), "it is still there");
}

/// The command ends; what it leaves behind has its output.
#[test]
fn what_a_command_leaves_behind_does_not_hold_up_a_start() {
    let argument = unique();
    let setup = Setup {
        secrets: vec![("give", format!("sleep {argument} &\necho {SECRET}"))],
        ..Setup::with("TokenBindingCookie sid\nTokenBindingCookieSecret exec:/bin/sh @DIR@/give")
    };
    let output = setup.check();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("within 10 seconds (it has ended, but what it started holds its output open)"),
        "{said}"
    );
    assert!(!said.contains(&SECRET[..8]) && !runs(&argument), "{said}");
}

/// The file's owner alone may have anything to do with it.
#[test]
fn a_secret_that_others_can_read_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    fs::write(&path, SECRET).unwrap();
    let setup =
        Setup::with(&format!("TokenBindingCookie sid\nTokenBindingCookieSecret file:{}", path.display()));
    for mode in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_refused(&setup, &format!("mode {mode:o} lets others"));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(setup.check().status.success());
}

#[test]
fn the_same_secret_twice_does_not_start() {
    assert_refused(&setup("TokenBindingCookie sid\nTokenBindingCookieSecret file:secret"), "the same");
}

#[tokio::test]
async fn a_command_can_give_the_secret() {
    let setup = Setup {
        secrets: vec![("secret", SECRET.into())],
        ..Setup::with("TokenBindingCookie sid\nTokenBindingCookieSecret exec:/bin/cat @DIR@/secret")
    };
    let by_command = setup.start();
    by_command.script("set.cgi", SET_COOKIE);
    let by_file = httpd_harness::cookies::setup("TokenBindingCookie sid").start();
    let visitor = Visitor::new();
    let cookie = jar(&fetch(&by_command, Protocol::Http1, Some(&visitor), "/set.cgi?sid=alice", "").await);
    let page = fetch(&by_file, Protocol::Http2, Some(&visitor), "/env.cgi", &cookie).await;
    assert_eq!(seen(&page).as_deref(), Some("sid=alice"), "the same secret, wherever it comes from");
}

/// A server that binds `sid`, and one client with a key.
struct Site {
    server: Httpd,
    visitor: Visitor,
}

impl Site {
    fn of(server: Httpd) -> Self {
        server.script("set.cgi", SET_COOKIE);
        Self { server, visitor: Visitor::new() }
    }

    async fn login(&self, value: &str) -> String {
        let path = format!("/set.cgi?sid={value}");
        jar(&fetch(&self.server, Protocol::Http1, Some(&self.visitor), &path, "").await)
    }

    async fn works(&self, cookie: &str) -> bool {
        let mut seen_by = Vec::new();
        for protocol in PROTOCOLS {
            let page = fetch(&self.server, protocol, Some(&self.visitor), "/env.cgi", cookie).await;
            seen_by.push(seen(&page).is_some());
        }
        assert_eq!(seen_by[0], seen_by[1]);
        seen_by[0]
    }

    /// Changes a file in the server's directory.
    fn rewrite(&self, name: &str, text: &str) {
        fs::write(self.server.dir().join(name), text).unwrap();
    }

    /// Restarts the server, and gives what it says of secrets meanwhile.
    fn restart(&self) -> Vec<String> {
        let before = self.server.lines("TB005").len();
        self.server.restart();
        self.server.lines("TB005").split_off(before)
    }

    /// Restarts the server, which says one thing of its secrets.
    fn restart_with_warning(&self, words: &[&str]) {
        let lines = self.restart();
        let [line] = &lines[..] else { panic!("{words:?}: {lines:?}") };
        assert!(line.contains("token_binding:error"), "{line}");
        for words in words {
            assert!(line.contains(words), "{words}: {line}");
        }
        assert!(!line.contains(&SECRET[..8]) && !line.contains(&OTHER_SECRET[..8]), "{line}");
    }
}

/// Rotation as docs/cookies.md tells it: nobody is logged out, until the old secret is taken away.
#[tokio::test]
async fn rotation_logs_nobody_out() {
    for encrypt in ["Off", "On"] {
        let server = setup(&format!(
            "TokenBindingCookie sid\nTokenBindingCookieEncrypt {encrypt}\nInclude @DIR@/secrets*.conf"
        ));
        // One line is in the configuration; the others come and go with graceful restarts.
        let server = Setup {
            secrets: vec![
                ("secret", OTHER_SECRET.into()),
                ("old", SECRET.into()),
                ("secrets.conf", "TokenBindingCookieSecret file:old\n".into()),
            ],
            ..server
        }
        .start();
        let site = Site::of(server);
        let first = site.login("first").await;
        assert!(is_sealed(&first) && site.works(&first).await);
        // The secrets change places: the other one seals now.
        site.rewrite("secret", SECRET);
        site.rewrite("old", OTHER_SECRET);
        site.server.restart();
        assert!(site.works(&first).await, "a cookie of before the change");
        let second = site.login("second").await;
        assert!(site.works(&second).await);
        assert_ne!(key_id(&first), key_id(&second));
        // The old one goes.
        site.rewrite("secrets.conf", "\n");
        site.server.restart();
        assert!(site.works(&second).await);
        assert!(!site.works(&first).await, "its secret is gone");
        assert!(site.server.line("TB301").contains("not in force here"), "{}", site.server.line("TB301"));
    }
}

fn key_id(cookie: &str) -> &str {
    cookie.split('.').nth(1).unwrap()
}

/// Both kinds of seal are taken, whichever is made.
#[tokio::test]
async fn encryption_can_be_switched_without_logging_anybody_out() {
    let server = Setup {
        secrets: vec![("secret", SECRET.into()), ("encrypt.conf", "TokenBindingCookieEncrypt Off\n".into())],
        ..setup("TokenBindingCookie sid\nInclude @DIR@/encrypt.conf")
    }
    .start();
    server.script("set.cgi", SET_COOKIE);
    let visitor = Visitor::new();
    let clear = jar(&fetch(&server, Protocol::Http1, Some(&visitor), "/set.cgi?sid=alice", "").await);
    fs::write(server.dir().join("encrypt.conf"), "TokenBindingCookieEncrypt On\n").unwrap();
    server.restart();
    let hidden = jar(&fetch(&server, Protocol::Http2, Some(&visitor), "/set.cgi?sid=alice", "").await);
    assert!(clear.contains("alice") && !hidden.contains("alice"), "{clear} {hidden}");
    for protocol in PROTOCOLS {
        for cookie in [&clear, &hidden] {
            let page = fetch(&server, protocol, Some(&visitor), "/env.cgi", cookie).await;
            assert_eq!(seen(&page).as_deref(), Some("sid=alice"));
        }
    }
}

const STAYS: &str =
    ". The secret from before the restart stays in force, and httpd will not start again with this one";

/// Whatever becomes of the secret, the site goes on, and nobody is logged out.
#[tokio::test]
async fn a_secret_that_is_bad_at_a_restart_stays_as_it_was() {
    let mut server = setup("TokenBindingCookie sid").start();
    server.announce("TB005");
    let site = Site::of(server);
    let path = site.server.dir().join("secret");
    let first = site.login("first").await;
    site.rewrite("secret", "");
    site.restart_with_warning(&["TokenBindingCookieSecret file:secret: it is empty", STAYS]);
    assert!(is_sealed(&first) && site.works(&first).await, "a cookie of before");
    fs::remove_file(&path).unwrap();
    site.restart_with_warning(&["file:secret: No such file", STAYS]);
    assert!(site.works(&first).await);
    site.rewrite("secret", OTHER_SECRET);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    site.restart_with_warning(&["file:secret: mode 644 lets others", STAYS]);
    let second = site.login("second").await;
    assert_eq!(key_id(&first), key_id(&second));
    assert!(site.works(&first).await && site.works(&second).await);

    // A good one takes its place: the old one is gone, and does not come back.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(site.restart(), [] as [&str; 0]);
    let third = site.login("third").await;
    assert!(site.works(&third).await && !site.works(&first).await);
    site.rewrite("secret", "");
    site.restart_with_warning(&["it is empty", STAYS]);
    assert!(site.works(&third).await && !site.works(&first).await);
}

#[tokio::test]
async fn a_command_that_fails_at_a_restart_takes_no_site_down() {
    let argument = unique();
    let mut server = Setup {
        secrets: vec![("give", format!("echo {SECRET}"))],
        ..Setup::with("TokenBindingCookie sid\nTokenBindingCookieSecret exec:/bin/sh @DIR@/give")
    }
    .start();
    server.announce("TB005");
    let site = Site::of(server);
    let cookie = site.login("alice").await;
    for (script, words) in [
        ("", "exec:/bin/sh: it is empty"),
        ("exit 3", "the command failed (exit status: 3)"),
        ("exec head -c 300M /dev/zero", "more than 65536 bytes, too many"),
        (&format!("sleep {argument}"), "gave no answer within 10 seconds"),
    ] {
        site.rewrite("give", script);
        site.restart_with_warning(&[words, STAYS]);
        assert!(site.works(&cookie).await, "{words}");
    }
    assert!(site.server.wait_for(|_| !runs(&argument)), "it is still there");
    site.rewrite("give", &format!("echo {OTHER_SECRET}"));
    assert_eq!(site.restart(), [] as [&str; 0]);
    assert!(!site.works(&cookie).await);
}

/// There is nothing that could take the place of a secret that is new with a restart.
#[tokio::test]
async fn a_secret_that_was_never_good_is_left_out_of_a_restart() {
    let mut server = Setup {
        secrets: vec![("old", SECRET.into()), ("secrets.conf", "TokenBindingCookieSecret file:old\n".into())],
        ..Setup::with("TokenBindingCookie sid\nInclude @DIR@/secrets.conf")
    }
    .start();
    server.announce("TB005");
    let site = Site::of(server);
    let cookie = site.login("alice").await;
    site.rewrite("secrets.conf", "TokenBindingCookieSecret file:new\nTokenBindingCookieSecret file:old\n");
    site.restart_with_warning(&["TokenBindingCookieSecret file:new: No such file", ". It is left out"]);
    assert!(site.works(&cookie).await);
    // The same as the old one is no better.
    site.rewrite("new", SECRET);
    fs::set_permissions(site.server.dir().join("new"), fs::Permissions::from_mode(0o600)).unwrap();
    site.restart_with_warning(&["file:old: it is the same secret as that of file:new. It is left out"]);
    assert!(site.works(&cookie).await);
    site.rewrite("new", OTHER_SECRET);
    assert_eq!(site.restart(), [] as [&str; 0]);
    assert!(site.works(&cookie).await);
    assert_ne!(key_id(&cookie), key_id(&site.login("bob").await));
}

/// Without any keys a virtual host serves nothing, and the others what they did.
#[tokio::test]
async fn a_virtual_host_without_keys_refuses_and_the_others_serve() {
    let server = setup("Include @DIR@/cookies.conf");
    let mut server = Setup {
        virtual_hosts: vec![
            VirtualHost::tls(HOST, "TokenBindingCookieSecret file:secret\nTokenBindingCookie sid"),
            VirtualHost::tls(
                "www.other.test",
                "Include @DIR@/cookies.conf\nHeader always set Set-Cookie sid=late\nHeader always add Set-Cookie b=c",
            ),
        ],
        files: vec![("cookies.conf", b"\n".to_vec())],
        ..server
    }
    .start();
    server.announce("TB005");
    server.announce("TB304");
    let site = Site::of(server);
    let cookie = site.login("alice").await;
    let visits = async || {
        let mut pages = Vec::new();
        for protocol in PROTOCOLS {
            for visitor in [Some(&site.visitor), None] {
                for path in ["/page.html", "/env.cgi", "/nowhere"] {
                    let mut session = Session::open(&site.server, protocol, visitor).await;
                    pages.push(session.send(Request::get("www.other.test", path)).await);
                }
            }
        }
        pages
    };
    let statuses = |pages: &[Response]| pages.iter().map(|page| page.status).collect::<Vec<_>>();
    assert_eq!(statuses(&visits().await), [200, 200, 404].repeat(4));
    site.rewrite("cookies.conf", "TokenBindingCookie sid\nTokenBindingCookieSecret file:nowhere\n");
    let lines = site.restart();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("file:nowhere: No such file"), "{lines:?}");
    assert!(
        lines[1].contains("file:nowhere: there is no secret. Virtual hosts that need it refuse"),
        "{lines:?}"
    );
    assert!(site.works(&cookie).await, "this one has its secret");
    let pages = visits().await;
    assert_eq!(statuses(&pages), [500; 12]);
    for page in &pages {
        assert_eq!(set_cookies(page), [] as [&str; 0], "nothing is sealed here");
    }
    for tag in ["TB302", "TB304"] {
        let line = site.server.line(tag);
        assert!(line.contains("the keys for bound cookies are missing"), "{line}");
    }
    // What it needs comes with the next restart.
    site.rewrite("cookies.conf", "TokenBindingCookie sid\nTokenBindingCookieSecret file:other-secret\n");
    assert_eq!(site.restart(), [] as [&str; 0]);
    assert_eq!(statuses(&visits().await), [200, 200, 404].repeat(4));
}
