//! `tokbind verify`: verifies a message, without any server.

use std::io::{Read, Write, stdin, stdout};

use serde::Serialize;
use tokbind::binding::SEC_TOKEN_BINDING;
use tokbind::{Ekm, KeyParameters};
use token_binding::header::{MAX_HEADER_LENGTH, SEC_TOKEN_BINDING_CONTEXT, decode, encode};
use token_binding::message::{TokenBinding, TokenBindingMessage};
use token_binding::verify::{OpenSsl, verify_binding, verify_header};
use token_binding::{EKM_LENGTH, Error};

use super::options::key_parameters;
use super::output::{print_json, tbh};
use super::{Failure, Outcome, Verdict};

/// Verify a Sec-Token-Binding header offline
///
/// Says for each binding what it is, whose key it proves, and whether it is valid; and whether a server accepts the
/// message by RFC 8471 section 4.2 and RFC 8473 section 2. Exits with 0 only if it does.
///
/// A message is made for one TLS connection and valid on no other. The connection is named by its exported keying
/// material, which is 32 bytes from the TLS exporter with the label "EXPORTER-Token-Binding" and no context
/// (RFC 8471 section 3.3).
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What `TokenBindingPassVar context` gives: version, key parameters and EKM in one; with or without the header's name
    #[arg(long, value_name = "CONTEXT", required_unless_present = "ekm", conflicts_with_all = ["ekm", "key_parameters"])]
    context: Option<String>,
    /// Exported keying material of the connection: 64 hex digits
    #[arg(long, value_name = "HEX", requires = "key_parameters")]
    ekm: Option<String>,
    /// Key parameters that the connection negotiated: ecdsap256, rsa2048_pss or rsa2048_pkcs1.5
    #[arg(long, value_name = "NAME", value_parser = key_parameters, requires = "ekm")]
    key_parameters: Option<KeyParameters>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The header's value, with or without its name; - reads it from standard input
    #[arg(default_value = "-", allow_hyphen_values = true)]
    message: String,
}

#[derive(Serialize)]
struct Report {
    acceptable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    negotiated_key_parameters: String,
    bindings: Vec<Binding>,
}

