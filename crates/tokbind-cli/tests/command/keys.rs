//! `tokbind keys`, and the exit codes that all commands share.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tokbind::KeyParameters;
use tokbind::keys::KeyStore;

use crate::support::{User, said};

const EC: KeyParameters = KeyParameters::ECDSAP256;

fn user_with_keys() -> User {
    let user = User::new();
    let store = KeyStore::open(Some(user.keys())).unwrap();
    store.key("www.example.com", EC).unwrap();
    store.key("example.com", KeyParameters::RSA2048_PSS).unwrap();
    store.key("localhost", EC).unwrap();
    user
}

#[test]
fn the_directory_can_be_chosen() {
    let user = User::new();
    let path = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = user.command(&[&["keys", "path"], args].concat());
        said(command.envs(variables.iter().copied())).exited(0).out
    };
    assert_eq!(path(&[], &[]).trim(), user.keys().to_str().unwrap());
    assert_eq!(path(&[("XDG_DATA_HOME", "/data")], &[]), "/data/tokbind/keys\n");
    assert_eq!(path(&[("XDG_DATA_HOME", "relative")], &[]).trim(), user.keys().to_str().unwrap());
    assert_eq!(path(&[("XDG_DATA_HOME", "/data"), ("TOKBIND_KEYS", "/mine")], &[]), "/mine\n");
    assert_eq!(path(&[("TOKBIND_KEYS", "/mine")], &["--keys", "/other"]), "/other\n");
    assert_eq!(path(&[], &["--keys", "/k", "--json"]), "{\n  \"path\": \"/k\"\n}\n");

    let nowhere = said(user.command(&["keys", "path"]).env_remove("HOME")).exited(3);
    assert!(nowhere.err.contains("--keys or TOKBIND_KEYS"), "{nowhere:?}");
}

#[test]
fn keys_are_listed() {
    let user = user_with_keys();
    let list = user.run(&["keys", "list"]).exited(0).out;
    let domains: Vec<_> =
        list.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
    assert_eq!(
        domains,
        [["example.com", "ecdsap256"], ["example.com", "rsa2048_pss"], ["localhost", "ecdsap256"]]
    );

    let json = user.run(&["keys", "list", "--json"]).exited(0).json();
    assert_eq!(json[0]["domain"], "example.com");
    assert_eq!(json[0]["token_binding_id"].as_str().unwrap().len(), 91);
    assert_eq!(json[0]["tbh"].as_str().unwrap().len(), 43);
    assert_eq!(json[2]["path"], user.keys().join("localhost.ecdsap256.pem").to_str().unwrap());
    assert_eq!(User::new().run(&["keys", "list", "--json"]).exited(0).out, "[]\n");
}

#[test]
fn nothing_shows_a_private_key() {
    let user = user_with_keys();
    let pem = fs::read_to_string(user.keys().join("localhost.ecdsap256.pem")).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    for args in [&["keys", "list"][..], &["keys", "list", "--json"], &["keys", "show", "localhost"]] {
        let said = user.run(args).exited(0);
        assert!(!format!("{said:?}").contains(secret));
    }
}

#[test]
fn a_hosts_keys_are_shown() {
    let user = user_with_keys();
    let all = user.run(&["keys", "show", "login.Example.com", "--json"]).exited(0).json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let one = user.run(&["keys", "show", "example.com", "--key-parameters", "rsa2048_pss"]).exited(0).out;
    assert!(one.starts_with("example.com rsa2048_pss\n  Token Binding ID: AQEGAQ"), "{one}");
    let none = user.run(&["keys", "show", "example.org"]).exited(1);
    assert_eq!(
        (none.out.as_str(), none.err.as_str()),
        ("", "tokbind: there is no such key for example.org\n")
    );
}

#[test]
fn a_hosts_keys_are_deleted() {
    let user = user_with_keys();
    let one = user.run(&["keys", "delete", "www.example.com", "--key-parameters", "ECDSAP256"]).exited(0);
    assert_eq!(one.out, "deleted the ecdsap256 key of example.com\n");
    let rest = user.run(&["keys", "delete", "www.example.com", "--json"]).exited(0).json();
    assert_eq!(rest["deleted"], serde_json::json!(["rsa2048_pss"]));
    user.run(&["keys", "delete", "www.example.com"]).exited(1);
    assert_eq!(user.run(&["keys", "list"]).exited(0).out.lines().count(), 1);
}

#[test]
fn what_others_can_read_is_refused() {
    let user = user_with_keys();
    let file = user.keys().join("localhost.ecdsap256.pem");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let list = user.run(&["keys", "list"]).exited(1).out;
    assert!(list.contains("is refused: it is open to other users (mode 0644)"), "{list}");
    assert_eq!(list.lines().count(), 3);

    fs::set_permissions(user.keys(), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = user.run(&["keys", "list"]).exited(3);
    assert!(refused.err.contains(user.keys().to_str().unwrap()), "{refused:?}");
    user.run(&["keys", "path"]).exited(0);
}

#[test]
fn processes_that_want_a_new_key_at_once_get_the_same() {
    // Each process makes its own request for the key in its own time; only the directory is shared.
    let user = User::new();
    let directory = user.keys();
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            command
                .args(["--exact", "keys::make_a_key", "--ignored", "--nocapture"])
                .env("TOKBIND_TEST_KEYS", &directory);
            command.stdout(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let ids: Vec<_> = children
        .into_iter()
        .map(|child| {
            let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
            out.split_once("id=[").unwrap().1.split(']').next().unwrap().to_owned()
        })
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

#[test]
#[ignore = "run by the test above, as a process of its own"]
fn make_a_key() {
    use token_binding::sign::Signer;
    let Some(directory) = std::env::var_os("TOKBIND_TEST_KEYS") else { return };
    let store = KeyStore::open(Some(directory.into())).unwrap();
    let key = store.key("example.com", KeyParameters::RSA2048_PSS).unwrap();
    println!("id={:?}", key.token_binding_id());
}

#[test]
fn the_command_teaches() {
    let user = User::new();
    let help = user.run(&["--help"]).exited(0).out;
    for word in ["keys", "verify", "Exit codes", "TOKBIND_KEYS"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    user.run(&["--version"]).exited(0);
    user.run(&[]).exited(2);
    user.run(&["nonsense"]).exited(2);
    let wrong = user.run(&["keys", "show", "a", "--key-parameters", "x"]).exited(2);
    assert!(wrong.err.contains("ecdsap256, rsa2048_pss, rsa2048_pkcs1.5"), "{wrong:?}");
}

#[test]
fn a_shell_learns_to_complete_it() {
    let user = User::new();
    for (shell, words) in
        [("bash", "complete -F _tokbind"), ("zsh", "#compdef tokbind"), ("fish", "complete -c tokbind")]
    {
        let script = user.run(&["completions", shell]).exited(0).out;
        assert!(script.contains(words) && script.contains("key-parameters"), "{shell}");
    }
    assert!(user.run(&["completions", "cmd.exe"]).exited(2).err.contains("bash"));
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let user = user_with_keys();
    let mut child = user.command(&["keys", "list"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
