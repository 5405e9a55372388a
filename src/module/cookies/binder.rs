//! What binds cookies, and whose they are.

use token_binding_server::cookies::settings::{Binder, Client};

use crate::httpd::request::Request;

use crate::module::state::{ClientKind, DbscClient, DbscState, Known as _};

/// What binds cookies on the request's virtual host, if anything does. `Err`: something should, and its keys are missing.
pub(in crate::module) fn binder(request: Request<'_>) -> Result<Option<Binder<'_>>, ()> {
    request.server_config().ok_or(())?.cookies.binder().map_err(|_| ())
}

/// Whether cookies are bound, or should be.
pub(in crate::module) fn are_bound(request: Request<'_>) -> bool {
    !matches!(binder(request), Ok(None))
}

/// Whom the request comes from.
pub(super) fn client<'r>(request: Request<'r>, kind: ClientKind, dbsc: Option<&'r DbscState>) -> Client<'r> {
    match (kind, request.bindings()) {
        (ClientKind::Bound, Some(bindings)) => Client::Bound(bindings.provided().as_bytes()),
        (ClientKind::Unbound, None) => match dbsc.map(|dbsc| &dbsc.client) {
            None => Client::Unbound,
            Some(DbscClient::Proved(proved, _)) => Client::Device(proved),
            Some(DbscClient::Waiting(waiting, now)) => Client::Waiting(waiting, *now),
        },
        (ClientKind::Trace, _) => Client::Trace,
        _ => Client::Unknown,
    }
}

/// A cookie's name for the log: the client may have sent anything.
pub(super) fn shown(name: Option<&[u8]>) -> String {
    let Some(name) = name else { return "(no name)".to_owned() };
    let (start, cut) = match name.split_at_checked(64) {
        Some((start, rest)) if !rest.is_empty() => (start, "..."),
        _ => (name, ""),
    };
    format!("{}{cut}", start.escape_ascii())
}
