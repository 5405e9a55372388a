//! Reads the secrets for bound cookies at start-up, while httpd still has the rights to.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;

use super::ffi;
use super::log::{Sink, log};
use super::pool::Pool;
use super::server::Server;
use crate::cookies::keyring::Keyring;
use crate::cookies::realm::Realm;
use crate::cookies::secret::{self, SecretSource};
use crate::outcome::{Level, tags};

/// Makes the keys of every virtual host that binds cookies. `false`: one of them can't have any, and the log says why.
pub(super) fn load(main: Server<'_>, pool: Pool<'_>) -> bool {
    let mut loaded: HashMap<Vec<SecretSource>, Keyring> = HashMap::new();
    main.and_following().all(|server| match load_one(server, main, pool, &mut loaded) {
        Ok(()) => true,
        Err(problem) => {
            log(Sink::Server(server), Level::Error, format_args!("{}: {problem}", tags::SECRET));
            false
        }
    })
}

/// A list of secrets that several virtual hosts have is read once.
fn load_one(
    server: Server<'_>,
    main: Server<'_>,
    pool: Pool<'_>,
    loaded: &mut HashMap<Vec<SecretSource>, Keyring>,
) -> Result<(), String> {
    let Some(sources) = server.config().ok_or("the settings are missing")?.cookies.needs_secrets()? else {
        return Ok(());
    };
    let keyring = match loaded.get(sources) {
        Some(keyring) => keyring.clone(),
        None => {
            let keyring = secret::load(sources, &server_root(), Realm::of_host(b""))
                .map_err(|problem| format!("TokenBindingCookieSecret {problem}"))?;
            loaded.insert(sources.to_vec(), keyring.clone());
            keyring
        }
    };
    // A virtual host that says nothing of its own has the main server's settings, and yet a realm of its own.
    // SAFETY: what `own_config` made; at start-up only this thread uses it.
    let config = unsafe { server.own_config(main, pool).as_mut() }.ok_or("the settings are missing")?;
    let realm = config.cookies.realm.clone().unwrap_or_else(|| Realm::of_host(server.name()));
    config.cookies.keyring = Some(Arc::new(keyring.for_realm(realm)));
    Ok(())
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
