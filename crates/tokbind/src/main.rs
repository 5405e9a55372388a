#![forbid(unsafe_code)]
//! The command `tokbind`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
