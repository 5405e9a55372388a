//! Secrets: where `TokenBindingCookieSecret` says that they are, and what is not accepted as one. No message holds a
//! secret, or a part of one.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::command::{self, Limits};
use super::keyring::Keys;

/// 256 bits, if every byte is random; 192 bits of base64.
const SHORTEST: usize = 32;
const LONGEST: usize = 64 * 1024;
/// How long the commands of a configuration may take together. A vault answers within a second, or after an attempt or two that fail. At a restart the old
/// processes have stopped listening, and new clients wait as long as httpd does.
const PATIENCE: Duration = Duration::from_secs(10);
/// Different bytes that even 32 random hexadecimal digits have, but for one case in a billion.
const LEAST_VARIETY: usize = 7;

/// How to make a secret, for those who need one.
pub(crate) const RECIPE: &str =
    "make one with: openssl rand -base64 48 > FILE; chmod 600 FILE; chown root FILE";

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SecretSource {
    /// `file:PATH`, relative to ServerRoot.
    File(String),
    /// `exec:COMMAND [ARGUMENT...]`: what the command writes to its standard output. Run without a shell.
    Exec(String, Vec<String>),
}

/// A secret that is good enough.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl SecretSource {
    /// The words of a `TokenBindingCookieSecret` line.
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        const ALLOWED: &str = "file:PATH, or exec:COMMAND [ARGUMENT...]";
        let (first, arguments) = words.split_first().ok_or(format!("takes a value: {ALLOWED}"))?;
        let source = match first.split_once(':') {
            Some(("file", path)) if !path.is_empty() => match arguments.first() {
                None => Self::File(path.to_owned()),
                Some(second) => {
                    return Err(format!(
                        "takes one file a line, and \"{second}\" is a second; allowed: {ALLOWED}"
                    ));
                }
            },
            Some(("exec", command)) if !command.is_empty() => {
                Self::Exec(command.to_owned(), arguments.iter().map(|word| (*word).to_owned()).collect())
            }
            // Whoever writes the secret itself here does not find it in the log.
            _ => return Err(format!("invalid value (not shown: it may be a secret); allowed: {ALLOWED}")),
        };
        Ok(source)
    }

    /// Its file or command.
    fn path(&self, server_root: &Path) -> PathBuf {
        let (Self::File(path) | Self::Exec(path, _)) = self;
        server_root.join(path)
    }

    /// `time_left` is what commands may take, and less by what this one took.
    fn read(&self, server_root: &Path, time_left: &mut Duration) -> Result<Secret, String> {
        let path = self.path(server_root);
        let content = match self {
            Self::File(_) => read_file(&path),
            Self::Exec(_, arguments) => {
                if time_left.is_zero() {
                    return Err("not run: the commands before it took all the time there is".into());
                }
                let start = Instant::now();
                let answer = command::run(&path, arguments, Limits { bytes: LONGEST, time: *time_left });
                *time_left = time_left.saturating_sub(start.elapsed());
                answer
            }
        };
        Secret::from_content(content?)
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{path}"),
            Self::Exec(command, _) => write!(f, "exec:{command}"),
        }
    }
}

/// A source, and the path that it had then: both may stay and ServerRoot change.
type Place = (PathBuf, SecretSource);

/// The secrets that are in force since the last start or restart. They are needed once more if one is bad at the next.
pub(crate) struct LastGood(BTreeMap<Place, Secret>);

impl LastGood {
    pub(crate) const fn none() -> Self {
        Self(BTreeMap::new())
    }
}

/// Reads the secrets of one configuration, each of them once, and makes keys of them.
pub(crate) struct Reading<'a> {
    server_root: PathBuf,
    /// `None` at a start: what is bad then ends it. At a restart httpd goes on without.
    last_good: Option<&'a LastGood>,
    /// What is in force of each source.
    secrets: BTreeMap<Place, Option<Secret>>,
    /// For all commands together.
    time_left: Duration,
}

