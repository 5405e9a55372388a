//! The directory that keys are kept in: who may look into it, and how a file gets there whole or not at all.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use zeroize::Zeroizing;

use super::error::KeyStoreError;
use crate::KeyParameters;
use crate::{PrivateKey, keys::domain};

/// A PEM file with a 2048-bit RSA key has 1,700 bytes.
const MAX_FILE: u64 = 16 * 1024;
const LOCK: &str = ".lock";
/// A file that is not finished. What starts with a dot is no key.
const UNFINISHED: &str = ".new-";

#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
}

/// Tells a file from the one that had its name before, or that has been changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Directory {
    /// Checks the directory if it is there. It is made when the first key is.
    pub(super) fn open(path: PathBuf) -> Result<Self, KeyStoreError> {
        let directory = Directory { path };
        directory.exists()?;
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory is there. Refuses one that others can use.
    pub(super) fn exists(&self) -> Result<bool, KeyStoreError> {
        match fs::metadata(&self.path) {
            Ok(metadata) if !metadata.is_dir() => {
                Err(KeyStoreError::WrongKind { path: self.path.clone(), expected: "directory" })
            }
            Ok(metadata) => check_owner(&self.path, &metadata).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(KeyStoreError::io("looking at", &self.path)(error)),
        }
    }

    /// The file's stamp; `None` when there is no such file.
    pub(super) fn stamp(&self, name: &str) -> Result<Option<Stamp>, KeyStoreError> {
        let path = self.path.join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KeyStoreError::io("looking at", path)(error)),
        }
    }

    /// Reads a key; `None` when there is no such file. Refuses a file that others can read.
    pub(super) fn read(
        &self,
        name: &str,
        key_parameters: KeyParameters,
    ) -> Result<Option<(PrivateKey, Stamp)>, KeyStoreError> {
        if !self.exists()? {
            return Ok(None);
        }
        let path = self.path.join(name);
        // Not through a symbolic link, and not waiting for the other end of a pipe.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(KeyStoreError::WrongKind { path, expected: "regular file" });
            }
            Err(error) => return Err(KeyStoreError::io("opening", path)(error)),
        };
        // The open file is what gets checked and read, whatever happens to its name meanwhile.
        let metadata = file.metadata().map_err(KeyStoreError::io("looking at", &path))?;
        if !metadata.is_file() {
            return Err(KeyStoreError::WrongKind { path, expected: "regular file" });
        }
        check_owner(&path, &metadata)?;
        let pem = read_text(&file).map_err(KeyStoreError::io("reading", &path))?;
        let key = PrivateKey::from_pkcs8_pem(key_parameters, &pem)
            .map_err(|_| KeyStoreError::NotAKey { path, key_parameters })?;
        Ok(Some((key, Stamp::of(&metadata))))
    }

    /// Keeps other processes and threads from writing until the result is dropped. Makes the directory.
    pub(super) fn lock(&self) -> Result<File, KeyStoreError> {
        if !self.exists()? {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
            made.map_err(KeyStoreError::io("making", &self.path))?;
            self.exists()?;
        }
        let path = self.path.join(LOCK);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(KeyStoreError::io("opening", &path))?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| KeyStoreError::io("locking", path)(error.into()))?;
        Ok(file)
    }

    /// Writes a new key. The file is there whole or not at all, after a power cut too.
    pub(super) fn write(&self, name: &str, key: &PrivateKey, _lock: &File) -> Result<Stamp, KeyStoreError> {
        let path = self.path.join(name);
        let pem = key.to_pkcs8_pem()?;
        // Mode 0600 is what `tempfile` makes.
        let written =
            tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.path).and_then(|mut file| {
                file.write_all(pem.as_bytes())?;
                file.as_file().sync_all()?;
                let file = file.persist_noclobber(&path).map_err(|error| error.error)?;
                File::open(&self.path)?.sync_all()?;
                file.metadata()
            });
        let metadata = written.map_err(KeyStoreError::io("writing", path))?;
        Ok(Stamp::of(&metadata))
    }

    /// Deletes a file; `false` when there is none.
    pub(super) fn remove(&self, name: &str, _lock: &File) -> Result<bool, KeyStoreError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Ok(()) => {
                let synced = File::open(&self.path).and_then(|directory| directory.sync_all());
                synced.map_err(KeyStoreError::io("deleting from", &self.path))?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(KeyStoreError::io("deleting", path)(error)),
        }
    }

    /// The names of all files that are named like keys, with what the names say, in order.
    pub(super) fn names(&self) -> Result<Vec<(String, String, KeyParameters)>, KeyStoreError> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(KeyStoreError::io("reading", &self.path))? {
            let entry = entry.map_err(KeyStoreError::io("reading", &self.path))?;
            if let Ok(name) = entry.file_name().into_string()
                && let Some((domain, key_parameters)) = domain::parse_file_name(&name)
            {
                names.push((domain, name, key_parameters));
            }
        }
        names.sort_unstable_by(|(a, name_a, _), (b, name_b, _)| (a, name_a).cmp(&(b, name_b)));
        Ok(names)
    }
}

/// Refuses what others can use, as ssh does with its keys.
fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), KeyStoreError> {
    let us = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != us {
        return Err(KeyStoreError::Foreign { path: path.to_owned(), owner, us });
    }
    if mode & 0o077 != 0 {
        return Err(KeyStoreError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

fn read_text(file: &File) -> io::Result<Zeroizing<String>> {
    // Room for all of it at once, or growing would leave copies behind that nobody wipes.
    let mut text = Zeroizing::new(String::with_capacity(MAX_FILE as usize + 1));
    file.take(MAX_FILE).read_to_string(&mut text)?;
    Ok(text)
}
