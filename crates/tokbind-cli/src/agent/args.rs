//! What `tokbind agent` takes.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Subcommand};
use tokbind::Resolve;
use tokbind::agent::{AgentOptions, DEFAULT_PORT, Error};

use crate::Failure;
use crate::options::{KeysOption, ProxyArgs};

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
    pub(super) command: Option<Command>,

    #[command(flatten)]
    pub(super) keys: KeysOption,

    /// Directory of the certificate authority [default: $TOKBIND_AGENT_CA, else ~/.local/share/tokbind/agent]
    ///
    /// It is made on first use, and refused when other users can read it.
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) ca_dir: Option<PathBuf>,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)), global = true)]
    pub(super) listen: SocketAddr,

    /// Let --listen be an address that other machines can reach
    ///
    /// Whoever reaches the agent uses your keys, and can use it to reach whatever this machine can.
    #[arg(long)]
    pub(super) allow_remote: bool,

    /// Give Token Binding to this domain and all below it; pass everything else on untouched. Several: again, or with commas
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',', global = true)]
    pub(super) only: Vec<String>,

    /// Use new keys that are gone when the agent ends, as a browser's private mode does
    #[arg(long, conflicts_with = "keys")]
    pub(super) ephemeral: bool,

    /// Trust the CA certificates of this PEM file too, besides the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) cacert: Option<PathBuf>,

    /// Connect to ADDRESS instead of what HOST resolves to; ADDRESS may have a port of its own
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    pub(super) upstream_resolve: Vec<Resolve>,

    #[command(flatten)]
    pub(super) proxy: ProxyArgs,

    /// How many connections programs may have to the agent at a time
    #[arg(long, value_name = "NUMBER", default_value_t = AgentOptions::default().max_connections)]
    pub(super) max_connections: usize,

    /// How long requests under way may take after SIGTERM or SIGINT
    #[arg(long, value_name = "SECONDS", default_value_t = AgentOptions::default().drain.as_secs())]
    pub(super) drain: u64,

    /// Log what goes wrong with connections; twice: log each request too
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

const AFTER_HELP: &str = "\
In one command, for this user:
  tokbind agent install --only example.com    # without --only: for every site

By hand, in five minutes:
  tokbind agent ca > tokbind-ca.pem    # also says how to make a browser trust it
  tokbind agent &
  chromium --proxy-server=http://127.0.0.1:8473    # or --proxy-pac-url=http://127.0.0.1:8473/proxy.pac

The agent's own page at http://127.0.0.1:8473/ says which sites are bound.

On SIGTERM or SIGINT the agent finishes what is under way and exits with code 0; a second signal ends it at once.";

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Print the certificate that browsers must trust, and say how to make them trust it
    ///
    /// The certificate goes to standard output, the explanation to standard error.
    Ca,
    /// Set the agent up for this user: certificate authority, browsers' trust, start with the session
    ///
    /// Makes the certificate authority; has Chromium, Chrome and Firefox trust it (NSS databases in the home directory); writes
    /// systemd units that start the agent when a browser first asks for it, with the options given here; and says what is left to
    /// do for each browser. May be repeated. `uninstall` takes all of it back.
    Install {
        /// Have all programs of all users that use the system's certificates trust it, too (Debian; needs root)
        #[arg(long)]
        system: bool,
    },
    /// Take back what `install` did, the certificate authority included; keys stay
    Uninstall,
    /// Say what is installed, and whether the agent runs
    ///
    /// Exits with 1 when something is missing.
    Status,
}

/// The library knows nothing of options.
pub(super) fn failed(error: Error) -> Failure {
    if let Error::NotADomain { given, reason } = &error {
        return Failure::Usage(format!("--only {given:?}: {reason}"));
    }
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
