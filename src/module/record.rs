//! The module record, the one symbol that httpd loads.

use token_binding_server::config::{DirectoryConfig, ServerConfig};
use token_binding_server::directives::{self, DIRECTIVES, Directive};

use crate::httpd::hook::{LateRegistrar, Registrar};
use crate::httpd::record::{Commands, Module, Place, Record, Section, record};
use crate::httpd::slot::{Slots, This};

use super::connection::ConnectionState;
use super::hooks;
use super::state::RequestState;

/// What `LoadModule token_binding_module` looks for.
#[allow(unsafe_code, reason = "the name; whose it is, is plain from it")]
#[unsafe(no_mangle)]
#[allow(
    non_upper_case_globals,
    unreachable_pub,
    reason = "exported to httpd; the name is in every site's configuration"
)]
pub static mut token_binding_module: Record = record(&COMMANDS);

impl Slots for This {
    type OfServer = ServerConfig;
    type OfDirectory = DirectoryConfig;
    type OfConnection = ConnectionState;
    type OfRequest = RequestState;
}

impl Module for This {
    type Directive = Directive;

    const NAME: &'static std::ffi::CStr = c"mod_token_binding.c";

    fn merge_server(outer: &ServerConfig, inner: &ServerConfig) -> ServerConfig {
        ServerConfig::merge(outer, inner)
    }

    fn merge_directory(outer: &DirectoryConfig, inner: &DirectoryConfig) -> DirectoryConfig {
        DirectoryConfig::merge(outer, inner)
    }

    fn apply(directive: &Directive, section: Section<'_>, words: &[&str]) -> Result<(), String> {
        let section = match section {
            Section::Server(config) => directives::Section::Server(config),
            Section::Directory(config) => directives::Section::Directory(config),
        };
        directive.apply(section, words).map_err(|rejected| rejected.to_string())
    }

    fn register(registrar: &Registrar<'_>) {
        hooks::register(registrar);
    }

    fn register_for(server: &ServerConfig, late: &LateRegistrar) {
        hooks::register_for(server, late);
    }
}

/// One more: the last is empty.
const ROWS: usize = DIRECTIVES.len() + 1;
static TABLE: [Directive; DIRECTIVES.len()] = DIRECTIVES;
static COMMANDS: Commands<ROWS> = commands();

const fn commands() -> Commands<ROWS> {
    let mut commands = Commands::empty();
    let mut row = 0;
    #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler; const code can't iterate")]
    while row < TABLE.len() {
        let directive = &TABLE[row];
        let place = match directive.place {
            directives::Place::Server => Place::Server,
            directives::Place::ServerAndDirectory => Place::ServerAndDirectory,
        };
        commands.set(row, directive.name, place, directive.help, directive);
        row += 1;
    }
    commands
}
