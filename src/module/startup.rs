//! Reads the secrets for bound cookies at each start and restart, while httpd still has the rights to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::httpd::ffi;
use crate::httpd::log::{Sink, log};
use crate::httpd::pool::Pool;
use crate::httpd::server::Server;
use token_binding_server::cookies::keyring::{Keyring, Keys};
use token_binding_server::cookies::load::{LastGood, Reading};
use token_binding_server::cookies::realm::Realm;
use token_binding_server::cookies::secret::{self, SecretSource};
use token_binding_server::outcome::{Level, tags};

/// The process and this outlive restarts: httpd loads the module anew, but it stays mapped (-z nodelete).
static IS_STARTED: AtomicBool = AtomicBool::new(false);
static LAST_GOOD: Mutex<LastGood> = Mutex::new(LastGood::none());

/// httpd has started: from now on it reads its configuration to restart.
pub(crate) fn note_start() {
    IS_STARTED.store(true, Ordering::Release);
}

/// Warns of virtual hosts on one address that take each other's cookies because none of them has a `ServerName`: httpd gives
/// them one name, and that is their realm.
pub(crate) fn warn_of_shared_realms(main: Server<'_>) {
    let binds = |server: &Server<'_>| {
        server
            .config()
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
                    Sink::Server(server),
                    Level::Warning,
                    format_args!(
                        "{tag}: the virtual hosts of {} and {} take each other's bound cookies, for both are {}: give each a \
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
pub(crate) fn load(main: Server<'_>, pool: Pool<'_>) -> bool {
    // It is replaced as a whole: there is nothing half-done behind a panic.
    let mut last_good = LAST_GOOD.lock().unwrap_or_else(PoisonError::into_inner);
    let mut reading = if IS_STARTED.load(Ordering::Acquire) {
        Reading::at_restart(server_root(), &last_good)
    } else {
        Reading::at_start(server_root())
    };
    let mut loaded = Loaded::new();
    let is_good =
        main.and_following().all(|server| match load_one(server, main, pool, &mut reading, &mut loaded) {
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
    server: Server<'_>,
    main: Server<'_>,
    pool: Pool<'_>,
    reading: &mut Reading<'_>,
    loaded: &mut Loaded,
) -> Result<(), String> {
    let Some(sources) = server.config().ok_or("the settings are missing")?.cookies.needs_secrets()? else {
        return Ok(());
    };
    let keys = match loaded.get(sources) {
        Some(keys) => keys.clone(),
        None => {
            let name = |line: String| format!("TokenBindingCookieSecret {line}");
            let keys = reading.keys(sources, |line| report(server, &name(line))).map_err(name)?;
            let keys = keys.map(Arc::new);
            loaded.insert(sources.to_vec(), keys.clone());
            keys
        }
    };
    // A virtual host that says nothing of its own has the main server's settings, and yet a realm of its own.
    // SAFETY: what `own_config` made; at start-up only this thread uses it.
    let config = unsafe { server.own_config(main, pool).as_mut() }.ok_or("the settings are missing")?;
    let realm = config.cookies.realm.clone().unwrap_or_else(|| Realm::of_host(server.name()));
    config.cookies.keyring = keys.map(|keys| Keyring::new(keys, realm));
    Ok(())
}

fn report(server: Server<'_>, line: &str) {
    log(Sink::Server(server), Level::Error, format_args!("{}: {line}", tags::SECRET));
}

fn server_root() -> std::path::PathBuf {
    // SAFETY: httpd sets it before it reads the configuration, and does not change it after.
    let root = unsafe { ffi::ap_server_root };
    if root.is_null() {
        return secret::server_root(b"/");
    }
    // SAFETY: a C string that lives as long as the configuration.
    secret::server_root(unsafe { CStr::from_ptr(root) }.to_bytes())
}
