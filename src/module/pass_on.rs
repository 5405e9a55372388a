//! Passes what was verified on: in the environment and, if so configured, in the request's headers.

use std::ffi::CStr;

use token_binding_server::config::ServerConfig;
use token_binding_server::variable::{Facts, PassVar, Value, Variable};

use crate::httpd::request::Request;
use crate::httpd::table::Table;

use super::scrub::MessageEntry;
use super::state::Known as _;

/// Passes the facts on, before anything is known of the directory. The request's headers have just been cleared of the names
/// that are set, but for the message itself.
#[inline]
pub(super) fn pass_on_first<'r>(
    request: Request<'r>,
    facts: Facts<'r>,
    config: &'r ServerConfig,
    mut message: Option<MessageEntry<'r>>,
) {
    let pass = config.pass(None);
    let environment = request.environment();
    let Some(provided) = facts.only_provided(pass).filter(|_| environment.is_empty()) else {
        drop(message);
        return pass_on(request, facts, config, pass);
    };
    environment.add(config.env_name(Variable::Provided), provided);
    if config.pass_headers() && !request.is_trace() {
        for name in Variable::Provided.header_names() {
            match message.take() {
                Some(message) => message.replace(name, provided),
                None => request.headers().add(name, provided),
            }
        }
    }
    request.note_passed(pass);
}

/// Passes the key of a device on, if the client has proved one: the only thing that is known of a client without Token
/// Binding, before anything is known of the directory. The request's headers have just been cleared of the name.
pub(super) fn pass_on_device<'r>(request: Request<'r>, config: &'r ServerConfig) {
    let Some(key) = request.device() else { return };
    let pass = config.pass(None);
    if pass.includes(Variable::Device) {
        request.environment().set(config.env_name(Variable::Device), key);
        for name in Variable::Device.header_names() {
            if config.pass_headers() && !request.is_trace() {
                request.headers().add(name, key);
            }
        }
    }
    request.note_passed(pass);
}

/// Sets the variables of `pass` and takes back the others.
fn pass_on<'r>(request: Request<'r>, facts: Facts<'r>, config: &'r ServerConfig, pass: PassVar) {
    let to_headers = config.pass_headers() && !request.is_trace();
    for variable in Variable::ALL {
        let value = if pass.includes(variable) { facts.value(variable) } else { None };
        let value = value.map(|value| text(request, value));
        let put = |table: Table<'r>, name: &'r CStr| match value {
            Some(value) => table.set(name, value),
            None => table.unset(name),
        };
        put(request.environment(), config.env_name(variable));
        // The header's, which whoever prepared the environment of the request that this one is a part of has left there.
        request.environment().unset(variable.cgi_name());
        for name in variable.header_names().iter().filter(|_| to_headers) {
            put(request.headers(), name);
        }
    }
    request.note_passed(pass);
}

/// Passes what is known of the request on again, after httpd has replaced its environment or its headers.
pub(super) fn restore(request: Request<'_>) {
    let Some(config) = request.server_config() else { return };
    let facts = request.facts();
    if !facts.is_empty() {
        pass_on(request, facts, config, config.pass(request.directory_config()));
    }
}

/// The request's directory is known, or has become another one: passes on what it asks for, if that is something else.
#[inline]
pub(super) fn settle(request: Request<'_>) {
    if let Some((passed, directory)) = request.passed()
        && directory != request.directory_address()
    {
        settle_anew(request, passed);
    }
}

fn settle_anew(request: Request<'_>, passed: PassVar) {
    let Some(config) = request.server_config() else { return };
    let pass = config.pass(request.directory_config());
    if pass == passed {
        request.note_passed(pass);
    } else {
        pass_on(request, request.facts(), config, pass);
    }
}

/// In an internal redirect httpd hands the variables on under names of its own, whatever the new directory asks for.
pub(super) fn forget_redirected(request: Request<'_>, config: &ServerConfig) {
    for variable in Variable::ALL {
        for name in [config.env_name(variable), variable.cgi_name()] {
            request.environment().unset(request.pool().copy_bytes(&Variable::redirected(name)));
        }
    }
}

/// A text that is kept with the request lives as long as its tables, in the same pool.
fn text<'r>(request: Request<'r>, value: Value<'r>) -> &'r CStr {
    match value {
        Value::Kept(text) => text,
        Value::Made(text) => request.pool().copy_text(&text),
    }
}
