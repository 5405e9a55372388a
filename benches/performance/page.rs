//! The page: what was measured takes the place of what an earlier run wrote, and prose around it stays.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cookies::{Cookies, GOAL};
use crate::dbsc::{self, Endpoints, Proved};
use crate::growth::Growth;
use crate::instructions::{self, PerRequest};
use crate::load::{self, Rates, Work};
use crate::memory::{self, PerConnection, Restarts};
use crate::plot::{Bar, Bars, Lines};
use crate::statistics::{Spread, grouped};
use crate::verification::{self, Verification};
use httpd_harness::session::Protocol;
use httpd_harness::setup;

/// The page, and the directory of its plots. A quick run's numbers are not for the documentation.
pub struct Page(PathBuf);

impl Page {
    pub fn open(quick: bool) -> Self {
        let documented = setup::root().join("docs/performance.md");
        if !quick {
            return Self(documented);
        }
        let directory = setup::root().join("target/bench");
        fs::create_dir_all(&directory).unwrap();
        let page = directory.join("performance.md");
        fs::copy(documented, &page).unwrap();
        Self(page)
    }

    pub fn plots(&self) -> PathBuf {
        let plots = self.0.with_extension("");
        fs::create_dir_all(&plots).unwrap();
        plots
    }

    /// Puts a section in its place.
    pub fn put(&self, name: &str, section: &str) {
        let mut text = fs::read_to_string(&self.0).unwrap();
        replace(&mut text, name, section);
        fs::write(&self.0, text).unwrap();
    }
}

/// Puts a section between its two marks.
fn replace(text: &mut String, name: &str, section: &str) {
    let [begin, end] = ["", "/"].map(|slash| format!("<!-- {slash}measured: {name} -->"));
    let from =
        text.find(&begin).unwrap_or_else(|| panic!("docs/performance.md has no {begin}")) + begin.len();
    let length = text[from..].find(&end).unwrap_or_else(|| panic!("docs/performance.md has no {end}"));
    text.replace_range(from..from + length, &format!("\n{section}"));
}

/// Where and when, without saying whose machine it is.
pub fn machine() -> String {
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(setup::root()).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned()
    };
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    let httpd = run(setup::httpd().program.to_str().unwrap(), &["-v"]);
    let changed = if run("git", &["status", "--porcelain", "--", "src", "crates"]).is_empty() {
        ""
    } else {
        ", changed"
    };
    format!(
        "Measured on {} at commit {}{changed}, by `make bench`: {} processors ({model}), Linux {}, {}, {}, {}, {}.\n",
        run("date", &["-u", "+%F"]),
        run("git", &["rev-parse", "--short", "HEAD"]),
        std::thread::available_parallelism().unwrap(),
        run("uname", &["-r"]),
        httpd.trim_start_matches("Server version: "),
        openssl::version::version(),
        run("rustc", &["--version"]),
        run("valgrind", &["--version"]),
    )
}

const KINDS: [&str; 2] = ["clients without Token Binding", "clients with Token Binding"];

pub fn verification(results: &[Verification], plots: &Path) -> String {
    let mut table = "| key | header verified, microseconds | OpenSSL alone | ratio (goal: at most 1.15) \
                         | ratio, key loaded before |\n|---|---|---|---|---|\n"
        .to_owned();
    let mut bars = Vec::new();
    for one in results {
        writeln!(
            table,
            "| {} | {:.1} | {:.1} | {} | {} |",
            one.key_parameters,
            one.whole.median,
            one.bare.median,
            ratio(&one.ratio),
            ratio(&one.ratio_loaded)
        )
        .unwrap();
        bars.push(bar(&one.key_parameters.to_string(), &one.ratio, 0));
    }
    Bars {
        title: "Verification of a new message, over OpenSSL's alone",
        kinds: &["load the key and verify = 1"],
        goal: (verification::GOAL, "goal: 1.15"),
        largest: 1.4,
        bars,
    }
    .draw(&plots.join("verification.svg"));
    table
}