impl<'a> Reading<'a> {
    pub(crate) fn at_start(server_root: PathBuf) -> Self {
        Self { server_root, last_good: None, secrets: BTreeMap::new(), time_left: PATIENCE }
    }

    pub(crate) fn at_restart(server_root: PathBuf, last_good: &'a LastGood) -> Self {
        Self { server_root, last_good: Some(last_good), secrets: BTreeMap::new(), time_left: PATIENCE }
    }

    /// The keys of these secrets, or `None` if none is to be had at a restart. `warn` is told what is bad and what follows, the
    /// error is what ends a start: sentences that name the source.
    pub(crate) fn keys(
        &mut self,
        sources: &[SecretSource],
        mut warn: impl FnMut(String),
    ) -> Result<Option<Keys>, String> {
        let mut good: Vec<(&SecretSource, Secret)> = Vec::with_capacity(sources.len());
        for source in sources {
            let Some(secret) = self.secret(source, &mut warn)? else { continue };
            // At a start, no keys are made of it.
            match good.iter().find(|(_, known)| *known == secret) {
                Some((other, _)) if self.last_good.is_some() => {
                    warn(format!("{source}: it is the same secret as that of {other}. It is left out"));
                }
                _ => good.push((source, secret)),
            }
        }
        let secrets: Vec<Secret> = good.into_iter().map(|(_, secret)| secret).collect();
        match Keys::new(&secrets) {
            Err(problem) if self.last_good.is_some() => {
                let names = sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                warn(format!("{names}: {problem}. Virtual hosts that need it refuse their requests"));
                Ok(None)
            }
            keys => keys.map(Some),
        }
    }

    /// What is in force of a source; `None` is nothing, at a restart.
    fn secret(
        &mut self,
        source: &SecretSource,
        warn: &mut impl FnMut(String),
    ) -> Result<Option<Secret>, String> {
        let place = (source.path(&self.server_root), source.clone());
        if let Some(known) = self.secrets.get(&place) {
            return Ok(known.clone());
        }
        let secret = match (source.read(&self.server_root, &mut self.time_left), self.last_good) {
            (Ok(secret), _) => Some(secret),
            (Err(problem), None) => return Err(format!("{source}: {problem}")),
            (Err(problem), Some(LastGood(last_good))) => {
                let kept = last_good.get(&place).cloned();
                let follows = match kept {
                    Some(_) => "The secret from before the restart stays in force",
                    None => "It is left out",
                };
                warn(format!("{source}: {problem}. {follows}"));
                kept
            }
        };
        self.secrets.insert(place, secret.clone());
        Ok(secret)
    }

    /// What is in force now. Whatever else was before is forgotten with it.
    pub(crate) fn into_last_good(self) -> LastGood {
        let good = |(place, secret): (Place, Option<Secret>)| secret.map(|secret| (place, secret));
        LastGood(self.secrets.into_iter().filter_map(good).collect())
    }
}

impl Secret {
    /// What a file holds or a command says, less one newline at its end.
    fn from_content(content: Zeroizing<Vec<u8>>) -> Result<Self, String> {
        let secret = content.strip_suffix(b"\n").unwrap_or(&content);
        Self::check(secret)?;
        // It is kept, and no longer than it is.
        Ok(Self(Zeroizing::new(secret.to_vec())))
    }

