//! The certificate authority's file: certificate and key in one, so that they can't be of different authorities.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use rustix::fs::{FlockOperation, OFlags, flock};
use zeroize::Zeroizing;

use super::Authority;
use crate::agent::error::{Error, Result};

const NAME: &str = "ca.pem";
const LOCK: &str = ".lock";
/// What is written has about 1,200 bytes.
const MAX_FILE: u64 = 16 * 1024;

/// Reads the authority, or makes one.
pub(super) fn open(directory: &Path) -> Result<Authority> {
    let path = directory.join(NAME);
    if let Some(authority) = read(directory, &path)?
        && !authority.is_due()?
    {
        return Ok(authority);
    }
    let _lock = lock(directory)?;
    // Another process may have made it while this one waited for the lock.
    if let Some(authority) = read(directory, &path)? {
        if !authority.is_due()? {
            return Ok(authority);
        }
        tracing::warn!(path = %path.display(), "the certificate authority expires: a new one replaces it");
    }
    let mut authority = Authority::ephemeral()?;
    write(directory, &path, &authority)?;
    authority.path = Some(path);
    Ok(authority)
}

fn read(directory: &Path, path: &Path) -> Result<Option<Authority>> {
    if !check_directory(directory)? {
        return Ok(None);
    }
    // Not through a symbolic link, and not waiting for the other end of a pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(Error::WrongKind { path: path.to_owned(), expected: "regular file" });
        }
        Err(error) => return Err(Error::file("opening", path)(error)),
    };
    // The open file is what gets checked and read, whatever happens to its name meanwhile.
    let metadata = file.metadata().map_err(Error::file("looking at", path))?;
    if !metadata.is_file() {
        return Err(Error::WrongKind { path: path.to_owned(), expected: "regular file" });
    }
    check_owner(path, &metadata)?;
    // Room for all of it at once, or growing would leave copies behind that nobody wipes.
    let mut pem = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
    file.take(MAX_FILE).read_to_end(&mut pem).map_err(Error::file("reading", path))?;

    let refused = |reason| Error::NotAnAuthority { path: path.to_owned(), reason };
    let certificate = X509::from_pem(&pem).map_err(|_| refused("it holds no certificate"))?;
    // Without this callback OpenSSL asks the terminal for the password of an encrypted key.
    let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0));
    let key = key.map_err(|_| refused("it holds no unencrypted private key"))?;
    check_pair(&certificate, &key).map_err(refused)?;
    Ok(Some(Authority { certificate, key, path: Some(path.to_owned()), new: false }))
}

fn check_pair(certificate: &X509, key: &PKey<Private>) -> Result<(), &'static str> {
    let public = certificate.public_key().map_err(|_| "its certificate has no usable key")?;
    if public.public_eq(key) { Ok(()) } else { Err("its key is not its certificate's") }
}

fn write(directory: &Path, path: &Path, authority: &Authority) -> Result<()> {
    let write_key = Error::openssl("writing the certificate authority");
    let key = authority.key.private_key_to_pem_pkcs8().map(Zeroizing::new).map_err(write_key)?;
    let certificate = authority.certificate_pem()?;
    // Mode 0600 is what `tempfile` makes. Whole or not at all, after a power cut too.
    let written = tempfile::Builder::new().prefix(".new-").tempfile_in(directory).and_then(|mut file| {
        file.write_all(&key)?;
        file.write_all(certificate.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(directory)?.sync_all()
    });
    written.map_err(Error::file("writing", path))
}

/// Keeps other processes from writing until the result is dropped. Makes the directory.
fn lock(directory: &Path) -> Result<File> {
    if !check_directory(directory)? {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(Error::file("making", directory))?;
        check_directory(directory)?;
    }
    let path = directory.join(LOCK);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(Error::file("opening", &path))?;
    flock(&file, FlockOperation::LockExclusive)
        .map_err(|error| Error::file("locking", path)(error.into()))?;
    Ok(file)
}

/// Whether the directory is there. Refuses one that others can use.
fn check_directory(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => {
            Err(Error::WrongKind { path: PathBuf::from(path), expected: "directory" })
        }
        Ok(metadata) => check_owner(path, &metadata).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::file("looking at", path)(error)),
    }
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<()> {
    let us = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != us {
        return Err(Error::Foreign { path: path.to_owned(), owner, us });
    }
    if mode & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}
