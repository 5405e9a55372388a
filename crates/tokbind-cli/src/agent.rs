//! `tokbind agent`: the local proxy, and `tokbind agent ca`: what makes a browser trust it.

use std::io::{Write, stderr, stdout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Subcommand};
use openssl::x509::X509;
use tokbind::Resolve;
use tokbind::agent::{Agent, AgentOptions, Authority, DEFAULT_PORT, Error};
use tokbind::keys::KeyStore;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::options::KeysOption;
use super::{Failure, Outcome, Verdict};

/// Run a local proxy that gives Token Binding to any browser or program
///
/// The agent answers the browser's HTTPS in each server's name, with certificates of a certificate authority that it
/// makes on first use, and talks to the servers itself: it verifies their certificates, negotiates Token Binding and
/// adds the Sec-Token-Binding header to each request. Sites without Token Binding work as before.
///
/// Requests that a browser sends without credentials carry the site's key too: a proxy can't tell them apart.
#[derive(clap::Args, Debug)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    keys: KeysOption,

    /// Directory of the certificate authority [default: $TOKBIND_AGENT_CA, else ~/.local/share/tokbind/agent]
    ///
    /// It is made on first use, and refused when other users can read it.
    #[arg(long, value_name = "DIR", global = true)]
    ca_dir: Option<PathBuf>,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)))]
    listen: SocketAddr,

    /// Let --listen be an address that other machines can reach
    ///
    /// Whoever reaches the agent uses your keys, and can use it to reach whatever this machine can.
    #[arg(long)]
    allow_remote: bool,

    /// Give Token Binding to this domain and all below it; pass everything else on untouched
    #[arg(long, value_name = "DOMAIN", num_args = 1..)]
    only: Vec<String>,

    /// Use new keys that are gone when the agent ends, as a browser's private mode does
    #[arg(long, conflicts_with = "keys")]
    ephemeral: bool,

    /// Trust the CA certificates of this PEM file too, besides the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,

    /// Connect to ADDRESS instead of what HOST resolves to; ADDRESS may have a port of its own
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    upstream_resolve: Vec<Resolve>,

    /// How many connections programs may have to the agent at a time
    #[arg(long, value_name = "NUMBER", default_value_t = AgentOptions::default().max_connections)]
    max_connections: usize,

    /// How long requests under way may take after SIGTERM or SIGINT
    #[arg(long, value_name = "SECONDS", default_value_t = AgentOptions::default().drain.as_secs())]
    drain: u64,

    /// Log what goes wrong with connections; twice: log each request too
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

const AFTER_HELP: &str = "\
In five minutes:
  tokbind agent ca > tokbind-ca.pem    # also says how to make a browser trust it
  tokbind agent &
  chromium --proxy-server=http://127.0.0.1:8473

On SIGTERM or SIGINT the agent finishes what is under way and exits with code 0; a second signal ends it at once.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Print the certificate that browsers must trust, and say how to make them trust it
    ///
    /// The certificate goes to standard output, the explanation to standard error.
    Ca,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Outcome {
    log(args.verbose);
    let authority = Authority::open(args.ca_dir.clone()).map_err(failed)?;
    match args.command {
        Some(Command::Ca) => print_ca(&authority),
        None => serve(args, authority),
    }
}

/// Logs go to standard error. Only this program's own: libraries would tell what is in the requests.
fn log(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(stderr).with_target(false).with_ansi(false);
    // Fails when there is a logger already, and then that one is as good.
    let _ = tracing_subscriber::registry()
        .with(layer)
        .with(Targets::new().with_target("tokbind", level))
        .try_init();
}

fn serve(args: Args, authority: Authority) -> Outcome {
    let keys = if args.ephemeral { KeyStore::ephemeral() } else { args.keys.open()? };
    let mut options = AgentOptions::default();
    options.listen = args.listen;
    options.allow_remote = args.allow_remote;
    options.only = args.only;
    options.resolve = args.upstream_resolve;
    options.max_connections = args.max_connections;
    options.drain = Duration::from_secs(args.drain);
    if let Some(path) = &args.cacert {
        for certificate in read_certificates(path)? {
            options.connect = options.connect.ca_certificate(certificate);
        }
        // Naming one CA means to trust no others, unless they are named too.
        if let Some(system) = openssl_probe::probe().cert_file {
            options.connect = options.connect.ca_file(system);
        }
    }

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::at("starting"))?;
    let outcome = runtime.block_on(async {
        // From here on a signal is not the end.
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::at("waiting for signals"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::at("waiting for signals"))?;
        let greeting = greeting(&authority, &options)?;
        let agent = Agent::bind(options, authority, keys).await.map_err(failed)?;
        writeln!(stdout(), "tokbind agent: the proxy is http://{}{greeting}", agent.address())?;
        let stop = CancellationToken::new();
        let run = agent.run(stop.clone().cancelled_owned());
        let signals = async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("finishing what is under way; a second signal ends it at once");
            stop.cancel();
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        tokio::select! { _ = run => {}, () = signals => {} }
        Ok(Verdict::Good)
    });
    // A name that is being resolved can't be called back.
    runtime.shutdown_background();
    outcome
}

