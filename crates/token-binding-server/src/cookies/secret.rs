//! Secrets: where `TokenBindingCookieSecret` says that they are, and what is not accepted as one. No message holds a
//! secret, or a part of one.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thiserror::Error;
use zeroize::Zeroizing;

use super::command::{self, CommandError, Limits};
use crate::words::DirectiveError;

/// 256 bits, if every byte is random; 192 bits of base64.
const SHORTEST: usize = 32;
const LONGEST: usize = 64 * 1024;
/// Different bytes that even 32 random hexadecimal digits have, but for one case in a billion.
const LEAST_VARIETY: usize = 7;

/// How to make a secret, for those who need one.
pub const RECIPE: &str = "make one with: (umask 077; openssl rand -base64 48 > FILE); chown root FILE";

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretSource {
    /// `file:PATH`, relative to ServerRoot.
    File(String),
    /// `exec:COMMAND [ARGUMENT...]`: what the command writes to its standard output. Run without a shell.
    Exec(String, Vec<String>),
}

/// Why there is no secret at a source. The text says nothing of the secret itself.
#[derive(Debug, Error)]
pub enum SecretError {
    #[error("not run: the commands before it used up the time")]
    NotRun,
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Weak(#[from] WeakSecret),
}

/// Why a secret's file is not read.
#[derive(Debug, Error)]
pub enum FileError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not a regular file")]
    NotRegular,
    #[error(
        "mode {mode:o} lets others than its owner use it; chmod 600 (and make a new secret: this one may be known)"
    )]
    Open { mode: u32 },
    #[error("user {owner} owns it; the owner must be root or the user who starts httpd")]
    Owner { owner: u32 },
    #[error("it has {length} bytes, too many for a secret")]
    TooLong { length: u64 },
}

/// Why bytes are not accepted as a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WeakSecret {
    #[error("it is empty; {RECIPE}")]
    Empty,
    #[error("it has {length} bytes, too few for a secret (at least {SHORTEST}); {RECIPE}")]
    Short { length: usize },
    #[error("it has too few distinct bytes to be random; {RECIPE}")]
    Monotonous,
}

/// A secret that is good enough.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl SecretSource {
    /// The words of a `TokenBindingCookieSecret` line.
    pub fn parse(words: &[&str]) -> Result<Self, DirectiveError> {
        const ALLOWED: &str = "file:PATH, or exec:COMMAND [ARGUMENT...]";
        let (first, arguments) = words.split_first().ok_or(DirectiveError::missing(ALLOWED))?;
        let source = match first.split_once(':') {
            Some(("file", path)) if !path.is_empty() => match arguments.first() {
                None => Self::File(path.to_owned()),
                Some(second) => return Err(DirectiveError::second(second, ALLOWED)),
            },
            Some(("exec", command)) if !command.is_empty() => {
                Self::Exec(command.to_owned(), arguments.iter().map(|word| (*word).to_owned()).collect())
            }
            _ => return Err(DirectiveError::InvalidSecret { allowed: ALLOWED.into() }),
        };
        Ok(source)
    }

    /// Its file or command.
    pub(super) fn path(&self, server_root: &Path) -> PathBuf {
        let (Self::File(path) | Self::Exec(path, _)) = self;
        server_root.join(path)
    }

    /// `time_left` is the time left for commands; what this one takes is subtracted.
    pub(super) fn read(&self, server_root: &Path, time_left: &mut Duration) -> Result<Secret, SecretError> {
        let path = self.path(server_root);
        let content = match self {
            Self::File(_) => read_file(&path)?,
            Self::Exec(_, arguments) => {
                if time_left.is_zero() {
                    return Err(SecretError::NotRun);
                }
                let start = Instant::now();
                let answer = command::run(&path, arguments, Limits { bytes: LONGEST, time: *time_left });
                *time_left = time_left.saturating_sub(start.elapsed());
                answer?
            }
        };
        Ok(Secret::from_content(content)?)
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

impl Secret {
    /// Takes a file's content or a command's output, without one newline at its end.
    fn from_content(content: Zeroizing<Vec<u8>>) -> Result<Self, WeakSecret> {
        let secret = content.strip_suffix(b"\n").unwrap_or(&content);
        Self::check(secret)?;
        // A copy of its own, as long as needed and no longer: it is kept.
        Ok(Self(Zeroizing::new(secret.to_vec())))
    }

    fn check(bytes: &[u8]) -> Result<(), WeakSecret> {
        let mut different = bytes.to_vec();
        different.sort_unstable();
        different.dedup();
        let different = Zeroizing::new(different).len();
        if bytes.is_empty() {
            Err(WeakSecret::Empty)
        } else if bytes.len() < SHORTEST {
            Err(WeakSecret::Short { length: bytes.len() })
        } else if different < LEAST_VARIETY {
            Err(WeakSecret::Monotonous)
        } else {
            Ok(())
        }
    }

    /// Takes these bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, WeakSecret> {
        Self::from_content(Zeroizing::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // Checked before opening: opening a FIFO would wait for its other end.
    check_file(&fs::metadata(path)?)?;
    let mut file = File::open(path)?;
    // Checked again: this is the file that is read.
    let metadata = file.metadata()?;
    check_file(&metadata)?;
    // As large as it can get: a buffer that grows leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1));
    file.by_ref().take(metadata.len()).read_to_end(&mut content)?;
    Ok(content)
}

fn check_file(metadata: &Metadata) -> Result<(), FileError> {
    if !metadata.is_file() {
        return Err(FileError::NotRegular);
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(FileError::Open { mode: metadata.mode() & 0o7777 });
    }
    // httpd reads it before it gives up root's rights. /proc/self belongs to who this process runs as.
    let us = fs::metadata("/proc/self").map_or(0, |us| us.uid());
    if metadata.uid() != 0 && metadata.uid() != us {
        return Err(FileError::Owner { owner: metadata.uid() });
    }
    if metadata.len() > LONGEST as u64 {
        return Err(FileError::TooLong { length: metadata.len() });
    }
    Ok(())
}

/// httpd's ServerRoot as a path.
pub fn server_root(path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    Path::new(std::ffi::OsStr::from_bytes(path)).to_path_buf()
}
