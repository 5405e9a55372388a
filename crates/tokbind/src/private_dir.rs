//! A directory that is its owner's alone, and how a file gets into it whole or not at all.
//!
//! Private keys are kept like that: the key store's, and the agent's certificate authority's.

use std::env;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use zeroize::Zeroizing;

/// A PEM file with a 2048-bit RSA key has 1,700 bytes.
const MAX_FILE: u64 = 16 * 1024;
const LOCK: &str = ".lock";
/// The prefix of a file that is not finished.
const UNFINISHED: &str = ".new-";

/// What is wrong with the directory, or with a file in it.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Something that should be a directory or a file is something else.
    WrongKind {
        path: PathBuf,
        /// `directory` or `regular file`.
        expected: &'static str,
    },
    /// Others have access.
    Exposed { path: PathBuf, mode: u32 },
    /// It belongs to somebody else.
    Foreign { path: PathBuf, owner: u32, us: u32 },
    /// The operating system refused.
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl Problem {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Problem::Io { doing, path, source }
    }
}

/// Where such a directory is: where `variable` says, else `tokbind/NAME` in the user's data. `None` when there is no home.
pub(crate) fn default_path(variable: &str, name: &str) -> Option<PathBuf> {
    // An empty variable is as good as none, and a relative XDG_DATA_HOME too (XDG Base Directory Specification).
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set(variable).or_else(|| {
        let data = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
        let data = data.or_else(|| set("HOME").map(|home| home.join(".local/share")));
        Some(data?.join("tokbind").join(name))
    })
}

#[derive(Debug)]
pub(crate) struct PrivateDir {
    path: PathBuf,
}

/// Keeps other processes and threads from writing until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// What a file holds. It is wiped when it is dropped.
pub(crate) type Content = Zeroizing<Vec<u8>>;

impl PrivateDir {
    /// A directory that may not be there yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        PrivateDir { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory is there. Refuses one that others can use.
    pub(crate) fn exists(&self) -> Result<bool, Problem> {
        match fs::metadata(&self.path) {
            Ok(metadata) if !metadata.is_dir() => {
                Err(Problem::WrongKind { path: self.path.clone(), expected: "directory" })
            }
            Ok(metadata) => check_owner(&self.path, &metadata).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Problem::io("looking at", &self.path)(error)),
        }
    }

    /// Reads a file; `None` when there is none. Refuses one that others can read.
    pub(crate) fn read(&self, name: &str) -> Result<Option<(Content, Metadata)>, Problem> {
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
                return Err(Problem::WrongKind { path, expected: "regular file" });
            }
            Err(error) => return Err(Problem::io("opening", path)(error)),
        };
        // The open file is what gets checked and read, whatever happens to its name meanwhile.
        let metadata = file.metadata().map_err(Problem::io("looking at", &path))?;
        if !metadata.is_file() {
            return Err(Problem::WrongKind { path, expected: "regular file" });
        }
        check_owner(&path, &metadata)?;
        // Room for all of it at once, or growing would leave copies behind that nobody wipes.
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE as usize + 1));
        file.take(MAX_FILE).read_to_end(&mut content).map_err(Problem::io("reading", path))?;
        Ok(Some((content, metadata)))
    }

    /// Takes the lock, and makes the directory if there is none.
    pub(crate) fn lock(&self) -> Result<Lock, Problem> {
        if !self.exists()? {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
            made.map_err(Problem::io("making", &self.path))?;
            self.exists()?;
        }
        let path = self.path.join(LOCK);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(Problem::io("opening", &path))?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| Problem::io("locking", path)(error.into()))?;
        Ok(Lock { _file: file })
    }

    /// Writes a new file. It is an error if there is one of this name.
    pub(crate) fn create(&self, name: &str, content: &[u8], _lock: &Lock) -> Result<Metadata, Problem> {
        self.write(name, content, tempfile::NamedTempFile::persist_noclobber)
    }

    /// Writes a file, in the place of the one that had this name.
    #[cfg(any(feature = "agent", feature = "dbsc"))]
    pub(crate) fn replace(&self, name: &str, content: &[u8], _lock: &Lock) -> Result<Metadata, Problem> {
        self.write(name, content, tempfile::NamedTempFile::persist)
    }

    /// Whole or not at all, after a power cut too.
    fn write(
        &self,
        name: &str,
        content: &[u8],
        persist: fn(tempfile::NamedTempFile, PathBuf) -> Result<File, tempfile::PersistError>,
    ) -> Result<Metadata, Problem> {
        let path = self.path.join(name);
        // Mode 0600 is what `tempfile` makes.
        let written =
            tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.path).and_then(|mut file| {
                file.write_all(content)?;
                file.as_file().sync_all()?;
                let file = persist(file, path.clone()).map_err(|error| error.error)?;
                self.sync()?;
                file.metadata()
            });
        written.map_err(Problem::io("writing", path))
    }

    /// Deletes a file; `false` when there is none.
    pub(crate) fn remove(&self, name: &str, _lock: &Lock) -> Result<bool, Problem> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Ok(()) => {
                self.sync().map_err(Problem::io("deleting from", &self.path))?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Problem::io("deleting", path)(error)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// Refuses what others can use, as ssh does with its keys.
fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), Problem> {
    let us = rustix::process::geteuid().as_raw();
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != us {
        return Err(Problem::Foreign { path: path.to_owned(), owner, us });
    }
    if mode & 0o077 != 0 {
        return Err(Problem::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}
