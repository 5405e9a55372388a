//! What `make` has prepared for the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The module under test.
pub fn module() -> PathBuf {
    named("TOKEN_BINDING_MODULE", "target/release/libmod_token_binding.so")
}

/// The module that panics on demand.
pub fn faulty_module() -> PathBuf {
    named("TOKEN_BINDING_FAULTY_MODULE", "target/faulty/libmod_token_binding.so")
}

/// The OpenID Provider's Python.
pub fn python() -> PathBuf {
    existing(root().join("target/setup/venv/bin/python"))
}

/// The last generation of Chromium that spoke Token Binding.
pub fn chromium_69() -> PathBuf {
    existing(root().join("target/setup/chromium-69"))
}

/// Today's Chromium.
pub fn chromium() -> PathBuf {
    existing("/usr/bin/chromium".into())
}

/// The command `tokbind`.
pub fn tokbind() -> PathBuf {
    named("TOKBIND", "target/debug/tokbind")
}

/// This repository.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned())
}

fn named(variable: &str, otherwise: &str) -> PathBuf {
    existing(std::env::var_os(variable).map_or_else(|| root().join(otherwise), PathBuf::from))
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: run the tests with `make blackbox`", path.display());
    path
}

/// Where httpd is and where its modules are, as `apxs` (or `APXS`) says.
pub struct Httpd {
    pub program: PathBuf,
    pub modules: PathBuf,
}

pub fn httpd() -> &'static Httpd {
    static HTTPD: OnceLock<Httpd> = OnceLock::new();
    HTTPD.get_or_init(|| {
        let apxs = std::env::var("APXS").unwrap_or_else(|_| "apxs".into());
        let query = |name: &str| {
            let output =
                Command::new(&apxs).args(["-q", name]).output().unwrap_or_else(|e| panic!("{apxs}: {e}"));
            assert!(output.status.success(), "{apxs} -q {name} failed");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let program = || Path::new(&query("sbindir")).join(query("progname"));
        Httpd {
            // Or a program that runs it: tools/under.
            program: existing(std::env::var_os("TOKEN_BINDING_HTTPD").map_or_else(program, PathBuf::from)),
            modules: existing(query("LIBEXECDIR").into()),
        }
    })
}
