//! How a command went, as an exit code and, if it could not do its work, a sentence on standard error.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use tokbind::keys::KeyStoreError;

/// What a subcommand comes to.
pub(crate) type Outcome = Result<Verdict, Failure>;

/// The work was done. What it found is good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Exit code 0.
    Good,
    /// Exit code 1. The command has said why already.
    Bad,
}

/// The work was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong in a way that its parser can't see: exit code 2.
    Usage(String),
    /// Exit code 3.
    Failed(String),
    /// Whoever reads the output has had enough. That is their business and no failure of ours.
    Unread,
}

impl Failure {
    /// A failure with this sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Failure::Failed(sentence.into())
    }

    /// A failure with a cause, as in "reading the file x: permission denied".
    pub(crate) fn at<E: Display>(place: impl Display) -> impl FnOnce(E) -> Self {
        move |cause| Failure::Failed(format!("{place}: {cause}"))
    }
}

impl From<tokbind::Error> for Failure {
    fn from(error: tokbind::Error) -> Self {
        match error {
            tokbind::Error::Keys(error) => error.into(),
            error => Failure::Failed(error.to_string()),
        }
    }
}

/// The library knows nothing of options.
impl From<KeyStoreError> for Failure {
    fn from(error: KeyStoreError) -> Self {
        Failure::Failed(match error {
            KeyStoreError::NoPlace => {
                "there is no place to keep keys: name a directory with --keys or TOKBIND_KEYS, \
                or set HOME or XDG_DATA_HOME"
                    .to_owned()
            }
            error => error.to_string(),
        })
    }
}

/// Only writing to standard output fails with a bare [`io::Error`]; all others know their file.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::Unread
        } else {
            Failure::Failed(format!("writing to standard output: {error}"))
        }
    }
}

/// Says what went wrong, and turns the outcome into an exit code.
pub(crate) fn report(outcome: Outcome) -> ExitCode {
    let (sentence, code) = match outcome {
        Ok(Verdict::Good) | Err(Failure::Unread) => return ExitCode::SUCCESS,
        Ok(Verdict::Bad) => return ExitCode::from(1),
        Err(Failure::Usage(sentence)) => (sentence, 2),
        Err(Failure::Failed(sentence)) => (sentence, 3),
    };
    eprintln!("tokbind: {sentence}");
    ExitCode::from(code)
}
