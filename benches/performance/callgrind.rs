//! An httpd whose instructions are counted, request by request, by valgrind's callgrind.
//!
//! callgrind writes its counts down, and starts again from zero, whenever httpd begins to make a response. The counts of
//! one cycle are therefore those of all that the process does between two such moments: sending the response, keeping the
//! connection, reading the next request, and with HTTP/2 the work of both threads.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use httpd_harness::{Httpd, Setup};

/// httpd's function that hands a request to whoever makes the response; each request goes through it once.
const MOMENT: &str = "ap_invoke_handler";

/// Filters hand on to the one behind them: what that does is not the module's doing.
const HANDED_ON: [&str; 2] = ["ap_get_brigade", "ap_pass_brigade"];

/// The instructions of one cycle.
pub struct Cycle {
    pub all: u64,
    /// Those in the module, and in what it calls of httpd and OpenSSL.
    pub module: u64,
}

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

    /// The cycles that ended since the last call.
    pub fn take(&self) -> Vec<Cycle> {
        let mut cycles: Vec<(u64, Cycle)> = Vec::new();
        for entry in fs::read_dir(self.counts.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            // The first file of a process has no number, and is for its end.
            let Some((_, number)) = name.split_once('.') else { continue };
            let number = number.parse().unwrap();
            let profile = fs::read_to_string(&path).unwrap();
            let all = profile.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
            let all = all.trim().parse().unwrap();
            cycles.push((number, Cycle { all, module: of_module(&profile) }));
            fs::remove_file(&path).unwrap();
        }
        cycles.sort_unstable_by_key(|(number, _)| *number);
        cycles.into_iter().map(|(_, cycle)| cycle).collect()
    }
}

/// Sums up what the lines of a profile say of the module's functions and of their calls to others'.
fn of_module(profile: &str) -> u64 {
    let is_ours = |object: &str| object.contains("mod_token_binding");
    let (mut objects, mut functions) = (Names::default(), Names::default());
    let (mut object, mut called_object, mut called) = ("", None, "");
    let (mut is_call, mut sum) = (false, 0);
    for line in profile.lines() {
        match line.split_once('=') {
            Some(("ob", name)) => object = objects.of(name),
            Some(("cob", name)) => called_object = Some(objects.of(name)),
            Some(("fn", name)) => _ = functions.of(name),
            Some(("cfn", name)) => called = functions.of(name),
            Some(("calls", _)) => is_call = true,
            // Where in the code, and how many instructions; behind a call, those of all that was called.
            None if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) => {
                let goes_on = is_call
                    && (is_ours(called_object.unwrap_or(object)) || HANDED_ON.contains(&base(called)));
                if is_ours(object) && !goes_on {
                    sum += line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
                }
                (is_call, called_object) = (false, None);
            }
            _ => {}
        }
    }
    sum
}

/// A function's name without the mark of one that was called from within itself.
fn base(name: &str) -> &str {
    name.split_once('\'').map_or(name, |(base, _)| base)
}

/// A profile has each name once, behind a number, and then the number alone.
#[derive(Default)]
struct Names<'p>(HashMap<&'p str, &'p str>);

impl<'p> Names<'p> {
    fn of(&mut self, text: &'p str) -> &'p str {
        match text.split_once(' ') {
            Some((number, name)) => {
                self.0.insert(number, name);
                name
            }
            None => self.0[text],
        }
    }
}
