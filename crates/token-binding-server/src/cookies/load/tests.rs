//! Secrets good and bad, at starts and restarts.

use std::fs::{self, File};
use std::path::Path;

use super::*;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use tempfile::TempDir;

const GOOD: &str = "kV0mHJ4Y8c1oS9w3T2q7bXzPnLr5Df6G";

const OTHER: &str = "Zp8LwQ2vN5tYc7XeB1mUj4Ha0RkDs9Gf";

fn file(dir: &TempDir, content: &str, mode: u32) -> SecretSource {
    named(dir, "secret", content, mode)
}

fn named(dir: &TempDir, name: &str, content: &str, mode: u32) -> SecretSource {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    SecretSource::parse(&[&format!("file:{}", path.display())]).unwrap()
}

fn load(sources: &[SecretSource], server_root: &Path) -> Result<Keys, LoadError> {
    let warn = |line| panic!("{line}: at a start nothing is warned of");
    Ok(Reading::at_start(server_root.into()).keys(sources, warn)?.unwrap())
}

fn problem(source: &SecretSource) -> String {
    let message = load(std::slice::from_ref(source), Path::new("/")).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{source}: ")), "{message}");
    assert!(!message.contains(&GOOD[..8]), "{message}");
    message
}

#[test]
fn words() {
    assert_eq!(SecretSource::parse(&["file:a/b"]).unwrap(), SecretSource::File("a/b".into()));
    assert_eq!(
        SecretSource::parse(&["exec:/bin/get", "a", "b c"]).unwrap(),
        SecretSource::Exec("/bin/get".into(), vec!["a".into(), "b c".into()])
    );
    for words in [&[][..], &["file:"], &["exec:"], &["file:a", "b"]] {
        assert!(SecretSource::parse(words).unwrap_err().to_string().contains("file:PATH, or exec:COMMAND"));
    }
    assert!(!SecretSource::parse(&[GOOD]).unwrap_err().to_string().contains(GOOD));
}

#[test]
fn a_file_with_or_without_a_newline_is_the_same_secret() {
    let dir = tempfile::tempdir().unwrap();
    let one = load(&[file(&dir, GOOD, 0o600)], Path::new("/")).unwrap();
    let two = load(&[file(&dir, &format!("{GOOD}\n"), 0o400)], Path::new("/")).unwrap();
    let relative = load(&[SecretSource::File("secret".into())], dir.path()).unwrap();
    let command = SecretSource::Exec("/bin/echo".into(), vec![GOOD.into()]);
    assert_eq!(one, two);
    assert_eq!(one, relative);
    assert_eq!(one, load(&[command], Path::new("/")).unwrap());
}

#[test]
fn what_is_no_secret_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(problem(&file(&dir, "", 0o600)).contains("empty"));
    assert!(problem(&file(&dir, "\n", 0o600)).contains("openssl rand -base64 48"));
    assert!(problem(&file(&dir, &GOOD[..31], 0o600)).contains("it has 31 bytes, too few for a secret"));
    assert!(problem(&file(&dir, &"abcdef".repeat(20), 0o600)).contains("to be random"));
    assert!(problem(&file(&dir, &GOOD.repeat(3000), 0o600)).contains("it has 96000 bytes, too many"));
    let sparse = file(&dir, GOOD, 0o600);
    File::options().write(true).open(sparse.path(Path::new("/"))).unwrap().set_len(1 << 40).unwrap();
    assert!(problem(&sparse).contains("it has 1099511627776 bytes, too many"));
    assert!(problem(&SecretSource::File(dir.path().display().to_string())).contains("not a regular file"));
    assert!(problem(&SecretSource::File("/nowhere/secret".into())).contains("No such file"));
    let fifo = dir.path().join("fifo");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&fifo).status().unwrap().success());
    assert!(problem(&SecretSource::File(fifo.display().to_string())).contains("not a regular file"));
    for mode in [0o640, 0o604, 0o620, 0o601] {
        assert!(problem(&file(&dir, GOOD, mode)).contains(&format!("mode {mode:o}")));
    }
}

#[test]
fn a_command_that_fails_or_says_nothing_is_refused() {
    assert!(problem(&SecretSource::Exec("/bin/false".into(), vec![])).contains("failed"));
    assert!(problem(&SecretSource::Exec("/bin/true".into(), vec![])).contains("empty"));
    assert!(problem(&SecretSource::Exec("/nowhere/get".into(), vec![])).contains("can't be run"));
    let endless = SecretSource::Exec("/bin/cat".into(), vec!["/dev/zero".into()]);
    assert!(problem(&endless).contains("it printed more than 65536 bytes, too many"));
    // No shell looks at the words.
    let words = vec!["$HOME;echo".into(), "`id`".into()];
    assert!(problem(&SecretSource::Exec("/bin/echo".into(), words)).contains("it has 15 bytes, too few"));
}

/// What httpd keeps from one start to the next, and what it says.
struct Process {
    last_good: LastGood,
    keys: Option<Keys>,
    warnings: Vec<String>,
}

impl Process {
    fn start(sources: &[SecretSource]) -> Self {
        let mut reading = Reading::at_start("/".into());
        let keys = reading.keys(sources, |line| panic!("{line}")).unwrap();
        Self { last_good: reading.into_last_good(), keys, warnings: Vec::new() }
    }

    fn restart(&mut self, sources: &[SecretSource]) {
        self.restart_in("/", sources);
    }