#[derive(Serialize)]
struct Binding {
    #[serde(rename = "type")]
    tokenbinding_type: String,
    type_number: u8,
    key_parameters: String,
    key_parameters_number: u8,
    token_binding_id: String,
    /// What tokens name the key by: base64url(SHA-256(ID)).
    tbh: String,
    /// `None`: nobody can tell, because the key parameters are unknown.
    valid: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Runs `tokbind verify`.
pub(crate) fn run(args: Args) -> Outcome {
    let (negotiated, ekm) = match (&args.context, &args.ekm, args.key_parameters) {
        (Some(context), ..) => parse_context(value(context, SEC_TOKEN_BINDING_CONTEXT))?,
        (None, Some(ekm), Some(key_parameters)) => (key_parameters, parse_ekm(ekm)?),
        (None, ..) => return Err(Failure::Usage("--ekm and --key-parameters go together".to_owned())),
    };
    let header = if args.message == "-" { read_stdin()? } else { args.message };
    let report = report(value(&header, SEC_TOKEN_BINDING).as_bytes(), negotiated, &ekm)?;
    if args.json {
        print_json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(if report.acceptable { Verdict::Good } else { Verdict::Bad })
}

/// Version, key parameters and EKM, as `Sec-Token-Binding-Context` has them.
fn parse_context(context: &str) -> Result<(KeyParameters, Ekm), Failure> {
    let bytes = decode(context.as_bytes()).ok();
    match bytes.as_deref() {
        Some([_, _, key_parameters, ekm @ ..]) if ekm.len() == EKM_LENGTH => {
            let mut copy = [0; EKM_LENGTH];
            copy.copy_from_slice(ekm);
            Ok((KeyParameters(*key_parameters), Ekm::new(copy)))
        }
        _ => Err(Failure::Usage(format!("--context takes {} bytes in base64url", EKM_LENGTH + 3))),
    }
}

/// The error does not repeat what was given: it may be most of a secret.
fn parse_ekm(hex: &str) -> Result<Ekm, Failure> {
    let wrong = || Failure::Usage(format!("--ekm takes {} hex digits", EKM_LENGTH * 2));
    if hex.len() != EKM_LENGTH * 2 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut ekm = [0; EKM_LENGTH];
    for (byte, digits) in ekm.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(Ekm::new(ekm))
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = Vec::new();
    // Room for the header's name and for line ends. What is longer is too long anyway.
    let limit = MAX_HEADER_LENGTH as u64 + 1024;
    stdin().take(limit).read_to_end(&mut text).map_err(Failure::at("reading standard input"))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The header's value, from a line as it stands in a request or from the value alone.
fn value<'l>(line: &'l str, name: &str) -> &'l str {
    let line = line.trim();
    match line.split_once(':') {
        Some((before, value)) if before.eq_ignore_ascii_case(name) => value.trim(),
        _ => line,
    }
}

fn report(header: &[u8], negotiated: KeyParameters, ekm: &Ekm) -> Result<Report, Failure> {
    let verdict = fault(verify_header(header, negotiated, ekm).err())?;
    let mut bindings = Vec::new();
    // What can't be read has no bindings to tell of, and the verdict says why.
    if let Ok(bytes) = decode(header)
        && let Ok(message) = TokenBindingMessage::parse(&bytes)
    {
        for binding in message.bindings() {
            bindings.push(Binding::of(binding, ekm)?);
        }
    }
    Ok(Report {
        acceptable: verdict.is_none(),
        reason: verdict.map(|fault| fault.to_string()),
        negotiated_key_parameters: negotiated.to_string(),
        bindings,
    })
}

/// A fault of OpenSSL's says nothing about the message.
fn fault(error: Option<Error>) -> Result<Option<Error>, Failure> {
    match error {
        Some(error) if error.is_internal() => Err(Failure::new(error.to_string())),
        error => Ok(error),
    }
}

impl Binding {
    fn of(binding: &TokenBinding<'_>, ekm: &Ekm) -> Result<Self, Failure> {
        let id = binding.tokenbindingid();
        let (valid, reason) = if id.key_parameters().is_known() {
            let fault = fault(verify_binding(&OpenSsl, binding, ekm).err())?;
            (Some(fault.is_none()), fault.map(|fault| fault.to_string()))
        } else {
            (None, Some("its key parameters are unknown, so it is not looked at".to_owned()))
        };
        Ok(Binding {
            tokenbinding_type: binding.tokenbinding_type().to_string(),
            type_number: binding.tokenbinding_type().0,
            key_parameters: id.key_parameters().to_string(),
            key_parameters_number: id.key_parameters().0,
            token_binding_id: encode(id.as_bytes()),
            tbh: tbh(id.as_bytes()),
            valid,
            reason,
        })
    }
}

fn print(report: &Report) -> Result<(), Failure> {
    let mut out = stdout().lock();
    for (number, binding) in (1..).zip(&report.bindings) {
        let validity = match binding.valid {
            Some(true) => "valid",
            Some(false) => "NOT VALID",
            None => "not checked",
        };
        let reason = binding.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        writeln!(
            out,
            "{number}. {} binding, {}: {validity}{reason}",
            binding.tokenbinding_type, binding.key_parameters
        )?;
        writeln!(out, "   Token Binding ID: {}", binding.token_binding_id)?;
        writeln!(out, "   tbh: {}", binding.tbh)?;
    }
    match &report.reason {
        None => writeln!(out, "The message is acceptable.")?,
        Some(reason) => writeln!(out, "The message is NOT acceptable: {reason}.")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ekm_is_64_hex_digits() {
        let ekm = parse_ekm(&"0aF1".repeat(16)).unwrap();
        assert_eq!(ekm.as_bytes()[..4], [0x0a, 0xf1, 0x0a, 0xf1]);
        for wrong in ["", "0a", &"0a".repeat(33), &"+a".repeat(32), &"é".repeat(32), &"0g".repeat(32)] {
            let Err(Failure::Usage(sentence)) = parse_ekm(wrong) else { panic!("{wrong}") };
            assert_eq!(sentence, "--ekm takes 64 hex digits");
        }
    }

    #[test]
    fn a_whole_header_line_will_do() {
        for line in ["AIk-_", " AIk-_\r\n", "sec-token-binding:AIk-_", "Sec-Token-Binding:  AIk-_ "] {
            assert_eq!(value(line, SEC_TOKEN_BINDING), "AIk-_", "{line:?}");
        }
        assert_eq!(value("Cookie: a", SEC_TOKEN_BINDING), "Cookie: a");
    }
}
