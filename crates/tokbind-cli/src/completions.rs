//! `tokbind completions`: what a shell needs to complete the command line.

use std::io::Write as _;

use clap_complete::Shell;

use super::{Outcome, Verdict};

const EXAMPLES: &str = "\
Examples:
  For this user, without a package:
    tokbind completions bash > ~/.local/share/bash-completion/completions/tokbind
    tokbind completions fish > ~/.config/fish/completions/tokbind.fish
    tokbind completions zsh > ~/.zfunc/_tokbind";

/// Print what a shell needs to complete the command line
///
/// Debian's package installs it already.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    shell: Shell,
}

pub(crate) fn run(args: Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "tokbind", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Verdict::Good)
}
