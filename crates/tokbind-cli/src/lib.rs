#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
//! The command `tokbind`: one file per subcommand, each with its `Args` and a `run` that says how it went.
//!
//! This library is for the command and for what describes it (`examples/pages.rs`). Programs use the crate `tokbind`.

mod agent;
mod bench;
mod check;
mod completions;
mod failure;
mod get;
mod keys;
mod options;
mod output;
mod terminal;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use failure::{Failure, Outcome, Verdict};

/// A Token Binding client (RFC 8471, 8472, 8473).
///
/// With Token Binding a TLS client proves on every connection that it holds a key. A server binds its cookies and tokens
/// to that key, and a stolen copy is worth nothing without it.
#[derive(Parser)]
#[command(name = "tokbind", version, arg_required_else_help = true, after_long_help = AFTER_HELP)]
struct Tokbind {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  done, and the answer is good
  1  done, and the answer is bad: a message that is not acceptable, a key that does not exist,
     a response that --fail or --require-token-binding takes for a failure
  2  the command line is wrong
  3  not done: no connection, a refused certificate, an unreadable file, ...

Environment:
  TOKBIND_KEYS   the directory of the keys, unless --keys names one
  XDG_DATA_HOME  otherwise they are in $XDG_DATA_HOME/tokbind/keys, or in ~/.local/share/tokbind/keys
  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
                 the proxy above, and the hosts to reach without it, unless --proxy and --noproxy say so";

#[derive(Subcommand)]
enum Command {
    Agent(agent::Args),
    Bench(bench::Args),
    Check(check::Args),
    Completions(completions::Args),
    Get(get::Args),
    Keys(keys::Args),
    Verify(verify::Args),
}

/// The command line, for manual pages and completions.
#[must_use]
pub fn command() -> clap::Command {
    Tokbind::command()
}

/// Runs the command that the command line asks for.
pub fn main() -> ExitCode {
    let outcome = match Tokbind::parse().command {
        Command::Agent(args) => agent::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Check(args) => check::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Get(args) => get::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Verify(args) => verify::run(args),
    };
    failure::report(outcome)
}

#[cfg(test)]
mod tests {
    /// Clap's own check for clashing names, missing values and the like.
    #[test]
    fn the_command_line_makes_sense() {
        super::command().debug_assert();
    }
}
