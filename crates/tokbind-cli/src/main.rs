#![forbid(unsafe_code)]
//! The command `tokbind`.

fn main() -> std::process::ExitCode {
    tokbind_cli::main()
}
