//! Plain `cargo test` runs each target over its corpus: what was found once is a regression test. Part of both packages
//! that have targets.

use std::fs;
use std::path::{Path, PathBuf};

/// A target's name, and what it calls.
pub(super) type Target<'a> = (&'a str, fn(&[u8]));

/// Runs the targets of `krate` over `corpus/NAME`. They must be those that `fuzz_targets` calls.
pub(super) fn corpora(krate: &str, fuzz: &str, targets: &[Target<'_>]) {
    let fuzz = Path::new(fuzz);
    let called = |path: &PathBuf| fs::read_to_string(path).unwrap().contains(&format!(" {krate}::fuzzing::"));
    let mut expected: Vec<String> = files(&fuzz.join("fuzz_targets"))
        .into_iter()
        .filter(called)
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    expected.sort();
    assert_eq!(targets.iter().map(|(name, _)| *name).collect::<Vec<_>>(), expected);

    let mut failed = Vec::new();
    for (name, target) in targets {
        let inputs = files(&fuzz.join("corpus").join(name));
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
