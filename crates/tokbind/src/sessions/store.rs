//! Sessions in memory, or in files beside the keys: one for each site.

use std::collections::HashMap;
use std::path::Path;

use super::session::BoundSession;
use crate::private_dir::{PrivateDir, Problem};

/// A directory's files are read no further.
const MAX_FILE: usize = 16 * 1024;

/// All sessions of a client, by site.
#[derive(Debug)]
pub(crate) struct Store {
    directory: Option<PrivateDir>,
    sites: HashMap<String, Vec<BoundSession>>,
}

/// Why sessions could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    #[error(transparent)]
    Directory(#[from] crate::keys::KeyStoreError),
    #[error("the sessions of {site}: {source}")]
    Json { site: String, source: serde_json::Error },
    #[error("the sessions of {site} have more than 16 KiB")]
    TooMany { site: String },
}

impl From<Problem> for StoreError {
    fn from(problem: Problem) -> Self {
        StoreError::Directory(problem.into())
    }
}

impl Store {
    /// Sessions beside the keys in this directory, or in memory.
    pub(crate) fn new(directory: Option<&Path>) -> Self {
        let directory = directory.map(|path| PrivateDir::new(path.to_owned()));
        Store { directory, sites: HashMap::new() }
    }

    /// A site's sessions.
    pub(crate) fn of(&mut self, site: &str) -> Result<&mut Vec<BoundSession>, StoreError> {
        if !self.sites.contains_key(site) {
            let read = match &self.directory {
                Some(directory) => directory.read(&file_name(site))?,
                None => None,
            };
            let sessions = match read {
                Some((content, _)) => serde_json::from_slice(&content)
                    .map_err(|source| StoreError::Json { site: site.to_owned(), source })?,
                None => Vec::new(),
            };
            self.sites.insert(site.to_owned(), sessions);
        }
        Ok(self.sites.entry(site.to_owned()).or_default())
    }

    /// Writes a site's sessions down.
    pub(crate) fn save(&self, site: &str) -> Result<(), StoreError> {
        let (Some(directory), Some(sessions)) = (&self.directory, self.sites.get(site)) else {
            return Ok(());
        };
        let lock = directory.lock()?;
        if sessions.is_empty() {
            directory.remove(&file_name(site), &lock)?;
            return Ok(());
        }
        let json = serde_json::to_vec_pretty(sessions);
        let json = json.map_err(|source| StoreError::Json { site: site.to_owned(), source })?;
        if json.len() > MAX_FILE {
            return Err(StoreError::TooMany { site: site.to_owned() });
        }
        directory.replace(&file_name(site), &json, &lock)?;
        Ok(())
    }
}

/// Bytes that could mean something to a file system are written as `%` and two hex digits.
fn file_name(site: &str) -> String {
    let mut name = String::new();
    for (place, byte) in site.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => name.push(byte.into()),
            b'.' | b'-' if place > 0 => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name + ".dbsc.json"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ::dbsc::Algorithm;
    use ::dbsc::instructions::{Credential, Scope, Session};
    use ::dbsc::sign::openssl::SigningKey;
    use url::Url;

    use super::*;

    fn session(identifier: &str) -> BoundSession {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let instructed = Session::new(identifier, Scope::origin(), vec![Credential::cookie("c", "")]);
        BoundSession::new(&Url::parse("https://www.example.com/r").unwrap(), &key, instructed).unwrap()
    }

    #[test]
    fn sessions_are_kept_in_a_file_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let mut store = Store::new(Some(&path));
        store.of("example.com").unwrap().push(session("s"));
        store.save("example.com").unwrap();
        let file = path.join("example.com.dbsc.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let mut again = Store::new(Some(&path));
        assert_eq!(again.of("example.com").unwrap()[0].identifier, "s");
        assert!(again.of("example.org").unwrap().is_empty());
        again.of("example.com").unwrap().clear();
        again.save("example.com").unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::new(Some(directory.path().join("keys").as_path()));
        store.of("example.com").unwrap().push(session(&"s".repeat(20_000)));
        assert!(matches!(store.save("example.com"), Err(StoreError::TooMany { .. })));
        assert_eq!(file_name("../x"), "%2E.%2Fx.dbsc.json");
    }

    #[test]
    fn a_file_that_is_none_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let store = PrivateDir::new(path.clone());
        let lock = store.lock().unwrap();
        store.replace("example.com.dbsc.json", b"{", &lock).unwrap();
        let error = Store::new(Some(&path)).of("example.com").unwrap_err().to_string();
        assert!(error.contains("example.com"), "{error}");
    }
}
