//! What the fuzz targets of `fuzz/` call: one function a target, any bytes in, a panic where a promise is broken.
//!
//! `cargo fuzz` compiles this (`--cfg fuzzing`), and so do the unit tests, which replay the corpora. The module itself has
//! none of it.
#![allow(missing_docs, reason = "fuzz/README.md describes the targets")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a target reports")]

mod configuration;
mod cookie_header;
mod readers;
mod request_headers;
mod seal;
mod set_cookie;

use std::sync::{Arc, LazyLock};

use crate::cookies::keyring::{Keyring, Keys};
use crate::cookies::names::CookieNames;
use crate::cookies::realm::Realm;
use crate::cookies::seal::{Broken, Form, Sealed, SealedFor};
use crate::cookies::secret::Secret;
use crate::cookies::settings::{Client, CookiePolicy, CookieSettings};

pub use configuration::configuration;
pub use cookie_header::cookie_header;
pub use request_headers::request_headers;
pub use seal::seal;
pub use set_cookie::set_cookie;

/// Whom the seals in the corpora are for.
const ALICE: Client<'_> = Client::Bound(b"alice");
/// Whom none is for.
const MALLORY: Client<'_> = Client::Bound(b"mallory");

/// The keys that the seals in the corpora are made with.
static KEYRING: LazyLock<Keyring> = LazyLock::new(|| keyring(0, "www.bound.test"));
/// The same keys on another virtual host.
static ELSEWHERE: LazyLock<Keyring> = LazyLock::new(|| keyring(0, "other.test"));
/// Those of a server that has sealed nothing.
static STRANGER: LazyLock<Keyring> = LazyLock::new(|| keyring(0x80, "www.bound.test"));

fn keyring(fill: u8, host: &str) -> Keyring {
    let secret = Secret::new((0..48).map(|number| number ^ fill).collect()).unwrap();
    Keyring::new(Arc::new(Keys::new(&[secret]).unwrap()), Realm::of_host(host.as_bytes()))
}

/// A sealed value, alone.
fn seal_value(keyring: &Keyring, form: Form, name: &[u8], value: &[u8], client: SealedFor<'_>) -> Vec<u8> {
    let mut sealed = Vec::new();
    crate::cookies::seal::seal(keyring, form, name, value, client, &mut sealed).unwrap();
    sealed
}

/// The value in a text that is a sealed value and nothing else.
fn unseal(keyring: &Keyring, name: &[u8], text: &[u8], client: SealedFor<'_>) -> Result<Vec<u8>, Broken> {
    match Sealed::read(text) {
        Some((sealed, b"")) => sealed.open(keyring, name, client),
        _ => Err(Broken::NoSeal),
    }
}

/// The settings of `TokenBindingCookie` with these words, if it takes them and they bind anything.
fn settings(words: &[&str], policy: CookiePolicy, keyring: &Keyring) -> Option<CookieSettings> {
    let names = CookieNames::add(None, words).ok()?;
    let keyring = Some(keyring.clone());
    let settings =
        CookieSettings { names: Some(names), policy: Some(policy), keyring, ..CookieSettings::default() };
    settings.names().is_some().then_some(settings)
}

/// The first line, as words, and what follows it.
fn first_line(data: &[u8]) -> Option<(Vec<&str>, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let words = std::str::from_utf8(&data[..end]).ok()?.split(' ').filter(|word| !word.is_empty());
    Some((words.collect(), &data[end + 1..]))
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[test]
fn every_target_is_built_and_described() {
    let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let read = |name: &str| std::fs::read_to_string(fuzz.join(name)).unwrap();
    let (manifest, page) = (read("Cargo.toml"), read("README.md"));
    let targets = std::fs::read_dir(fuzz.join("fuzz_targets")).unwrap();
    for name in targets.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()) {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} in Cargo.toml");
        assert!(page.contains(&format!("| `{name}` |")), "{name} in README.md");
    }
}

#[test]
fn every_corpus_is_replayed() {
    replay::corpora(
        "mod_token_binding",
        concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz"),
        &[
            ("configuration", configuration),
            ("cookie_header", cookie_header),
            ("request_headers", request_headers),
            ("seal", seal),
            ("set_cookie", set_cookie),
        ],
    );
}
