//! Where responses go.

use std::fs::File;
use std::io::{self, Write, stdout};
use std::path::{Path, PathBuf};

use tokbind::{Error, Response, Sink};

use crate::terminal::harmless;

/// Standard output, or a file that is made when the first response comes: one that does not come overwrites nothing.
pub(super) struct Output {
    path: Option<PathBuf>,
    file: Option<File>,
    /// Print the head of each response before its body.
    head: bool,
}

impl Output {
    pub(super) fn new(path: Option<&Path>, head: bool) -> Self {
        Output { path: path.map(Path::to_owned), file: None, head }
    }

    /// Writes a line of its own.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Error> {
        self.write(format!("{line}\n").as_bytes())
    }

    /// Writes what is still on its way.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.with(|output| output.flush())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.with(|output| output.write_all(bytes))
    }

    fn with(&mut self, work: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
        let Some(path) = &self.path else { return work(&mut stdout()).map_err(Error::Output) };
        let failed = |source| Error::File { doing: "writing", path: path.clone(), source };
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::create(path).map_err(failed)?),
        };
        work(file).map_err(failed)
    }
}

impl Sink for Output {
    fn begin(&mut self, response: &Response) -> Result<(), Error> {
        let mut head = String::new();
        if self.head {
            head = format!("{} {}\n", response.status, harmless(&response.reason));
            for (name, value) in &response.headers {
                head.push_str(&format!("{name}: {}\n", harmless(&String::from_utf8_lossy(value))));
            }
            head.push('\n');
        }
        self.write(head.as_bytes())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write(bytes)
    }
}
