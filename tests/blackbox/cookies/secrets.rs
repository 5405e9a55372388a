//! Secrets: what is refused at start-up, and how they are changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::cookies::{OTHER_SECRET, SECRET, SET_COOKIE, is_sealed, jar, seen, setup};
use crate::support::session::{PROTOCOLS, Protocol, fetch};
use crate::support::{Setup, Visitor};

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
    let recipe = "openssl rand -base64 48 > FILE; chmod 600 FILE; chown root FILE";
    assert_refused(&Setup::with("TokenBindingCookie sid"), recipe);
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
        ("file:weak", "abcabcdefghijklmnopqrstuvwxyz12", "file:weak: 31 bytes are too short"),
        ("file:weak", &"abc".repeat(20), "not random"),
        ("file:nowhere", "", "file:nowhere: No such file"),
        ("file:htdocs", "", "file:htdocs: it is not a regular file"),
        ("exec:/bin/false", "", "exec:/bin/false: the command failed"),
        ("exec:/bin/true", "", "exec:/bin/true: it is empty"),
        ("exec:/nowhere/command", "", "can't be run"),
        ("exec:/bin/echo short", "", "5 bytes are too short"),
        ("exec:/usr/bin/head -c 300M /dev/zero", "", "more than 65536 bytes are too many for a secret"),
        ("exec:/usr/bin/yes", "", "more than 65536 bytes are too many for a secret"),
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

/// Does a process have this argument?
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
    let by_file = crate::support::cookies::setup("TokenBindingCookie sid").start();
    let visitor = Visitor::new();
    let cookie = jar(&fetch(&by_command, Protocol::Http1, Some(&visitor), "/set.cgi?sid=alice", "").await);
    let page = fetch(&by_file, Protocol::Http2, Some(&visitor), "/env.cgi", &cookie).await;
    assert_eq!(seen(&page).as_deref(), Some("sid=alice"), "the same secret, wherever it comes from");
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
        server.script("set.cgi", SET_COOKIE);
        let visitor = Visitor::new();
        let login = async |value: &str| {
            jar(&fetch(&server, Protocol::Http1, Some(&visitor), &format!("/set.cgi?sid={value}"), "").await)
        };
        let works = async |cookie: &str| {
            let mut seen_by = Vec::new();
            for protocol in PROTOCOLS {
                seen_by.push(
                    seen(&fetch(&server, protocol, Some(&visitor), "/env.cgi", cookie).await).is_some(),
                );
            }
            assert_eq!(seen_by[0], seen_by[1]);
            seen_by[0]
        };
        let rewrite = |name: &str, text: &str| fs::write(server.dir().join(name), text).unwrap();

        let first = login("first").await;
        assert!(is_sealed(&first) && works(&first).await);
        // The secrets change places: the other one seals now.
        rewrite("secret", SECRET);
        rewrite("old", OTHER_SECRET);
        server.restart();
        assert!(works(&first).await, "a cookie of before the change");
        let second = login("second").await;
        assert!(works(&second).await);
        assert_ne!(key_id(&first), key_id(&second));
        // The old one goes.
        rewrite("secrets.conf", "\n");
        server.restart();
        assert!(works(&second).await);
        assert!(!works(&first).await, "its secret is gone");
        assert!(server.line("TB301").contains("not in force here"), "{}", server.line("TB301"));
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
