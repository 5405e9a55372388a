//! An httpd whose instructions are counted, request by request, by valgrind's callgrind.
//!
//! callgrind writes its counts down, and starts again from zero, whenever httpd begins to make a response. The counts of
//! one cycle are therefore those of all that the process does between two such moments: sending the response, keeping the
//! connection, reading the next request, and with HTTP/2 the work of both threads.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::support::{Httpd, Setup};

/// httpd's function that hands a request to whoever makes the response; each request goes through it once.
const MOMENT: &str = "ap_invoke_handler";

pub struct Counted {
    pub server: Httpd,
    counts: TempDir,
}

impl Counted {
    pub fn start(setup: Setup) -> Self {
        let counts = tempfile::Builder::new().prefix("tb-callgrind-").tempdir().unwrap();
        // httpd's children are another user.
        fs::set_permissions(counts.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let run_by = vec![
            "valgrind".to_owned(),
            "--quiet".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--dump-before={MOMENT}"),
            format!("--callgrind-out-file={}/%p", counts.path().display()),
        ];
        let server = Setup { run_by, ..setup }.start();
        Self { server, counts }
    }

    /// Instructions of each cycle that ended since the last call.
    pub fn take(&self) -> Vec<u64> {
        let mut cycles: Vec<(u64, u64)> = Vec::new();
        for entry in fs::read_dir(self.counts.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            // The first file of a process has no number, and is for its end.
            let Some((_, number)) = name.split_once('.') else { continue };
            let number = number.parse().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
            cycles.push((number, total.trim().parse().unwrap()));
            fs::remove_file(&path).unwrap();
        }
        cycles.sort_unstable();
        cycles.into_iter().map(|(_, instructions)| instructions).collect()
    }
}
