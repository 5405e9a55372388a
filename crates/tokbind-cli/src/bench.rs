//! `tokbind bench`: measures how fast a server is, with and without Token Binding.

use std::collections::BTreeMap;
use std::io::{Write, stdout};

use clap::{ValueEnum, value_parser};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokbind::KeyParameters;
use tokbind::bench::{self, BenchOptions, Report, Reuse};
use tokbind::client::HttpVersion;

use super::options::{ServerArgs, key_parameters};
use super::output::print_json;
use super::terminal::harmless;
use super::{Failure, Outcome, Verdict};

const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

/// Generate load: requests and handshakes per second, latencies
///
/// A client and a server on one machine share its cores. Compare only runs of the same kind, and best run them in turn, with
/// and without Token Binding.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The page to ask for
    url: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Connections at the same time
    #[arg(long, short = 'c', value_name = "NUMBER", default_value_t = 16, value_parser = value_parser!(u64).range(1..=10_000))]
    connections: u64,
    /// Requests, over all connections
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 10_000)]
    requests: u64,
    /// HTTP version
    #[arg(long, value_name = "VERSION", value_enum, default_value_t = Http::V1_1)]
    http: Http,
    /// Requests under way on one HTTP/2 connection
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = value_parser!(u64).range(1..=1_000))]
    streams: u64,
    /// A connection for each request, with this kind of handshake
    #[arg(long, value_name = "KIND", value_enum)]
    handshakes: Option<Handshakes>,
    /// Offer these key parameters
    #[arg(long, value_name = "NAME", value_parser = key_parameters, default_value = "ecdsap256")]
    key_parameters: KeyParameters,
    /// Do not offer Token Binding
    #[arg(long, conflicts_with = "key_parameters")]
    no_token_binding: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Http {
    #[value(name = "1.1")]
    V1_1,
    #[value(name = "2")]
    V2,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Handshakes {
    /// No session is resumed
    Full,
    /// Sessions are resumed
    Resumed,
}

/// Runs the command. Exit code 1 if a request failed or was refused.
pub(crate) fn run(args: Args) -> Outcome {
    let target = args.server.target(&args.url, args.server.options()?)?;
    let mut options = BenchOptions::default();
    options.connections = usize::try_from(args.connections).unwrap_or(usize::MAX);
    options.requests = args.requests;
    options.http = match args.http {
        Http::V1_1 => HttpVersion::Http1,
        Http::V2 => HttpVersion::Http2,
    };
    options.streams = usize::try_from(args.streams).unwrap_or(usize::MAX);
    options.reuse = match args.handshakes {
        None => Reuse::KeepAlive,
        Some(Handshakes::Full) => Reuse::FullHandshakes,
        Some(Handshakes::Resumed) => Reuse::ResumedHandshakes,
    };
    options.token_binding = (!args.no_token_binding).then_some(args.key_parameters);
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::at("starting"))?;
    // On standard error, and only where that is a terminal.
    let bar = ProgressBar::new(options.requests);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec}") {
        bar.set_style(style);
    }
    let report = runtime.block_on(bench::run(&target, &options, |done| bar.set_position(done)))?;
    bar.finish_and_clear();
    if args.json {
        print_json(&Printed::of(&report))?;
    } else {
        print(&report)?;
    }
    let served: u64 =
        report.statuses.iter().filter(|(status, _)| **status < 400).map(|(_, count)| count).sum();
    Ok(if served == options.requests { Verdict::Good } else { Verdict::Bad })
}

fn print(report: &Report) -> Result<(), Failure> {
    let mut out = stdout();
    let bound = match report.negotiated {
        Some(negotiated) => format!("{}, version {}", negotiated.key_parameters, negotiated.version),
        None => "not negotiated".into(),
    };
    writeln!(out, "Token Binding   {bound}")?;
    writeln!(
        out,
        "requests        {} in {:.2} s: {:.1} per second",
        report.responses(),
        report.elapsed.as_secs_f64(),
        report.rate()
    )?;
    writeln!(
        out,
        "handshakes      {} ({} resumed): {:.1} per second",
        report.handshakes,
        report.resumed,
        report.handshake_rate()
    )?;
    for (status, count) in &report.statuses {
        writeln!(out, "status {status}      {count}")?;
    }
    for (error, count) in &report.errors {
        writeln!(out, "error           {count}: {}", harmless(error))?;
    }
    write!(out, "latency (ms)   ")?;
    for percentile in PERCENTILES {
        let name = if percentile == 100.0 { "max".to_owned() } else { format!("p{percentile}") };
        write!(out, " {name} {:.3}", milliseconds(report, percentile))?;
    }
    Ok(writeln!(out)?)
}

fn milliseconds(report: &Report, percentile: f64) -> f64 {
    report.latency.value_at_quantile(percentile / 100.0) as f64 / 1000.0
}

#[derive(Serialize)]
struct Printed<'a> {
    seconds: f64,
    requests_per_second: f64,
    handshakes_per_second: f64,
    handshakes: u64,
    resumed: u64,
    key_parameters: Option<String>,
    version: Option<String>,
    statuses: &'a BTreeMap<u16, u64>,
    errors: &'a BTreeMap<String, u64>,
    latency_ms: BTreeMap<String, f64>,
}

impl<'a> Printed<'a> {
    fn of(report: &'a Report) -> Self {
        Printed {
            seconds: report.elapsed.as_secs_f64(),
            requests_per_second: report.rate(),
            handshakes_per_second: report.handshake_rate(),
            handshakes: report.handshakes,
            resumed: report.resumed,
            key_parameters: report.negotiated.map(|negotiated| negotiated.key_parameters.to_string()),
            version: report.negotiated.map(|negotiated| negotiated.version.to_string()),
            statuses: &report.statuses,
            errors: &report.errors,
            latency_ms: PERCENTILES
                .into_iter()
                .map(|percentile| (format!("p{percentile}"), milliseconds(report, percentile)))
                .collect(),
        }
    }
}