    fn restart_in(&mut self, server_root: impl Into<PathBuf>, sources: &[SecretSource]) {
        let mut warnings = Vec::new();
        let mut reading = Reading::at_restart(server_root.into(), &self.last_good);
        let keys = reading.keys(sources, |warning| warnings.push(warning.to_string())).unwrap();
        self.last_good = reading.into_last_good();
        for warning in &warnings {
            assert!(!warning.contains(&GOOD[..8]) && !warning.contains(&OTHER[..8]), "{warning}");
        }
        (self.keys, self.warnings) = (keys, warnings);
    }

    /// The secret in force, and the only one.
    fn has(&self, secret: &str) -> bool {
        let secret = Secret::new(secret.into()).unwrap();
        self.keys == Some(Keys::new(&[secret]).unwrap())
    }
}

#[test]
fn a_secret_that_is_bad_at_a_restart_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let source = file(&dir, GOOD, 0o600);
    let mut process = Process::start(std::slice::from_ref(&source));
    for (content, mode, words) in [("", 0o600, "empty"), (OTHER, 0o644, "mode 644"), ("a", 0o600, "too few")]
    {
        file(&dir, content, mode);
        // Not only once.
        for _ in 0..2 {
            process.restart(std::slice::from_ref(&source));
            assert!(process.has(GOOD), "{words}");
            let [warning] = &process.warnings[..] else { panic!("{:?}", process.warnings) };
            assert!(warning.starts_with(&format!("{source}: ")) && warning.contains(words), "{warning}");
            assert!(warning.ends_with(". The secret from before the restart stays in force, and httpd will not start again with this one"), "{warning}");
        }
    }
    fs::remove_file(source.path(Path::new("/"))).unwrap();
    process.restart(std::slice::from_ref(&source));
    assert!(process.has(GOOD) && process.warnings[0].contains("No such file"), "{:?}", process.warnings);
}

#[test]
fn a_good_one_at_a_restart_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let source = file(&dir, GOOD, 0o600);
    let mut process = Process::start(std::slice::from_ref(&source));
    file(&dir, OTHER, 0o600);
    process.restart(std::slice::from_ref(&source));
    assert!(process.has(OTHER) && process.warnings.is_empty(), "{:?}", process.warnings);
    file(&dir, "", 0o600);
    process.restart(std::slice::from_ref(&source));
    assert!(process.has(OTHER), "and not the one of the start");
}

#[test]
fn what_was_never_good_is_left_out_of_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let good = file(&dir, GOOD, 0o600);
    let missing = SecretSource::File("/nowhere/secret".into());
    let mut process = Process::start(std::slice::from_ref(&good));
    process.restart(&[missing.clone(), good.clone()]);
    assert!(process.has(GOOD));
    assert_eq!(
        process.warnings,
        ["file:/nowhere/secret: No such file or directory (os error 2). It is left out"]
    );
    process.restart(&[missing.clone(), SecretSource::Exec("/bin/true".into(), vec![])]);
    assert_eq!(process.keys, None);
    let [_, _, last] = &process.warnings[..] else { panic!("{:?}", process.warnings) };
    assert_eq!(
        last,
        "file:/nowhere/secret, exec:/bin/true: there is no secret. Virtual hosts that need it refuse their requests"
    );
    // And then there is one.
    process.restart(&[missing, good]);
    assert!(process.has(GOOD) && process.warnings.len() == 1);
}

#[test]
fn of_two_equal_secrets_a_restart_takes_one() {
    let dir = tempfile::tempdir().unwrap();
    let one = named(&dir, "one", GOOD, 0o600);
    let two = named(&dir, "two", OTHER, 0o600);
    let both = [one.clone(), two.clone()];
    let mut process = Process::start(&both);
    named(&dir, "two", GOOD, 0o600);
    process.restart(&both);
    assert!(process.has(GOOD));
    assert_eq!(process.warnings, [format!("{two}: it is the same secret as that of {one}. It is left out")]);
    // The one that stays in force is the one that is named anew, in another file.
    named(&dir, "one", "", 0o600);
    process.restart(&both);
    assert!(process.has(GOOD) && process.warnings.len() == 2, "{:?}", process.warnings);
    let error = load(&[named(&dir, "one", GOOD, 0o600), two], Path::new("/")).unwrap_err();
    assert!(matches!(error, LoadError::Keys(NoKeyring::SameTwice)), "{error}");
}

#[test]
fn a_secret_that_is_no_longer_named_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let source = file(&dir, GOOD, 0o600);
    let other = named(&dir, "other", OTHER, 0o600);
    let mut process = Process::start(std::slice::from_ref(&source));
    process.restart(std::slice::from_ref(&other));
    assert_eq!(process.last_good.0.len(), 1);
    file(&dir, "", 0o600);
    process.restart(&[source]);
    assert_eq!(process.keys, None);
    assert!(process.last_good.0.is_empty());
}

#[test]
fn another_server_root_is_another_file() {
    let (dir, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, relative) = (file(&dir, GOOD, 0o600), SecretSource::File("secret".into()));
    let mut process = Process::start(&[source]);
    process.restart_in(dir.path(), std::slice::from_ref(&relative));
    assert!(process.has(GOOD));
    process.restart_in(empty.path(), std::slice::from_ref(&relative));
    assert_eq!(process.keys, None);
}

#[test]
fn a_command_in_two_lists_is_run_once() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("echo run >> {}/log; echo {GOOD}", dir.path().display());
    let command = SecretSource::Exec("/bin/sh".into(), vec!["-c".into(), script]);
    let other = file(&dir, OTHER, 0o600);
    let mut reading = Reading::at_start("/".into());
    reading.keys(&[command.clone(), other], |line| panic!("{line}")).unwrap();
    reading.keys(&[command], |line| panic!("{line}")).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("log")).unwrap(), "run\n");
}
