//! The certificate authority: its key and certificate, and where they are.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use openssl::hash::MessageDigest;
use openssl::x509::X509;

use super::certificate::Pair;
use super::disk;
use crate::agent::error::{Error, Result};
use crate::private_dir::default_path;

/// The certificate authority.
pub struct Authority {
    pub(super) pair: Pair,
    path: Option<PathBuf>,
    new: bool,
}

impl Authority {
    /// Opens the certificate authority in this directory, or in [`default_path`](Self::default_path), and makes it if
    /// there is none. One that expires within a week is replaced.
    ///
    /// # Errors
    /// The directory or file is not only its owner's, holds something else, or can't be made.
    pub fn open(directory: Option<PathBuf>) -> Result<Self> {
        Authority::open_at(directory.map_or_else(Authority::default_path, Ok)?, SystemTime::now())
    }

    fn open_at(directory: PathBuf, now: SystemTime) -> Result<Self> {
        let disk::Found { pair, path, new } = disk::open(directory, now)?;
        Ok(Authority { pair, path: Some(path), new })
    }

    /// A certificate authority in memory: no browser will trust its successor.
    ///
    /// # Errors
    /// [`Error::OpenSsl`] when OpenSSL failed.
    pub fn ephemeral() -> Result<Self> {
        Authority::ephemeral_at(SystemTime::now())
    }

    pub(super) fn ephemeral_at(now: SystemTime) -> Result<Self> {
        let pair = Pair::authority(now).map_err(Error::openssl("making a certificate authority"))?;
        Ok(Authority { pair, path: None, new: true })
    }

    /// The one that takes its place: what its directory holds, or a new one.
    pub(super) fn successor(&self, now: SystemTime) -> Result<Self> {
        match self.path.as_deref().and_then(Path::parent) {
            Some(directory) => Authority::open_at(directory.to_owned(), now),
            None => Authority::ephemeral_at(now),
        }
    }

    /// `$TOKBIND_AGENT_CA`, else `$XDG_DATA_HOME/tokbind/agent`, else `~/.local/share/tokbind/agent`.
    ///
    /// # Errors
    /// [`Error::NoPlace`] when none of the variables is set.
    pub fn default_path() -> Result<PathBuf> {
        default_path("TOKBIND_AGENT_CA", "agent").ok_or(Error::NoPlace)
    }

    /// The file; `None` in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether it has just been made, so that no browser trusts it yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// The certificate that browsers are told to trust.
    #[must_use]
    pub fn certificate(&self) -> &X509 {
        &self.pair.certificate
    }

    /// The certificate as PEM.
    ///
    /// # Errors
    /// [`Error::OpenSsl`] when OpenSSL failed.
    pub fn certificate_pem(&self) -> Result<String> {
        let pem = self.pair.certificate.to_pem().map_err(Error::openssl("writing the certificate"))?;
        Ok(String::from_utf8_lossy(&pem).into_owned())
    }

    /// The certificate's SHA-256 fingerprint, as browsers show it.
    ///
    /// # Errors
    /// [`Error::OpenSsl`] when OpenSSL failed.
    pub fn fingerprint(&self) -> Result<String> {
        let digest = self.pair.certificate.digest(MessageDigest::sha256());
        let digest = digest.map_err(Error::openssl("hashing the certificate"))?;
        Ok(digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
    }
}

/// Leaves the private key out.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("path", &self.path).finish_non_exhaustive()
    }
}
