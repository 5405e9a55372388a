//! What keeps the agent from running. What goes wrong with a single request becomes a page: see `page.rs`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::private_dir::Problem;

/// The result of everything in [`agent`](super) that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no agent. Each text about a file names it and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no home directory to keep the certificate authority in.
    #[error(
        "there is no place to keep the certificate authority: set TOKBIND_AGENT_CA, HOME or XDG_DATA_HOME"
    )]
    NoPlace,
    /// Something that should be a directory or a file is something else.
    #[error("{path} is refused: it is not a {expected}", path = path.display())]
    WrongKind {
        /// Which.
        path: PathBuf,
        /// `directory` or `regular file`.
        expected: &'static str,
    },
    /// Others have access to the certificate authority: they could be any server to the browser.
    #[error(
        "{path} is refused: it is open to other users (mode {mode:04o}). Whoever had the key can pass for any website: \
         delete it, remove the certificate from your browsers and start again with a new one",
        path = path.display()
    )]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The directory or file belongs to somebody else.
    #[error(
        "{path} is refused: it belongs to the user with id {owner}, and this is the user with id {us}",
        path = path.display()
    )]
    Foreign {
        /// Which.
        path: PathBuf,
        /// The owner.
        owner: u32,
        /// The user of this process.
        us: u32,
    },
    /// The file holds no certificate authority.
    #[error("{path} is refused: {reason}; delete it, and a new certificate authority is made", path = path.display())]
    NotAnAuthority {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The operating system refused.
    #[error("{doing} {path}: {source}", path = path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Anybody who reaches the address could use the user's keys.
    #[error(
        "{address} can be reached from other machines, and whoever reaches the agent uses your keys: choose a loopback \
         address, or allow it"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// Something among the domains is none.
    #[error("the agent can't give Token Binding to {given:?}: {reason}")]
    NotADomain {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The agent can't listen there.
    #[error("listening on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// OpenSSL refused.
    #[error("{doing}: {source}")]
    OpenSsl {
        /// What was being done.
        doing: &'static str,
        /// OpenSSL's reason.
        source: openssl::error::ErrorStack,
    },
    /// Connections to servers can't be set up.
    #[error(transparent)]
    Client(#[from] crate::Error),
}

impl Error {
    pub(super) fn openssl(doing: &'static str) -> impl FnOnce(openssl::error::ErrorStack) -> Self {
        move |source| Error::OpenSsl { doing, source }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::WrongKind { path, expected } => Error::WrongKind { path, expected },
            Problem::Exposed { path, mode } => Error::Exposed { path, mode },
            Problem::Foreign { path, owner, us } => Error::Foreign { path, owner, us },
            Problem::Io { doing, path, source } => Error::File { doing, path, source },
        }
    }
}
