//! Options that more than one subcommand has.

use std::path::PathBuf;

use clap::Args;
use tokbind::{KeyParameters, KeyStore};

/// Where keys are kept.
#[derive(Args, Debug)]
pub(crate) struct KeysOption {
    /// Directory of the keys [default: $TOKBIND_KEYS, else ~/.local/share/tokbind/keys]
    ///
    /// It is made when the first key is, and refused when other users can read it.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) keys: Option<PathBuf>,
}

impl KeysOption {
    /// Opens the store.
    pub(crate) fn open(&self) -> tokbind::Result<KeyStore> {
        KeyStore::open(self.keys.clone())
    }
}

/// Reads the name of key parameters; for `value_parser`.
pub(crate) fn key_parameters(name: &str) -> Result<KeyParameters, String> {
    KeyParameters::from_name(name).ok_or_else(|| {
        let names: Vec<_> = KeyParameters::ALL_KNOWN.iter().filter_map(|known| known.name()).collect();
        format!("there are {}", names.join(", "))
    })
}
