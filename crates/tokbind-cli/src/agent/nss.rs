//! NSS databases, in which Chromium, Chrome and Firefox keep whom they trust. `certutil` is NSS's own program for them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What our authorities are called in the databases: their names begin so.
const NICKNAME: &str = "tokbind agent CA ";

/// One database: a directory.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    pub(super) whose: &'static str,
}

/// Whether there is `certutil`.
pub(super) fn is_usable() -> bool {
    // It has no option that does nothing: without any it prints its usage, and fails.
    Command::new("certutil").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// The databases of this user's browsers. Chromium's is made if there is none.
pub(super) fn all(home: &Path) -> Vec<Database> {
    let chromium = [".pki/nssdb", ".local/share/pki/nssdb", "snap/chromium/current/.pki/nssdb"];
    let mut found: Vec<_> = chromium
        .iter()
        .map(|path| home.join(path))
        .filter(|path| path.join("cert9.db").exists())
        .map(|path| Database { path, whose: "Chromium and Chrome" })
        .collect();
    if found.is_empty() {
        found.push(Database { path: home.join(".pki/nssdb"), whose: "Chromium and Chrome" });
    }
    for place in [
        ".mozilla/firefox",
        ".config/mozilla/firefox",
        "snap/firefox/common/.mozilla/firefox",
        ".var/app/org.mozilla.firefox/.mozilla/firefox",
    ] {
        let profiles = fs::read_dir(home.join(place)).into_iter().flatten().flatten();
        let profiles = profiles.map(|entry| entry.path()).filter(|path| path.join("cert9.db").exists());
        found.extend(profiles.map(|path| Database { path, whose: "Firefox" }));
    }
    found
}

impl Database {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Trusts this authority, and no other one of ours.
    pub(super) fn trust(&self, name: &str, certificate: &Path) -> Result<(), String> {
        if !self.path.join("cert9.db").exists() {
            fs::create_dir_all(&self.path).map_err(|error| error.to_string())?;
            self.certutil(&["-N", "--empty-password"])?;
        }
        self.forget()?;
        let certificate = certificate.to_string_lossy().into_owned();
        self.certutil(&["-A", "-t", "C,,", "-n", name, "-i", &certificate]).map(|_| ())
    }

    /// Trusts none of ours any more. How many there were.
    pub(super) fn forget(&self) -> Result<usize, String> {
        let ours = self.ours()?;
        for name in &ours {
            self.certutil(&["-D", "-n", name])?;
        }
        Ok(ours.len())
    }

    /// Whether it trusts the authority of this name.
    pub(super) fn trusts(&self, name: &str) -> bool {
        self.ours().is_ok_and(|ours| ours.iter().any(|known| known == name))
    }

    /// The names of our authorities in it.
    fn ours(&self) -> Result<Vec<String>, String> {
        if !self.path.join("cert9.db").exists() {
            return Ok(Vec::new());
        }
        let list = self.certutil(&["-L"])?;
        // A line is a name, white space and three lists of flags.
        let names = list.lines().map(str::trim_end).filter(|line| line.starts_with(NICKNAME));
        let names = names.filter_map(|line| line.rsplit_once(char::is_whitespace));
        Ok(names.map(|(name, _)| name.trim().to_owned()).collect())
    }

    fn certutil(&self, arguments: &[&str]) -> Result<String, String> {
        let mut database = std::ffi::OsString::from("sql:");
        database.push(&self.path);
        let output =
            Command::new("certutil").arg("-d").arg(database).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error: io::Error| format!("certutil: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}
