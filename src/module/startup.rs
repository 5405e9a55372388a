//! httpd's start-up: checks the configuration, reads the secrets for bound cookies while httpd still has the rights to, and
//! says what is in force.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Display, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use token_binding_server::config::ServerConfig;
use token_binding_server::cookies::keyring::{Keyring, Keys};
use token_binding_server::cookies::load::{LastGood, Reading};
use token_binding_server::cookies::realm::Realm;
use token_binding_server::cookies::secret::{self, SecretSource};
use token_binding_server::dbsc::settings::is_within;
use token_binding_server::outcome::{Level, tags};

use crate::httpd::guard::Site;
use crate::httpd::hook::{ConfigHook, Status};
use crate::httpd::server::{self, Server};
use crate::httpd::ssl::openssl_version;

use super::cookies;
use super::log::log;
use super::state::server_config;
use super::status;
use super::virtual_hosts;

/// `httpd -t` and every start: what no single directive can see.
pub(super) struct CheckConfig;

impl ConfigHook for CheckConfig {
    const SITE: Site = Site("CheckConfig");

    fn run(main: Server<'_>) -> Status {
        virtual_hosts::reset();
        for server in main.and_following() {
            let Some(config) = server_config(server) else { return Status::Refused };
            if let Err(problem) = config.check() {
                let (tag, place) = (tags::CONFIGURATION, server.place());
                log(server.sink(), Level::Error, format_args!("{tag}: {problem} (of {place})"));
                return Status::Refused;
            }
        }
        if load(main) { Status::Ok } else { Status::Refused }
    }
}

/// Start-up, once the configuration stands: says what is in force, and warns of what can't work.
pub(super) struct PostConfig;

impl ConfigHook for PostConfig {
    const SITE: Site = Site("PostConfig");

    fn run(main: Server<'_>) -> Status {
        cookies::find_others();
        if !status::create(main) {
            log(main.sink(), Level::Error, format_args!("{}: no shared memory", tags::NO_MEMORY));
            return Status::Refused;
        }
        // httpd reads its configuration twice at start-up; once is enough to say it.
        if server::is_first_pass() {
            return Status::Ok;
        }
        IS_STARTED.store(true, Ordering::Release);
        warn_of_shared_realms(main);
        // What is written in the main server is for the virtual hosts.
        main.and_following().skip(1).for_each(warn_of_plain);
        main.and_following().filter(|server| has_dbsc(*server)).for_each(warn_of_dbsc);
        let Some(config) = server_config(main) else { return Status::Refused };
        log(main.sink(), Level::Notice, format_args!("{}: {}", tags::STARTED, start_up_line(config)));
        let is_enabled = |server| server_config(server).is_some_and(ServerConfig::enabled);
        if virtual_hosts::enabled() == 0 && main.and_following().any(is_enabled) {
            let missing = if server::has_module(c"mod_ssl.c") {
                "no enabled virtual host has SSLEngine On"
            } else {
                "mod_ssl is not loaded"
            };
            let tag = tags::NO_TLS;
            log(
                main.sink(),
                Level::Warning,
                format_args!("{tag}: {missing}: Token Binding needs TLS and will never be negotiated"),
            );
        }
        Status::Ok
    }
}

/// Warns of a virtual host that binds cookies, mostly because the main server says so, and whose clients can't have a key.
fn warn_of_plain(server: Server<'_>) {
    let Some(config) = server_config(server) else { return };
    if config.cookies.names().is_none() || virtual_hosts::has_tls(server) {
        return;
    }
    let has_dbsc = config.cookies.dbsc.is_on() && config.enabled() && !server.is_https_by_name();
    if virtual_hosts::is_behind_tls(server, config) && !(has_dbsc && config.trusted_proxies().is_none()) {
        return;
    }
    let (tag, place) = (tags::PLAIN, server.place());
    let (what, instead) = if has_dbsc {
        ("browsers register no key over plain HTTP", "say so with TokenBindingEnabled Off")
    } else if config.cookies.is_inherited {
        ("cookies are bound to nobody's key, and sent without Secure", "say so with ServerName https://...")
    } else {
        (
            "cookies are bound to nobody's key, and browsers refuse their Secure",
            "say so with ServerName https://...",
        )
    };
    log(
        server.sink(),
        Level::Warning,
        format_args!(
            "{tag}: TokenBindingCookie is in force on a virtual host without TLS: over plain HTTP, {what}. Redirect to https, or \
             set TokenBindingCookie none; if somebody in front of it ends TLS, {instead} (of {place})"
        ),
    );
}

/// Whether DBSC is on.
fn has_dbsc(server: Server<'_>) -> bool {
    server_config(server).is_some_and(|config| config.cookies.dbsc.in_force().is_some())
}

/// Warns of a virtual host where DBSC can't do anything.
fn warn_of_dbsc(server: Server<'_>) {
    let Some(config) = server_config(server) else { return };
    let warn = |line: fmt::Arguments<'_>| {
        let (tag, place) = (tags::DBSC_CONFIGURATION, server.place());
        log(server.sink(), Level::Warning, format_args!("{tag}: {line} (of {place})"));
    };
    if config.cookies.names().is_none() {
        warn(format_args!("TokenBindingDBSC On binds nothing here: TokenBindingCookie names no cookie"));
    }
    match config.cookies.dbsc.site() {
        Some(site) if !is_within(server.name(), site) => warn(format_args!(
            "no browser registers a session here: {} is not in TokenBindingDBSCSite {site}",
            server.name().escape_ascii()
        )),
        _ => {}
    }
}