pub fn instructions(results: &[PerRequest], plots: &Path) -> String {
    let mut table = "| instructions per request | HTTP/1.1 | HTTP/2 |\n|---|---|---|\n".to_owned();
    let mut row = |name: &str, value: &dyn Fn(&PerRequest) -> String| {
        let cells: Vec<String> = results.iter().map(value).collect();
        writeln!(table, "| {name} | {} |", cells.join(" | ")).unwrap();
    };
    row("without the module", &|one| grouped(one.without.all));
    row("without the module, the request carries a message", &|one| grouped(one.without_for_message.all));
    row("with it, client without Token Binding", &|one| grouped(one.unbound.all));
    row("with it, client with Token Binding", &|one| grouped(one.bound.all));
    row("**added, without Token Binding** (goal: at most 600)", &|one| {
        format!("**{}**", grouped(one.added_unbound()))
    });
    row("**added, with Token Binding**", &|one| format!("**{}**", grouped(one.added_bound())));
    row("in the module and what it calls, without Token Binding", &|one| grouped(one.unbound.module));
    row("in the module and what it calls, with", &|one| grouped(one.bound.module));
    row("**added, of the request's own** (goal: at most 3 %)", &|one| {
        format!("**{:.2} %**", one.added_part() * 100.0)
    });
    let part = |one: &PerRequest, added: f64, kind| Bar {
        label: format!("{}, {}", protocol(one.protocol), ["without", "with"][kind]),
        value: added / one.without_for_message.all * 100.0,
        range: None,
        shown: format!("{} ({:.2} %)", grouped(added), added / one.without_for_message.all * 100.0),
        kind,
    };
    Bars {
        title: "Instructions that the module adds to a request, in per cent of the request's own",
        kinds: &KINDS,
        goal: (instructions::GOAL_BOUND * 100.0, "goal: 3 %"),
        largest: 4.0,
        bars: results
            .iter()
            .flat_map(|one| [part(one, one.added_unbound(), 0), part(one, one.added_bound(), 1)])
            .collect(),
    }
    .draw(&plots.join("instructions.svg"));
    table
}

pub fn cookies(results: &[Cookies]) -> String {
    let mut table = "| instructions for one bound cookie of 200 bytes in and one out | HTTP/1.1 | HTTP/2 |\n|---|---|---|\n".to_owned();
    let mut row = |name: &str, value: &dyn Fn(&Cookies) -> f64| {
        let cells: Vec<String> = results.iter().map(|one| grouped(value(one))).collect();
        writeln!(table, "| {name} | {} |", cells.join(" | ")).unwrap();
    };
    row(&format!("**encrypted** (goal: at most {})", grouped(GOAL)), &|one| one.added(&one.encrypted));
    row("readable (`TokenBindingCookieEncrypt Off`)", &|one| one.added(&one.readable));
    table
}

pub fn dbsc(results: &[Proved], endpoints: &Endpoints) -> String {
    let mut table =
        "| instructions for one request with one bound cookie | HTTP/1.1 | HTTP/2 |\n|---|---|---|\n"
            .to_owned();
    let mut row = |name: &str, value: &dyn Fn(&Proved) -> f64| {
        let cells: Vec<String> = results.iter().map(|one| grouped(value(one))).collect();
        writeln!(table, "| {name} | {} |", cells.join(" | ")).unwrap();
    };
    row("`TokenBindingDBSC Off`, in the module and what it calls", &|one| one.off.module);
    row("`On`, with a valid short-lived cookie, in the module and what it calls", &|one| one.on.module);
    row(&format!("**added** (goal: at most {})", grouped(dbsc::GOAL)), &Proved::added);
    let Endpoints { registration, refresh } = endpoints;
    write!(
        table,
        "\n| milliseconds of processor time, of the whole server (goal: below {}) | |\n|---|---|\n\
         | a registration | {registration:.2} |\n| a refresh: the request for a challenge, and the answer | {refresh:.2} |\n",
        dbsc::GOAL_ENDPOINT
    )
    .unwrap();
    table
}

pub fn growth(growths: &[Growth], plots: &Path) -> String {
    let mut table = "| instructions added, by | from | to | for one more |\n|---|---|---|---|\n".to_owned();
    let mut panels = Vec::new();
    for growth in growths {
        let ends = [&growth.points[0], &growth.points[growth.points.len() - 1]];
        let [from, to] =
            ends.map(|point| format!("{} at {}", grouped(point.bound), grouped(point.size as f64)));
        writeln!(table, "| {} | {from} | {to} | {:.2} |", growth.by, growth.slope()).unwrap();
        let curve = |value: &dyn Fn(&crate::growth::Point) -> Option<f64>| -> Vec<(f64, f64)> {
            growth.points.iter().filter_map(|point| Some((point.size as f64, value(point)?))).collect()
        };
        let mut curves = vec![("with Token Binding".to_owned(), curve(&|point| Some(point.bound)))];
        let unbound = curve(&|point| point.unbound);
        if !unbound.is_empty() {
            curves.push(("without".to_owned(), unbound));
        }
        panels.push(Lines {
            title: format!("By {}", growth.by),
            x: growth.by.to_owned(),
            y: "instructions added".to_owned(),
            curves,
        });
    }
    Lines::draw_all(&panels, &plots.join("growth.svg"));
    table
}

