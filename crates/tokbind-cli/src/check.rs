//! `tokbind check`: checks a server's Token Binding.

use std::io::{Write, stdout};

use serde::Serialize;
use tokbind::check::{self, Finding, Verdict as Found};

use super::options::ServerArgs;
use super::output::print_json;
use super::{Failure, Outcome, Verdict};

/// Check a server's Token Binding, rule by rule
///
/// Each line is one rule of an RFC: pass, FAIL with what was seen and what it allows an attacker, or n/a where the server
/// has nothing that the rule could be about. The server may be anybody's: an Apache module, a load balancer.
///
/// The URL should be of a page that anybody can see, at best one that shows the visitor's Token Binding ID: a server
/// that serves wrong messages as unbound can't be told from one that accepts them otherwise.
///
/// It makes about a hundred connections and sends malformed handshakes and headers. Ask before you check somebody
/// else's server.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A page of the server
    url: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command. Exit code 1 if any rule is broken.
pub(crate) fn run(args: Args) -> Outcome {
    let target = args.server.target(&args.url, args.server.options()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::at("starting"))?;
    let quiet = args.json;
    let mut written = Ok(());
    let findings = runtime.block_on(check::run(&target, |finding| {
        if !quiet && written.is_ok() {
            written = print_line(finding);
        }
    }))?;
    written?;
    let summary = Summary::of(&findings);
    if args.json {
        print_json(&Printed { findings: findings.iter().map(Line::of).collect(), summary: &summary })?;
    } else {
        writeln!(
            stdout(),
            "\n{} rules: {} pass, {} FAIL, {} n/a",
            findings.len(),
            summary.passed,
            summary.failed,
            summary.not_applicable
        )?;
        for finding in findings.iter().filter(|finding| finding.verdict.is_failure()) {
            writeln!(stdout(), "  FAIL {:<32} {}", finding.probe, finding.section)?;
        }
    }
    Ok(if summary.failed == 0 { Verdict::Good } else { Verdict::Bad })
}

fn print_line(finding: &Finding) -> Result<(), Failure> {
    let Finding { probe, section, rule, verdict, .. } = finding;
    let mut out = stdout();
    match verdict {
        Found::Pass => writeln!(out, "pass  {probe:<32} {section:<14} {rule}")?,
        Found::NotApplicable(why) => writeln!(out, "n/a   {probe:<32} {section:<14} {rule}: {why}")?,
        Found::Fail { seen, allows } => {
            writeln!(out, "FAIL  {probe:<32} {section:<14} {rule}")?;
            writeln!(out, "      seen: {seen}; it allows: {allows}")?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Printed<'a> {
    findings: Vec<Line<'a>>,
    summary: &'a Summary,
}

#[derive(Serialize)]
struct Line<'a> {
    probe: &'a str,
    section: &'a str,
    rule: &'a str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allows: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(finding: &'a Finding) -> Self {
        let (verdict, seen, allows) = match &finding.verdict {
            Found::Pass => ("pass", None, None),
            Found::NotApplicable(why) => ("not applicable", Some(why.as_str()), None),
            Found::Fail { seen, allows } => ("fail", Some(seen.as_str()), Some(*allows)),
        };
        Line { probe: finding.probe, section: finding.section, rule: finding.rule, verdict, seen, allows }
    }
}

#[derive(Serialize)]
struct Summary {
    passed: usize,
    failed: usize,
    not_applicable: usize,
}

impl Summary {
    fn of(findings: &[Finding]) -> Self {
        let count = |is: fn(&Found) -> bool| findings.iter().filter(|finding| is(&finding.verdict)).count();
        Summary {
            passed: count(|found| matches!(found, Found::Pass)),
            failed: count(Found::is_failure),
            not_applicable: count(|found| matches!(found, Found::NotApplicable(_))),
        }
    }
}
