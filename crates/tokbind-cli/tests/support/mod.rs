//! Running the real command.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What the command said, and its exit code.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Itself, if the command ended with this code.
    #[track_caller]
    pub fn exited(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// A user with a home directory and nothing in it.
pub struct User {
    home: TempDir,
}

impl User {
    pub fn new() -> Self {
        User { home: TempDir::new().unwrap() }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn keys(&self) -> PathBuf {
        self.home().join(".local/share/tokbind/keys")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokbind"));
        command.args(args).env("HOME", self.home()).current_dir(self.home()).stdin(Stdio::null());
        for variable in ["TOKBIND_KEYS", "XDG_DATA_HOME"] {
            command.env_remove(variable);
        }
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        said(&mut self.command(args))
    }

    pub fn run_with_input(&self, args: &[&str], input: &str) -> Said {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It need not read all of it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        finished(child.wait_with_output().unwrap())
    }
}

pub fn said(command: &mut Command) -> Said {
    finished(command.output().unwrap())
}

fn finished(output: std::process::Output) -> Said {
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