/// The origins of the virtual hosts that have this site.
fn origins(main: Server<'_>, site: &str) -> Vec<String> {
    let has_site = |server: &Server<'_>| {
        server_config(*server)
            .and_then(|config| config.cookies.dbsc.in_force())
            .is_some_and(|dbsc| dbsc.site == Some(site))
    };
    let authorities = main.and_following().filter(has_site).flat_map(Server::authorities);
    let mut origins: Vec<String> = authorities.map(|authority| format!("https://{authority}")).collect();
    origins.sort();
    origins.dedup();
    origins
}

fn start_up_line(config: &ServerConfig) -> String {
    let mut line = format!(
        "mod_token_binding/{} with {}, TLS virtual hosts enabled: {}, key parameters:",
        env!("CARGO_PKG_VERSION"),
        openssl_version(),
        virtual_hosts::enabled()
    );
    for parameters in config.key_parameters() {
        // Writing to a String can't fail.
        let _ = write!(line, " {parameters}");
    }
    line
}

/// Whether httpd has started, and reads its configuration to restart. The process and this outlive restarts: httpd loads the
/// module anew, but it stays mapped (-z nodelete).
static IS_STARTED: AtomicBool = AtomicBool::new(false);
static LAST_GOOD: Mutex<LastGood> = Mutex::new(LastGood::none());

/// Warns of virtual hosts on one address that take each other's cookies because none of them has a `ServerName`: httpd gives
/// them one name, and that is their realm.
fn warn_of_shared_realms(main: Server<'_>) {
    let binds = |server: &Server<'_>| {
        server_config(*server)
            .is_some_and(|config| config.cookies.names().is_some() && config.cookies.realm.is_none())
    };
    let mut seen: HashMap<_, Server<'_>> = HashMap::new();
    for server in main.and_following().filter(binds) {
        let Some(address) = server.address() else { continue };
        match seen.entry((address, server.name().to_ascii_lowercase())) {
            Entry::Vacant(entry) => _ = entry.insert(server),
            Entry::Occupied(first) => {
                let tag = tags::SHARED_REALM;
                log(
                    server.sink(),
                    Level::Warning,
                    format_args!(
                        "{tag}: the virtual hosts {} and {} take each other's bound cookies, for both are {}: give each a \
                         ServerName or a TokenBindingCookieRealm of its own",
                        first.get().place(),
                        server.place(),
                        server.name().escape_ascii()
                    ),
                );
            }
        }
    }
}

/// The keys of a list of secrets, which several virtual hosts may have.
type Loaded = HashMap<Vec<SecretSource>, Option<Arc<Keys>>>;

/// Makes the keys of every virtual host that binds cookies. `false`: one of them can't have any, and the log says why. A bad
/// secret is no such reason at a restart, for httpd would end and take every site with it.
fn load(main: Server<'_>) -> bool {
    // It is replaced as a whole: there is nothing half-done behind a panic.
    let mut last_good = LAST_GOOD.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reading = if IS_STARTED.load(Ordering::Acquire) {
        Reading::at_restart(server_root(), &last_good)
    } else {
        Reading::at_start(server_root())
    };
    let mut loaded = Loaded::new();
    let is_good =
        main.and_following().all(|server| match load_one(main, server, &mut reading, &mut loaded) {
            Ok(()) => true,
            Err(problem) => {
                report(server, &problem);
                false
            }
        });
    let good = reading.into_last_good();
    if is_good {
        // If httpd finds another fault in its configuration, it ends.
        *last_good = good;
    }
    is_good
}

fn load_one(
    main: Server<'_>,
    server: Server<'_>,
    reading: &mut Reading<'_>,
    loaded: &mut Loaded,
) -> Result<(), String> {
    let config = server_config(server).ok_or("the settings are missing")?;
    let Some(sources) = config.cookies.needs_secrets().map_err(|error| error.to_string())? else {
        return Ok(());
    };
    let keys = match loaded.get(sources) {
        Some(keys) => keys.clone(),
        None => {
            let name = |line: &dyn Display| format!("TokenBindingCookieSecret {line}");
            let keys = reading.keys(sources, |warning| report(server, &name(&warning)));
            let keys = keys.map_err(|error| name(&error))?;
            let keys = keys.map(Arc::new);
            loaded.insert(sources.to_vec(), keys.clone());
            keys
        }
    };
    // A virtual host that says nothing of its own has the main server's settings, and yet a realm of its own.
    let shared = config.cookies.dbsc.in_force().and_then(|dbsc| dbsc.site);
    let host = shared.map_or(server.name(), str::as_bytes);
    let realm = config.cookies.realm.clone().unwrap_or_else(|| Realm::of_host(host));
    let mut own = config.clone();
    let of_main = server_config(main).map(|config| &config.cookies.names);
    own.cookies.is_inherited = server.identity() != main.identity() && of_main == Some(&config.cookies.names);
    own.cookies.dbsc.origins = shared.map(|site| origins(main, site)).unwrap_or_default();
    own.cookies.keyring = keys.map(|keys| Keyring::new(keys, realm));
    server.keep(own);
    Ok(())
}

fn report(server: Server<'_>, line: &str) {
    log(server.sink(), Level::Error, format_args!("{}: {line} (of {})", tags::SECRET, server.place()));
}

fn server_root() -> std::path::PathBuf {
    secret::server_root(server::root().map_or(b"/", |root| root.to_bytes()))
}
