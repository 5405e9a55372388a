//! `tokbind keys`: what is in the key store.

use std::io::{Write, stdout};

use clap::Subcommand;
use serde::Serialize;
use tokbind::KeyParameters;
use tokbind::keys::KeyStore;
use tokbind::keys::{KeyInfo, registered_domain};
use token_binding::header::encode;

use super::options::{KeysOption, key_parameters};
use super::output::{print_json, tbh};
use super::{Outcome, Verdict};

/// List, show and delete the keys that servers know this client by
///
/// There is one key for each registered domain and each key parameters (RFC 8473 section 2.1): www.example.com and
/// login.example.com see the same key, example.org sees another. A key is made when it is first needed. Private keys are
/// never printed.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    keys: KeysOption,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List all keys
    ///
    /// Exits with 1 when a file in the store is refused, because others can read it for instance.
    List,
    /// Show the keys that a host sees, with their Token Binding IDs
    ///
    /// "tbh" is the hash that a token names the key by: base64url(SHA-256(Token Binding ID)), as in the "cnf" claim of
    /// an ID token. Exits with 1 when there is no key.
    Show(Selection),
    /// Delete the keys that a host sees
    ///
    /// Sessions and tokens that are bound to them are of no use then. Exits with 1 when there is no key.
    Delete(Selection),
    /// Print the directory of the keys
    Path,
}

#[derive(clap::Args, Debug)]
struct Selection {
    /// A host; the keys are those of its registered domain
    host: String,
    /// Only the key with these key parameters
    #[arg(long, value_name = "NAME", value_parser = key_parameters)]
    key_parameters: Option<KeyParameters>,
}

impl Selection {
    fn key_parameters(&self) -> Vec<KeyParameters> {
        self.key_parameters.map_or_else(|| KeyParameters::ALL_KNOWN.to_vec(), |one| vec![one])
    }
}

/// A key in JSON.
#[derive(Serialize)]
struct Key {
    domain: String,
    key_parameters: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_binding_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tbh: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    path: Option<String>,
}

impl From<KeyInfo> for Key {
    fn from(info: KeyInfo) -> Self {
        let (id, problem) = match info.token_binding_id {
            Ok(id) => (Some(id), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Key {
            domain: info.domain,
            key_parameters: info.key_parameters.to_string(),
            token_binding_id: id.as_deref().map(encode),
            tbh: id.as_deref().map(tbh),
            problem,
            path: info.path.map(|path| path.display().to_string()),
        }
    }
}

/// Runs `tokbind keys`.
pub(crate) fn run(args: Args) -> Outcome {
    match args.command {
        Command::Path => path(&args),
        Command::List => list(&args.keys.open()?, args.json),
        Command::Show(ref selection) => show(&args.keys.open()?, selection, args.json),
        Command::Delete(ref selection) => delete(&args.keys.open()?, selection, args.json),
    }
}

/// Works for a directory that is refused, too: it must be found to be mended.
fn path(args: &Args) -> Outcome {
    let path = args.keys.keys.clone().map_or_else(KeyStore::default_path, Ok)?;
    if args.json {
        print_json(&serde_json::json!({ "path": path.display().to_string() }))?;
    } else {
        writeln!(stdout(), "{}", path.display())?;
    }
    Ok(Verdict::Good)
}

fn list(store: &KeyStore, json: bool) -> Outcome {
    let keys: Vec<Key> = store.list()?.into_iter().map(Key::from).collect();
    if json {
        print_json(&keys)?;
    } else {
        let widest = keys.iter().map(|key| key.domain.len()).max().unwrap_or_default();
        let mut out = stdout().lock();
        for key in &keys {
            let rest = key.token_binding_id.as_ref().or(key.problem.as_ref()).map_or("", String::as_str);
            writeln!(out, "{:widest$}  {:15}  {rest}", key.domain, key.key_parameters)?;
        }
    }
    let refused = keys.iter().any(|key| key.problem.is_some());
    Ok(if refused { Verdict::Bad } else { Verdict::Good })
}

fn show(store: &KeyStore, selection: &Selection, json: bool) -> Outcome {
    let domain = registered_domain(&selection.host);
    let wanted = selection.key_parameters();
    let mut keys = store.list()?;
    keys.retain(|key| key.domain == domain && wanted.contains(&key.key_parameters));
    let keys: Vec<Key> = keys.into_iter().map(Key::from).collect();
    if json {
        print_json(&keys)?;
    } else {
        let mut out = stdout().lock();
        for key in &keys {
            writeln!(out, "{} {}", key.domain, key.key_parameters)?;
            for (name, value) in [
                ("Token Binding ID", &key.token_binding_id),
                ("tbh", &key.tbh),
                ("refused", &key.problem),
                ("file", &key.path),
            ] {
                if let Some(value) = value {
                    writeln!(out, "  {name}: {value}")?;
                }
            }
        }
    }
    if keys.is_empty() {
        return none(&domain);
    }
    let refused = keys.iter().any(|key| key.problem.is_some());
    Ok(if refused { Verdict::Bad } else { Verdict::Good })
}

fn delete(store: &KeyStore, selection: &Selection, json: bool) -> Outcome {
    let domain = registered_domain(&selection.host);
    let mut deleted = Vec::new();
    for key_parameters in selection.key_parameters() {
        if store.delete(&domain, key_parameters)? {
            deleted.push(key_parameters.to_string());
        }
    }
    if json {
        print_json(&serde_json::json!({ "domain": domain, "deleted": deleted }))?;
    } else {
        for key_parameters in &deleted {
            writeln!(stdout(), "deleted the {key_parameters} key of {domain}")?;
        }
    }
    if deleted.is_empty() { none(&domain) } else { Ok(Verdict::Good) }
}

fn none(domain: &str) -> Outcome {
    eprintln!("tokbind: there is no such key for {domain}");
    Ok(Verdict::Bad)
}
