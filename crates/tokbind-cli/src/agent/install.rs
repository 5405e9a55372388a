//! `tokbind agent install`, `uninstall` and `status`.

use std::fs;
use std::io::{Write, stdout};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use openssl::nid::Nid;
use tokbind::agent::Authority;

use super::args::{Args, failed};
use super::{nss, unit};
use crate::options::is_token;
use crate::{Failure, Outcome, Verdict};

/// The authority, where Debian's `update-ca-certificates` looks for the system's own.
const SYSTEM: &str = "/usr/local/share/ca-certificates/tokbind-agent.crt";

pub(super) fn install(args: &Args, system: bool) -> Outcome {
    let home = home()?;
    tokbind::agent::check_domains(&args.only).map_err(failed)?;
    let authority = Authority::open(args.ca_dir.clone()).map_err(failed)?;
    let name = name(&authority);
    let pem = tempfile(&authority)?;
    let mut is_complete = true;
    let mut say = |good: bool, line: String| {
        is_complete &= good;
        writeln!(stdout(), "{} {line}", if good { "done:" } else { "TO DO:" })
    };
    say(true, format!("the certificate authority is {name}, until {}", authority.certificate().not_after()))?;
    if nss::is_usable() {
        for database in nss::all(&home) {
            let (whose, path) = (database.whose, database.path().display());
            match database.trust(&name, pem.path()) {
                Ok(()) => say(true, format!("{whose}, {path}: trusts it"))?,
                Err(error) => say(false, format!("{whose}, {path}: does not trust it: {error}"))?,
            }
        }
    } else {
        say(
            false,
            "install certutil (Debian: libnss3-tools), and repeat this: browsers can't be told otherwise"
                .to_owned(),
        )?;
    }
    if system {
        match trust_by_system(pem.path()) {
            Ok(()) => say(true, "the system's programs trust it".to_owned())?,
            Err(error) => say(
                false,
                format!("as root: tokbind agent ca > {SYSTEM} && update-ca-certificates ({error})"),
            )?,
        }
    }
    let command = command(args)?;
    let [socket, service] =
        unit::write(&home, args.listen, &command).map_err(Failure::at("writing the units"))?;
    say(true, format!("units: {}, {}", socket.display(), service.display()))?;
    if unit::start() {
        say(true, format!("systemd listens on {}, now and in each session", args.listen))?;
    } else {
        say(false, format!("start the agent with your session: {}", command.join(" ")))?;
    }
    let pac = format!("http://{}/proxy.pac", args.listen);
    writeln!(
        stdout(),
        "\nLeft to do, for each browser: have it find the agent by {pac}\n\
         - Chromium, Chrome: start it with --proxy-pac-url={pac}, or give that as \"Automatic configuration URL\" to the\n  \
           desktop's network settings (GNOME, KDE: Network, Proxy, Automatic)\n\
         - Firefox: Settings, Network Settings, Automatic proxy configuration URL\n\
         - then restart it, and see http://{}/ for what is bound",
        args.listen
    )?;
    Ok(if is_complete { Verdict::Good } else { Verdict::Bad })
}

