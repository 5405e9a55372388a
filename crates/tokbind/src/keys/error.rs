//! What can be wrong with a key store. Each text is a sentence that names the file and says what to do about it.

use std::io;
use std::path::PathBuf;

use crate::KeyParameters;
use crate::private_dir::Problem;

/// Why the key store has no key to give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// There is no home directory to keep keys in.
    #[error("there is no place to keep keys: set TOKBIND_KEYS, HOME or XDG_DATA_HOME")]
    NoPlace,
    /// No key can be kept for this host or with these key parameters.
    #[error("no key can be kept for the host {host:?} with the key parameters {key_parameters}")]
    Unnameable {
        /// The host.
        host: String,
        /// The key parameters.
        key_parameters: KeyParameters,
    },
    /// The cryptographic library can't make the key, or can't write it down.
    #[error("the key can't be made: {0}")]
    Key(#[from] token_binding::Error),
    /// Something that should be a directory or a file is something else.
    #[error("{path} is refused: it is not a {expected}", path = path.display())]
    WrongKind {
        /// Which.
        path: PathBuf,
        /// `directory` or `regular file`.
        expected: &'static str,
    },
    /// Others have access to the directory or file.
    #[error(
        "{path} is refused: it is open to other users (mode {mode:04o}); if nobody has had the keys, run: \
         chmod go= '{path}'",
        path = path.display()
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The directory or file belongs to somebody else.
    #[error("{path} is refused: it belongs to the user with id {owner}, and this is the user with id {us}", path = path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// The owner.
        owner: u32,
        /// The user of this process.
        us: u32,
    },
    /// The file's content is no key for the key parameters in its name.
    #[error("{path} is refused: it does not hold an unencrypted PKCS#8 key for {key_parameters}", path = path.display())]
    NotAKey {
        /// Which.
        path: PathBuf,
        /// What the file's name promises.
        key_parameters: KeyParameters,
    },
    /// The token is missing, locked or full, or does not do what is asked.
    #[cfg(feature = "pkcs11")]
    #[error("{doing}: {reason}")]
    Token {
        /// What was being done.
        doing: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The operating system refused.
    #[error("{doing} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl KeyStoreError {
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| KeyStoreError::Io { doing, path, source }
    }
}

impl From<Problem> for KeyStoreError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::WrongKind { path, expected } => KeyStoreError::WrongKind { path, expected },
            Problem::Exposed { path, mode } => KeyStoreError::Exposed { path, mode },
            Problem::Foreign { path, owner, us } => KeyStoreError::Foreign { path, owner, us },
            Problem::Io { doing, path, source } => KeyStoreError::Io { doing, path, source },
        }
    }
}
