//! The directory that keys are kept in: which file a key is in, and whether it is still the same.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::domain;
use super::error::KeyStoreError;
use crate::private_dir::{Lock, PrivateDir};
use crate::{KeyParameters, PrivateKey};

#[derive(Debug)]
pub(super) struct Directory {
    directory: PrivateDir,
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
        let directory = Directory { directory: PrivateDir::new(path) };
        directory.exists()?;
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether the directory is there. Refuses one that others can use.
    pub(super) fn exists(&self) -> Result<bool, KeyStoreError> {
        Ok(self.directory.exists()?)
    }

    /// The file's stamp; `None` when there is no such file.
    pub(super) fn stamp(&self, name: &str) -> Result<Option<Stamp>, KeyStoreError> {
        let path = self.path().join(name);
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
        let Some((pem, metadata)) = self.directory.read(name)? else { return Ok(None) };
        let key = std::str::from_utf8(&pem)
            .ok()
            .and_then(|pem| PrivateKey::from_pkcs8_pem(key_parameters, pem).ok())
            .ok_or_else(|| KeyStoreError::NotAKey { path: self.path().join(name), key_parameters })?;
        Ok(Some((key, Stamp::of(&metadata))))
    }

    /// Keeps other processes and threads from writing until the result is dropped. Makes the directory.
    pub(super) fn lock(&self) -> Result<Lock, KeyStoreError> {
        Ok(self.directory.lock()?)
    }

    /// Writes a new key. The file is there whole or not at all, after a power cut too.
    pub(super) fn write(&self, name: &str, key: &PrivateKey, lock: &Lock) -> Result<Stamp, KeyStoreError> {
        let pem = key.to_pkcs8_pem()?;
        Ok(Stamp::of(&self.directory.create(name, pem.as_bytes(), lock)?))
    }

    /// Deletes a file; `false` when there is none.
    pub(super) fn remove(&self, name: &str, lock: &Lock) -> Result<bool, KeyStoreError> {
        Ok(self.directory.remove(name, lock)?)
    }

    /// The names of all files that are named like keys, with what the names say, in order.
    pub(super) fn names(&self) -> Result<Vec<(String, String, KeyParameters)>, KeyStoreError> {
        if !self.exists()? {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path()).map_err(KeyStoreError::io("reading", self.path()))? {
            let entry = entry.map_err(KeyStoreError::io("reading", self.path()))?;
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
