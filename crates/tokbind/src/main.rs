#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]
//! The command `tokbind`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
