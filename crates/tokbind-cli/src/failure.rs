//! How a command went, as an exit code and, if it could not do its work, a sentence on standard error.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use tokbind::keys::KeyStoreError;

use crate::terminal::harmless;

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
    /// Exit code 3, without a word.
    Silent,
    /// Whoever reads the output has had enough. That is their business and no failure of ours.
    Unread,
}

impl Failure {
    /// A failure with this sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Failure::Failed(sentence.into())
    }

    /// The same, and not a word about it. A wrong command line is told all the same.
    pub(crate) fn silent(self) -> Self {
        match self {
            Failure::Failed(_) => Failure::Silent,
            other => other,
        }
    }

    /// A failure with a cause, as in "reading the file x: permission denied".
    pub(crate) fn at<E: Display>(place: impl Display) -> impl FnOnce(E) -> Self {
        move |cause| Failure::Failed(format!("{place}: {cause}"))
    }
}

impl Failure {
    /// An error, with the server that it happened at.
    pub(crate) fn of(place: &str, error: tokbind::Error) -> Self {
        match error {
            error @ (tokbind::Error::At { .. } | tokbind::Error::Url { .. } | tokbind::Error::Keys(_)) => {
                error.into()
            }
            error => Failure::Failed(format!("{place}: {}", advised(&error))),
        }
    }
}

/// The library knows nothing of options.
fn advised(error: &tokbind::Error) -> String {
    let text = error.to_string();
    if text.contains("certificate verify failed") {
        return format!("{text}; --cacert FILE names who is to be trusted");
    }
    text
}

impl From<tokbind::Error> for Failure {
    fn from(error: tokbind::Error) -> Self {
        match error {
            tokbind::Error::Keys(error) => error.into(),
            tokbind::Error::Output(error) => error.into(),
            tokbind::Error::At { source, .. } if matches!(*source, tokbind::Error::Output(_)) => {
                (*source).into()
            }
            error => Failure::Failed(advised(&error)),
        }
    }
}

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
        Err(Failure::Silent) => return ExitCode::from(3),
        Err(Failure::Failed(sentence)) => (sentence, 3),
    };
    // What other programs say may have several lines.
    let lines: Vec<_> = sentence.lines().map(harmless).collect();
    eprintln!("tokbind: {}", lines.join("\n"));
    ExitCode::from(code)
}