fn greeting(authority: &Authority, options: &AgentOptions) -> Result<String, Failure> {
    let mut text = String::new();
    if authority.is_new() {
        let fingerprint = authority.fingerprint().map_err(failed)?;
        text.push_str(
            "\nA new certificate authority was made. No browser trusts it yet: `tokbind agent ca`, with the same --ca-dir \
            if you gave one, says how to change that.",
        );
        text.push_str(&format!("\nIts SHA-256 fingerprint is {fingerprint}"));
    }
    if !options.only.is_empty() {
        text.push_str(&format!("\nToken Binding for {} only", options.only.join(", ")));
    }
    Ok(text)
}

fn read_certificates(path: &Path) -> Result<Vec<X509>, Failure> {
    let pem = std::fs::read(path).map_err(Failure::at(path.display()))?;
    let certificates = X509::stack_from_pem(&pem).map_err(Failure::at(path.display()))?;
    if certificates.is_empty() {
        return Err(Failure::new(format!("{}: there is no certificate in it", path.display())));
    }
    Ok(certificates)
}

fn print_ca(authority: &Authority) -> Outcome {
    let certificate = authority.certificate();
    write!(stdout(), "{}", authority.certificate_pem().map_err(failed)?)?;
    stdout().flush()?;
    let (fingerprint, until) = (authority.fingerprint().map_err(failed)?, certificate.not_after());
    // Standard error may be closed: then nobody reads it.
    let _ = write!(stderr(), "\nSHA-256 fingerprint: {fingerprint}\nValid until: {until}\n{HOW_TO_TRUST}");
    Ok(Verdict::Good)
}

const HOW_TO_TRUST: &str = r#"
Save the certificate:   tokbind agent ca > tokbind-ca.pem
Its private key stays in the agent's directory, readable by you alone. Whoever has that key can pass for any website to
a browser that trusts this certificate: never copy it, and trust the certificate no more widely than you need to.

Chrome, Chromium and other browsers of that family, for you only (certutil is in Debian's libnss3-tools):
  mkdir -p ~/.pki/nssdb
  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n "tokbind agent" -i tokbind-ca.pem
  chromium --proxy-server=http://127.0.0.1:8473
or by hand: chrome://certificate-manager, Local certificates, Installed by you, Trusted certificates, Import.
To take it back:  certutil -d sql:$HOME/.pki/nssdb -D -n "tokbind agent"

Firefox, for one profile:
  Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import: choose tokbind-ca.pem and tick
  "Trust this CA to identify websites". Then Settings, Network Settings, Manual proxy configuration: HTTP Proxy
  127.0.0.1, port 8473, and tick "Also use this proxy for HTTPS".

Debian, for all programs of all users that use the system's certificates:
  sudo install -m 644 tokbind-ca.pem /usr/local/share/ca-certificates/tokbind-agent.crt
  sudo update-ca-certificates
To take it back:  sudo rm /usr/local/share/ca-certificates/tokbind-agent.crt && sudo update-ca-certificates --fresh

A single program, as an example:
  curl --proxy http://127.0.0.1:8473 --cacert tokbind-ca.pem https://www.example.com/
"#;

/// The library knows nothing of options.
fn failed(error: Error) -> Failure {
    Failure::new(match error {
        Error::NoPlace => {
            "there is no place to keep the certificate authority: name a directory with --ca-dir or \
            TOKBIND_AGENT_CA, or set HOME or XDG_DATA_HOME"
                .to_owned()
        }
        Error::NotLoopback { address } => format!(
            "{address} can be reached from other machines, and whoever reaches the agent uses your keys: choose a \
             loopback address, or confirm with --allow-remote"
        ),
        error => error.to_string(),
    })
}
