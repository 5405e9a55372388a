//! The certificate authority's file: certificate and key in one, so that they can't be of different authorities.

use std::path::PathBuf;
use std::time::SystemTime;

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use zeroize::Zeroizing;

use super::certificate::Pair;
use crate::agent::error::{Error, Result};
use crate::private_dir::PrivateDir;

const NAME: &str = "ca.pem";

/// The authority in a directory.
pub(super) struct Found {
    pub(super) pair: Pair,
    /// Its file.
    pub(super) path: PathBuf,
    /// Whether it has just been made.
    pub(super) new: bool,
}

/// Reads the authority, or makes one.
pub(super) fn open(directory: PathBuf, now: SystemTime) -> Result<Found> {
    let directory = PrivateDir::new(directory);
    let path = directory.path().join(NAME);
    if let Some(pair) = read(&directory)?
        && !is_due(&pair, now)?
    {
        return Ok(Found { pair, path, new: false });
    }
    let lock = directory.lock()?;
    // Another process may have made it while this one waited for the lock.
    if let Some(pair) = read(&directory)? {
        if !is_due(&pair, now)? {
            return Ok(Found { pair, path, new: false });
        }
        tracing::warn!(
            path = %path.display(),
            "the certificate authority is about to end, and a new one replaces it, which no browser trusts yet: `tokbind agent ca` says how to make it"
        );
    }
    let pair = Pair::authority(now).map_err(Error::openssl("making a certificate authority"))?;
    directory.replace(NAME, &content(&pair)?, &lock)?;
    Ok(Found { pair, path, new: true })
}

fn is_due(pair: &Pair, now: SystemTime) -> Result<bool> {
    pair.is_due(now).map_err(Error::openssl("looking at the clock"))
}

fn read(directory: &PrivateDir) -> Result<Option<Pair>> {
    let Some((pem, _)) = directory.read(NAME)? else { return Ok(None) };
    let refused = |reason| Error::NotAnAuthority { path: directory.path().join(NAME), reason };
    let certificate = X509::from_pem(&pem).map_err(|_| refused("it holds no certificate"))?;
    // Without this callback OpenSSL asks the terminal for the password of an encrypted key.
    let key = PKey::private_key_from_pem_callback(&pem, |_| Ok(0));
    let key = key.map_err(|_| refused("it holds no unencrypted private key"))?;
    check_pair(&certificate, &key).map_err(refused)?;
    Ok(Some(Pair { certificate, key }))
}

fn check_pair(certificate: &X509, key: &PKey<Private>) -> Result<(), &'static str> {
    let public = certificate.public_key().map_err(|_| "its certificate has no usable key")?;
    if public.public_eq(key) { Ok(()) } else { Err("its key is not its certificate's") }
}

fn content(pair: &Pair) -> Result<Zeroizing<Vec<u8>>> {
    let key = pair.key.private_key_to_pem_pkcs8().map(Zeroizing::new);
    let key = key.map_err(Error::openssl("writing the certificate authority"))?;
    let certificate = pair.certificate.to_pem().map_err(Error::openssl("writing the certificate"))?;
    // Room for all of it at once, or growing would leave a copy of the key behind.
    let mut content = Zeroizing::new(Vec::with_capacity(key.len() + certificate.len()));
    content.extend_from_slice(&key);
    content.extend_from_slice(&certificate);
    Ok(content)
}