pub fn load(results: &[Rates], plots: &Path) -> String {
    let mut table =
        "| per second | without the module | with it: without Token Binding | with Token Binding \
                         | server's processor time: without | with |\n|---|---|---|---|---|---|\n"
            .to_owned();
    let mut bars = Vec::new();
    for rates in results {
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} |",
            rates.work.name(),
            grouped(rates.base.median / 2.0),
            ratio(&rates.unbound.rate),
            ratio(&rates.bound.rate),
            ratio(&rates.unbound.processor),
            ratio(&rates.bound.processor),
        )
        .unwrap();
        let is_verifying = matches!(rates.work, Work::Visits { .. });
        bars.push(bar(rates.work.name(), &rates.unbound.rate, 0));
        bars.push(bar(if is_verifying { "(verifies a signature)" } else { "" }, &rates.bound.rate, 1));
    }
    Bars {
        title: "Requests and handshakes per second, over those without the module",
        kinds: &KINDS,
        goal: (load::GOAL, "goal: 0.97"),
        largest: 1.2,
        bars,
    }
    .draw(&plots.join("load.svg"));
    table
}

pub fn memory(connections: &[PerConnection], restarts: &Restarts, plots: &Path) -> String {
    let mut table = "| bytes per idle connection | without the module | added, without Token Binding \
                         | added, with Token Binding (goal: at most 1,024) |\n|---|---|---|---|\n"
        .to_owned();
    let mut bars = Vec::new();
    for one in connections {
        let name = protocol(one.protocol);
        for (what, bytes) in [("in use on the heap", &one.in_use), ("written to, in all", &one.written)] {
            let added = [bytes.added_unbound(), bytes.added_bound()].map(grouped);
            writeln!(table, "| {name}, {what} | {} | {} |", grouped(bytes.without), added.join(" | "))
                .unwrap();
        }
        for (kind, value) in [one.in_use.added_unbound(), one.in_use.added_bound()].into_iter().enumerate() {
            let label = format!("{name}, {}", ["without", "with"][kind]);
            bars.push(Bar { label, value, range: None, shown: grouped(value), kind });
        }
    }
    Bars {
        title: "Bytes of the heap that the module adds to an idle connection",
        kinds: &KINDS,
        goal: (memory::GOAL, "goal: 1,024"),
        largest: 1400.0,
        bars,
    }
    .draw(&plots.join("connections.svg"));
    let Restarts { without, with } = restarts;
    let curve =
        |memory: &[u64]| memory.iter().enumerate().map(|(at, size)| (at as f64, *size as f64)).collect();
    Lines::draw_all(
        &[Lines {
            title: "The parent process after graceful restarts".into(),
            x: "restarts".into(),
            y: "KiB written".into(),
            curves: vec![
                ("with the module".into(), curve(with)),
                ("without the module".into(), curve(without)),
            ],
        }],
        &plots.join("restarts.svg"),
    );
    table += "\n| parent process, KiB | at the start | after a quarter of the restarts | after all |\n|---|---|---|---|\n";
    for (name, memory) in [("without the module", without), ("with the module", with)] {
        let [start, quarter, end] =
            [0, memory.len() / 4, memory.len() - 1].map(|at| grouped(memory[at] as f64));
        writeln!(table, "| {name}, {} restarts | {start} | {quarter} | {end} |", memory.len() - 1).unwrap();
    }
    table
}

/// A median and, in brackets, the middle half.
fn ratio(spread: &Spread) -> String {
    format!("{:.3} ({:.3} to {:.3})", spread.median, spread.lower, spread.upper)
}

fn bar(label: &str, spread: &Spread, kind: usize) -> Bar {
    Bar {
        label: label.to_owned(),
        value: spread.median,
        range: Some((spread.lower, spread.upper)),
        shown: format!("{:.3}", spread.median),
        kind,
    }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    }
}
