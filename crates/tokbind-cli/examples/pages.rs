#![forbid(unsafe_code)]
//! Writes the command's manual pages and shell completions to a directory, for packages: `pages DIR`.

use std::path::PathBuf;

use clap_complete::Shell;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: pages DIR")?;
    std::fs::create_dir_all(&directory)?;
    clap_mangen::generate_to(tokbind_cli::command(), &directory)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut tokbind_cli::command(), "tokbind", &directory)?;
    }
    Ok(())
}
