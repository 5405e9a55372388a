//! `tokbind agent`: the local proxy, `tokbind agent ca`: what makes a browser trust it, and `tokbind agent install`: all that in one.

mod args;
mod install;
mod nss;
mod unit;

use std::io::{Write, stderr, stdout};
use std::path::Path;
use std::time::Duration;

use listenfd::ListenFd;
use openssl::x509::X509;
use tokbind::agent::{Agent, AgentOptions, Authority};
use tokbind::keys::KeyStore;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::args::{Command, failed};
use crate::{Failure, Outcome, Verdict};

pub(crate) use self::args::Args;

/// Runs the command.
pub(crate) fn run(args: Args) -> Outcome {
    log(args.verbose);
    match args.command {
        Some(Command::Install { system }) => return install::install(&args, system),
        Some(Command::Uninstall) => return install::uninstall(&args),
        Some(Command::Status) => return install::status(&args),
        Some(Command::Ca) | None => {}
    }
    let authority = Authority::open(args.ca_dir.clone()).map_err(failed)?;
    match args.command {
        Some(Command::Ca) => print_ca(&authority),
        _ => serve(args, authority),
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
    options.proxies = args.proxy.proxies()?;
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
        let agent = match handed_over()? {
            Some(listener) => Agent::on(listener, options, authority, keys),
            None => Agent::bind(options, authority, keys).await,
        };
        let agent = agent.map_err(failed)?;
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

/// A socket that listens already, from systemd (socket activation).
fn handed_over() -> Result<Option<tokio::net::TcpListener>, Failure> {
    let doing = "taking the socket that systemd hands over";
    let Some(listener) = ListenFd::from_env().take_tcp_listener(0).map_err(Failure::at(doing))? else {
        return Ok(None);
    };
    listener.set_nonblocking(true).map_err(Failure::at(doing))?;
    tokio::net::TcpListener::from_std(listener).map(Some).map_err(Failure::at(doing))
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
