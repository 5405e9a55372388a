//! What commands print. `println!` would panic when nobody reads any more.

use std::io::{Write, stdout};

use serde::Serialize;
use token_binding::header::encode;

use super::Failure;
use super::terminal::escaped;

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::at("writing JSON"))?;
    Ok(writeln!(stdout(), "{}", escaped(&text))?)
}

/// What a token names a key by, in the `tbh` member of its `cnf` claim: base64url(SHA-256(Token Binding ID)).
pub(crate) fn tbh(token_binding_id: &[u8]) -> String {
    encode(&openssl::sha::sha256(token_binding_id))
}
