//! Plain `cargo test` runs each target over its corpus: what was found once is a regression test.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{protocol, server, sessions};

type Target = fn(&[u8]);

/// Each target's name, and what it calls.
const TARGETS: [(&str, Target); 13] = [
    ("configuration", server::configuration),
    ("cookie_header", server::cookie_header),
    ("dbsc_headers", sessions::dbsc_headers),
    ("dbsc_jwk", sessions::dbsc_jwk),
    ("dbsc_proof", sessions::dbsc_proof),
    ("dbsc_server", server::dbsc_server),
    ("extension", protocol::extension),
    ("forwarded", protocol::forwarded),
    ("message", protocol::message),
    ("request_headers", server::request_headers),
    ("seal", server::seal),
    ("set_cookie", server::set_cookie),
    ("verification", protocol::verification),
];

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_target_is_built_described_and_replayed() {
    let read = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
    let (manifest, page) = (read("Cargo.toml"), read("README.md"));
    let mut names: Vec<String> = files(&folder().join("fuzz_targets"))
        .into_iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(TARGETS.map(|(name, _)| name).to_vec(), names);
    for name in names {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} in Cargo.toml");
        assert!(page.contains(&format!("| `{name}` |")), "{name} in README.md");
    }
}

#[test]
fn every_corpus_is_replayed() {
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        let inputs = files(&folder().join("corpus").join(name));
        assert!(inputs.len() >= 5, "{name} has a corpus");
        for input in inputs {
            let bytes = fs::read(&input).unwrap();
            if std::panic::catch_unwind(|| target(&bytes)).is_err() {
                failed.push(input);
            }
        }
    }
    assert!(failed.is_empty(), "these inputs break a promise: {failed:?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}