    fn check(bytes: &[u8]) -> Result<(), String> {
        let mut different = bytes.to_vec();
        different.sort_unstable();
        different.dedup();
        let different = Zeroizing::new(different).len();
        if bytes.is_empty() {
            Err(format!("it is empty; {RECIPE}"))
        } else if bytes.len() < SHORTEST {
            Err(format!(
                "{} bytes are too short for a secret, {SHORTEST} are the least; {RECIPE}",
                bytes.len()
            ))
        } else if different < LEAST_VARIETY {
            Err(format!("it is not random: few bytes of it are different; {RECIPE}"))
        } else {
            Ok(())
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, String> {
        Self::from_content(Zeroizing::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    // Asked first: opening a FIFO would wait for its other end.
    check_file(&fs::metadata(path).map_err(|error| error.to_string())?)?;
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    // And again: it is this file that is read.
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    check_file(&metadata)?;
    // As large as it can get: a buffer that grows leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1));
    file.by_ref().take(metadata.len()).read_to_end(&mut content).map_err(|error| error.to_string())?;
    Ok(content)
}

fn check_file(metadata: &Metadata) -> Result<(), String> {
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(format!(
            "mode {:o} lets others than its owner use it; chmod 600 (and make a new secret: this one may be known)",
            metadata.mode() & 0o7777
        ));
    }
    // httpd reads it before it gives up root's rights. /proc/self belongs to who this process runs as.
    let us = fs::metadata("/proc/self").map_or(0, |us| us.uid());
    if metadata.uid() != 0 && metadata.uid() != us {
        return Err(format!("user {} owns it; it must be root, or who starts httpd", metadata.uid()));
    }
    if metadata.len() > LONGEST as u64 {
        return Err(format!("{} bytes are too many for a secret", metadata.len()));
    }
    Ok(())
}

/// httpd's ServerRoot as a path.
pub(crate) fn server_root(path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(path)).to_path_buf()
}

#[cfg(test)]
mod tests {
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

    fn load(sources: &[SecretSource], server_root: &Path) -> Result<Keys, String> {
        let warn = |line| panic!("{line}: at a start nothing is warned of");
        Ok(Reading::at_start(server_root.into()).keys(sources, warn)?.unwrap())
    }

    fn problem(source: &SecretSource) -> String {
        let message = load(std::slice::from_ref(source), Path::new("/")).unwrap_err();
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
            assert!(SecretSource::parse(words).unwrap_err().contains("file:PATH, or exec:COMMAND"));
        }
        assert!(!SecretSource::parse(&[GOOD]).unwrap_err().contains(GOOD));
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
        assert!(problem(&file(&dir, &GOOD[..31], 0o600)).contains("31 bytes are too short"));
        assert!(problem(&file(&dir, &"abcdef".repeat(20), 0o600)).contains("not random"));
        assert!(problem(&file(&dir, &GOOD.repeat(3000), 0o600)).contains("96000 bytes are too many"));
        let sparse = file(&dir, GOOD, 0o600);
        File::options().write(true).open(sparse.path(Path::new("/"))).unwrap().set_len(1 << 40).unwrap();
        assert!(problem(&sparse).contains("1099511627776 bytes are too many"));
        assert!(
            problem(&SecretSource::File(dir.path().display().to_string())).contains("not a regular file")
        );
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
        assert!(problem(&endless).contains("more than 65536 bytes are too many for a secret"));
        // No shell looks at the words.
        let words = vec!["$HOME;echo".into(), "`id`".into()];
        assert!(problem(&SecretSource::Exec("/bin/echo".into(), words)).contains("15 bytes are too short"));
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
            let keys = reading.keys(sources, |line| warnings.push(line)).unwrap();
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
        for (content, mode, words) in
            [("", 0o600, "empty"), (OTHER, 0o644, "mode 644"), ("a", 0o600, "short")]
        {
            file(&dir, content, mode);
            // Not only once.
            for _ in 0..2 {
                process.restart(std::slice::from_ref(&source));
                assert!(process.has(GOOD), "{words}");
                let [warning] = &process.warnings[..] else { panic!("{:?}", process.warnings) };
                assert!(warning.starts_with(&format!("{source}: ")) && warning.contains(words), "{warning}");
                assert!(
                    warning.ends_with(". The secret from before the restart stays in force"),
                    "{warning}"
                );
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
        assert_eq!(
            process.warnings,
            [format!("{two}: it is the same secret as that of {one}. It is left out")]
        );
        // The one that stays in force is the one that is named anew, in another file.
        named(&dir, "one", "", 0o600);
        process.restart(&both);
        assert!(process.has(GOOD) && process.warnings.len() == 2, "{:?}", process.warnings);
        assert!(
            load(&[named(&dir, "one", GOOD, 0o600), two], Path::new("/")).unwrap_err().contains("the same")
        );
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
}
