//! (h) `tokbind agent` beside other proxies: a script measures, because curl and the proxies are programs.

use std::process::{Command, Stdio};

use crate::Effort;
use httpd_harness::setup;

/// The table.
pub fn measure(effort: &Effort) -> String {
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--quiet", "--package", "tokbind-cli"])
        .current_dir(setup::root())
        .status()
        .unwrap();
    assert!(built.success(), "tokbind is built");
    let script = setup::root().join("benches/performance/agent");
    let output =
        Command::new("sh").arg(script).arg(effort.repetitions.to_string()).stderr(Stdio::inherit()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
