//! Secrets: where `TokenBindingCookieSecret` says that they are, and what is not accepted as one. No message holds a
//! secret, or a part of one.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::command::{self, Limits};
use super::keyring::Keyring;
use super::seal;

/// 256 bits, if every byte is random; 192 bits of base64.
const SHORTEST: usize = 32;
const LONGEST: usize = 64 * 1024;
/// How long a command may take. A vault answers within a second, or after an attempt or two that fail. At a restart the old
/// processes have stopped listening, and new clients wait as long as httpd does.
const PATIENCE: Duration = Duration::from_secs(10);
/// Different bytes that even 32 random hexadecimal digits have, but for one case in a billion.
const LEAST_VARIETY: usize = 7;

/// How to make a secret, for those who need one.
pub(crate) const RECIPE: &str =
    "make one with: openssl rand -base64 48 > FILE; chmod 600 FILE; chown root FILE";

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum SecretSource {
    /// `file:PATH`, relative to ServerRoot.
    File(String),
    /// `exec:COMMAND [ARGUMENT...]`: what the command writes to its standard output. Run without a shell.
    Exec(String, Vec<String>),
}

/// A secret that is good enough.
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

    fn read(&self, server_root: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
        match self {
            Self::File(path) => read_file(&server_root.join(path)),
            Self::Exec(command, arguments) => {
                let limits = Limits { bytes: LONGEST, time: PATIENCE };
                command::run(&server_root.join(command), arguments, limits)
            }
        }
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

/// Reads all secrets and makes their keys. The error is a sentence that names the source.
pub(crate) fn load(sources: &[SecretSource], server_root: &Path) -> Result<Keyring, String> {
    let secrets: Result<Vec<Secret>, String> = sources
        .iter()
        .map(|source| {
            source
                .read(server_root)
                .and_then(Secret::from_content)
                .map_err(|problem| format!("{source}: {problem}"))
        })
        .collect();
    let keyring = Keyring::new(&secrets?)?;
    // What has failed in OpenSSL once may fail from then on: now is the time to say so, and not at each response.
    seal::try_out(&keyring)?;
    Ok(keyring)
}

impl Secret {
    /// What a file holds or a command says, less one newline at its end.
    fn from_content(mut content: Zeroizing<Vec<u8>>) -> Result<Self, String> {
        if content.ends_with(b"\n") {
            content.pop();
        }
        Self::check(&content)?;
        Ok(Self(content))
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

    fn file(dir: &TempDir, content: &str, mode: u32) -> SecretSource {
        let path = dir.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SecretSource::parse(&[&format!("file:{}", path.display())]).unwrap()
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
        let sparse = dir.path().join("secret");
        File::options().write(true).open(&sparse).unwrap().set_len(1 << 40).unwrap();
        let sparse = SecretSource::File(sparse.display().to_string());
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
}
