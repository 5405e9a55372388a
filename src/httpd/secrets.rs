//! Reads the secrets for bound cookies at start-up, while httpd still has the rights to.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;

use super::ffi;
use super::log::{Sink, log};
use super::server::Server;
use crate::cookies::keyring::Keyring;
use crate::cookies::secret::{self, SecretSource};
use crate::outcome::{Level, tags};

/// Makes the keys of every virtual host that binds cookies. `false`: one of them can't have any, and the log says why.
pub(super) fn load(main: Server<'_>) -> bool {
    let mut loaded: HashMap<Vec<SecretSource>, Arc<Keyring>> = HashMap::new();
    main.and_following().all(|server| match load_one(server, &mut loaded) {
        Ok(()) => true,
        Err(problem) => {
            log(Sink::Server(server), Level::Error, format_args!("{}: {problem}", tags::SECRET));
            false
        }
    })
}

/// A list of secrets that several virtual hosts have is read once.
fn load_one(server: Server<'_>, loaded: &mut HashMap<Vec<SecretSource>, Arc<Keyring>>) -> Result<(), String> {
    // SAFETY: what `create_server_config` or the merge made; at start-up only this thread uses it.
    let config = unsafe { server.config_ptr().as_mut() }.ok_or("the settings are missing")?;
    let Some(sources) = config.cookies.needs_secrets()? else { return Ok(()) };
    let keyring = match loaded.get(sources) {
        Some(keyring) => Arc::clone(keyring),
        None => {
            let keyring = secret::load(sources, &server_root())
                .map(Arc::new)
                .map_err(|problem| format!("TokenBindingCookieSecret {problem}"))?;
            loaded.insert(sources.to_vec(), Arc::clone(&keyring));
            keyring
        }
    };
    config.cookies.keyring = Some(keyring);
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
