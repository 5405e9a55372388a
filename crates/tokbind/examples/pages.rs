#![forbid(unsafe_code)]
//! Writes the command's manual pages and shell completions to a directory, for packages: `pages DIR`.

// The command line as it is, of which only the description is used here.
#[allow(dead_code)]
#[path = "../src/cli/mod.rs"]
mod cli;

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: pages DIR")?;
    std::fs::create_dir_all(&directory)?;
    clap_mangen::generate_to(cli::Tokbind::command(), &directory)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut cli::Tokbind::command(), "tokbind", &directory)?;
    }
    Ok(())
}