pub(super) fn uninstall(args: &Args) -> Outcome {
    let home = home()?;
    let mut is_complete = true;
    let mut say = |good: bool, line: String| {
        is_complete &= good;
        writeln!(stdout(), "{} {line}", if good { "done:" } else { "TO DO:" })
    };
    unit::stop();
    if unit::remove(&home).map_err(Failure::at("deleting the units"))? {
        unit::reload();
        say(true, "the agent no longer starts".to_owned())?;
    }
    if nss::is_usable() {
        for database in nss::all(&home) {
            let (whose, path) = (database.whose, database.path().display());
            match database.forget() {
                Ok(0) => {}
                Ok(_) => say(true, format!("{whose}, {path}: no longer trusts it"))?,
                Err(error) => say(false, format!("{whose}, {path}: take it out by hand: {error}"))?,
            }
        }
    } else {
        say(false, "certutil is missing (Debian: libnss3-tools): take \"tokbind agent CA\" out of your browsers by hand".to_owned())?;
    }
    if Path::new(SYSTEM).exists() {
        match forget_by_system() {
            Ok(()) => say(true, "the system's programs no longer trust it".to_owned())?,
            Err(error) => {
                say(false, format!("as root: rm {SYSTEM} && update-ca-certificates --fresh ({error})"))?
            }
        }
    }
    let directory = authority_directory(args)?;
    let file = directory.join("ca.pem");
    match fs::remove_file(&file) {
        Ok(()) => say(true, format!("the certificate authority is gone: {}", file.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => say(false, format!("delete {}: {error}", file.display()))?,
    }
    writeln!(
        stdout(),
        "Your keys stay; `tokbind keys list` shows them. Take the proxy out of your browsers' settings by hand."
    )?;
    Ok(if is_complete { Verdict::Good } else { Verdict::Bad })
}

pub(super) fn status(args: &Args) -> Outcome {
    let home = home()?;
    let mut is_complete = true;
    let mut say = |good: bool, line: String| {
        is_complete &= good;
        writeln!(stdout(), "{} {line}", if good { "yes:" } else { "NO: " })
    };
    // Looking makes none.
    let file = authority_directory(args)?.join("ca.pem");
    if !file.exists() {
        say(false, format!("a certificate authority in {}", file.display()))?;
    } else {
        let authority = Authority::open(args.ca_dir.clone()).map_err(failed)?;
        let name = name(&authority);
        say(true, format!("a certificate authority, {name}, until {}", authority.certificate().not_after()))?;
        if nss::is_usable() {
            for database in nss::all(&home) {
                let line = format!("trusted by {}, {}", database.whose, database.path().display());
                say(database.trusts(&name), line)?;
            }
        } else {
            say(false, "certutil, to see who trusts it (Debian: libnss3-tools)".to_owned())?;
        }
    }
    say(unit::exist(&home), "units that start the agent".to_owned())?;
    let answers = TcpStream::connect_timeout(&args.listen, Duration::from_secs(2)).is_ok();
    say(answers, format!("somebody listens on {}; see http://{}/", args.listen, args.listen))?;
    Ok(if is_complete { Verdict::Good } else { Verdict::Bad })
}

/// What the units start: this program, with the options that were given.
fn command(args: &Args) -> Result<Vec<String>, Failure> {
    let program = std::env::current_exe().map_err(Failure::at("finding this program"))?;
    let mut command = vec![text(&program)?, "agent".to_owned()];
    let default = SocketAddr::from(([127, 0, 0, 1], tokbind::agent::DEFAULT_PORT));
    if args.listen != default {
        command.extend(["--listen".to_owned(), args.listen.to_string()]);
    }
    for domain in &args.only {
        command.extend(["--only".to_owned(), domain.clone()]);
    }
    if !args.upstream_resolve.is_empty() {
        let sentence = "--upstream-resolve is for tests, and not for an agent that is installed";
        return Err(Failure::Usage(sentence.to_owned()));
    }
    for (option, is_given) in [("--ephemeral", args.ephemeral), ("--allow-remote", args.allow_remote)] {
        command.extend(is_given.then(|| option.to_owned()));
    }
    command.extend(["--max-connections".to_owned(), args.max_connections.to_string()]);
    command.extend(["--drain".to_owned(), args.drain.to_string()]);
    for (option, path) in
        [("--keys", &args.keys.keys), ("--ca-dir", &args.ca_dir), ("--cacert", &args.cacert)]
    {
        if let Some(uri) = path.as_deref().and_then(Path::to_str).filter(|uri| is_token(uri)) {
            command.extend([option.to_owned(), uri.to_owned()]);
        } else if let Some(path) = path {
            let path = std::path::absolute(path).map_err(Failure::at(path.display()))?;
            command.extend([option.to_owned(), text(&path)?]);
        }
    }
    Ok(command)
}

fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| Failure::new(format!("{} is no text", path.display())))
}

fn home() -> Result<PathBuf, Failure> {
    std::env::home_dir()
        .filter(|home| home.is_absolute())
        .ok_or_else(|| Failure::new("HOME names no directory"))
}

fn authority_directory(args: &Args) -> Result<PathBuf, Failure> {
    args.ca_dir.clone().map_or_else(|| Authority::default_path().map_err(failed), Ok)
}

/// The authority's own name: each has another one.
fn name(authority: &Authority) -> String {
    let mut names = authority.certificate().subject_name().entries_by_nid(Nid::COMMONNAME);
    let name = names.next().and_then(|entry| entry.data().to_string().ok());
    name.unwrap_or_else(|| "tokbind agent CA".to_owned())
}

fn tempfile(authority: &Authority) -> Result<tempfile::NamedTempFile, Failure> {
    let doing = "writing the certificate for certutil";
    let mut file = tempfile::NamedTempFile::new().map_err(Failure::at(doing))?;
    let pem = authority.certificate_pem().map_err(failed)?;
    file.write_all(pem.as_bytes()).map_err(Failure::at(doing))?;
    Ok(file)
}

fn trust_by_system(certificate: &Path) -> Result<(), String> {
    let content = fs::read(certificate).map_err(|error| error.to_string())?;
    fs::write(SYSTEM, content).map_err(|error| error.to_string())?;
    update_ca_certificates(&[])
}

fn forget_by_system() -> Result<(), String> {
    fs::remove_file(SYSTEM).map_err(|error| error.to_string())?;
    update_ca_certificates(&["--fresh"])
}

fn update_ca_certificates(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("update-ca-certificates").args(arguments).output();
    let output = output.map_err(|error| format!("update-ca-certificates: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
