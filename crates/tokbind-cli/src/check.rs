//! `tokbind check`: checks a server's Token Binding, or its Device Bound Session Credentials.

use std::io::{Write, stdout};
use std::time::Duration;

use serde::Serialize;
use tokbind::Target;
use tokbind::check::{self, Finding, SessionOptions, Verdict as Found};

use super::get::body;
use super::options::ServerArgs;
use super::output::print_json;
use super::terminal::harmless;
use super::{Failure, Outcome, Verdict};

/// Check a server's Token Binding, or its Device Bound Session Credentials, rule by rule
///
/// Each line is one rule of an RFC: pass, FAIL with what was seen and what it allows an attacker, or n/a where the server
/// has nothing that the rule could be about. The server may be anybody's: an Apache module, a load balancer.
///
/// The URL should be of a page that anybody can see, at best one that shows the visitor's Token Binding ID: a server
/// that serves wrong messages as unbound can't be told from one that accepts them otherwise.
///
/// With --dbsc, the rules are those of the draft "Device Bound Session Credentials", and the URL is one whose response
/// offers a registration: a login. It is asked for once or twice for each rule.
///
/// It makes about a hundred connections and sends malformed handshakes and headers. Ask before you check somebody
/// else's server.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A page of the server
    url: String,
    /// Check Device Bound Session Credentials
    #[arg(long)]
    dbsc: bool,
    /// Body of the login; @FILE reads it from a file, @- from standard input. Several are joined with &
    #[arg(long, short, value_name = "DATA", requires = "dbsc")]
    data: Vec<String>,
    /// Header line of the login, as in 'Content-Type: application/json'
    #[arg(long, short = 'H', value_name = "LINE", value_parser = body::header, requires = "dbsc")]
    header: Vec<(String, Vec<u8>)>,
    /// Wait so many seconds for challenges to grow old, and see whether they are still good then
    #[arg(long, value_name = "SECONDS", requires = "dbsc")]
    wait: Option<u64>,
    /// Look at this rule only, by the name that a line begins with; several: again, or with commas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command. Exit code 1 if any rule is broken, or none can be kept.
pub(crate) fn run(args: Args) -> Outcome {
    let target = args.server.target(&args.url, args.server.options()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::at("starting"))?;
    args.check_only()?;
    let place = format!("{}:{}", target.host(), target.port());
    let failed = |error| Failure::of(&place, error);
    if !args.dbsc && !args.json && !runtime.block_on(check::negotiates(&target)).map_err(failed)? {
        writeln!(
            stdout(),
            "{place} does not negotiate Token Binding, so there is nothing to check (RFC 8472)."
        )?;
        return Ok(Verdict::Bad);
    }
    let quiet = args.json;
    let mut written = Ok(());
    let tell = |finding: &Finding| {
        if !quiet && written.is_ok() {
            written = print_line(finding);
        }
    };
    let findings = if args.dbsc {
        let options = args.session_options(&target)?;
        runtime.block_on(check::run_sessions(&target, &options, &args.only, tell))
    } else {
        runtime.block_on(check::run(&target, &args.only, tell))
    }
    .map_err(failed)?;
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

impl Args {
    fn check_only(&self) -> Result<(), Failure> {
        let rules: Vec<_> =
            if self.dbsc { check::session_rules().collect() } else { check::rules().collect() };
        match self.only.iter().find(|name| !rules.contains(&name.as_str())) {
            Some(name) => Err(Failure::Usage(format!(
                "--only: there is no rule {name:?}; there are {}",
                rules.join(", ")
            ))),
            None => Ok(()),
        }
    }

    fn session_options(&self, target: &Target) -> Result<SessionOptions, Failure> {
        let mut login = target.page();
        if let Some(body) = body::read(&self.data)? {
            login.method = "POST".to_owned();
            let has_type = self.header.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            if !has_type {
                login = login.header("Content-Type", "application/x-www-form-urlencoded");
            }
            login = login.body(body);
        }
        login.headers.extend(self.header.iter().cloned());
        let mut options = SessionOptions::new();
        options.login = Some(login);
        options.patience = self.wait.map(Duration::from_secs);
        Ok(options)
    }
}

fn print_line(finding: &Finding) -> Result<(), Failure> {
    let Finding { probe, section, rule, verdict, .. } = finding;
    let mut out = stdout();
    match verdict {
        Found::Pass => writeln!(out, "pass  {probe:<32} {section:<14} {rule}")?,
        Found::NotApplicable(why) => {
            writeln!(out, "n/a   {probe:<32} {section:<14} {rule}: {}", harmless(why))?
        }
        Found::Fail { seen, allows } => {
            writeln!(out, "FAIL  {probe:<32} {section:<14} {rule}")?;
            writeln!(out, "      seen: {}; it allows: {allows}", harmless(seen))?;
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
