//! Writing to standard output. `println!` would panic when nobody reads any more.

use std::io::{Write, stdout};

use serde::Serialize;

use super::Failure;

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::at("writing JSON"))?;
    Ok(writeln!(stdout(), "{text}")?)
}
