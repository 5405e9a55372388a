//! A request has arrived: its headers are cleared of what a client must not set, it is judged, and what was verified is
//! passed on.

use crate::httpd::log::{Sink, log};
use crate::httpd::request::Request;
use crate::module::cookies::{self, ClientKind};
use crate::module::status::count;
use crate::module::trailers;
use token_binding_server::bindings::TokenBindings;
use token_binding_server::config::ServerConfig;
use token_binding_server::counters::Count;
use token_binding_server::headers::{Taken, connection_names_reserved};
use token_binding_server::outcome::{Level, Refusal, Response, tags};
use token_binding_server::policy::{Judgement, Standing, judge};
use token_binding_server::texts::Texted;
use token_binding_server::variable::{Facts, Variable};

/// Clears the request's headers, judges it, and passes on what was verified. `ServeUnbound` stands for "serve".
pub(crate) fn receive(request: Request<'_>) -> Response {
    let (taken, message) = request.headers().take_reserved();
    trailers::watch(request);
    let Some(config) = request.server_config() else { return Response::ServerError };
    if request.origin().is_some() {
        // An internal redirect: the headers were taken from the first request, and its verdict holds for this one. What
        // httpd refused itself had none.
        forget_redirected(request, config);
        restore(request);
        return match request.cookies() {
            Some(_) => Response::ServeUnbound,
            None => cookies::receive(request, ClientKind::Unknown),
        };
    }
    if !config.enabled() {
        return cookies::receive(request, ClientKind::Unbound);
    }
    match bindings(request, config, taken) {
        Ok(Some(_)) if names_our_headers(request) => refuse(request, config, Refusal::HopByHop),
        Ok(Some(bindings)) => {
            let facts = Facts { bindings: request.keep(bindings), certificate: None };
            request.pass_on_first(facts, config, message);
            cookies::receive(request, ClientKind::Bound)
        }
        Ok(None) => cookies::receive(request, ClientKind::Unbound),
        Err(refusal) => refuse(request, config, refusal),
    }
}

/// Logs why, and does what the configuration makes of it.
pub(crate) fn refuse(request: Request<'_>, config: &ServerConfig, refusal: Refusal) -> Response {
    let strict = config.strict();
    log(Sink::Request(request), refusal.level(strict), format_args!("{refusal}"));
    count(Count::of(&refusal), 1);
    match refusal.response(strict) {
        Response::ServeUnbound => cookies::receive(request, ClientKind::Unbound),
        refused => {
            // For the error document, which is served all the same.
            cookies::receive(request, ClientKind::Unknown);
            refused
        }
    }
}

/// Whether the client wants the headers that pass its bindings on taken out on the way to a backend.
pub(crate) fn names_our_headers(request: Request<'_>) -> bool {
    // HTTP/1.1's lines are one by now; other protocols and modules have their own ways to fill the table.
    request.headers().get(c"Connection").is_some()
        && request.headers().all(c"Connection").any(|value| connection_names_reserved(value.to_bytes()))
}

/// The Token Bindings that the request has, by its headers and its connection.
fn bindings(
    request: Request<'_>,
    config: &ServerConfig,
    taken: Taken<'_>,
) -> Result<Option<TokenBindings>, Refusal> {
    let channel = request.connection().channel().map_err(Refusal::Fault)?;
    let standing = match &channel {
        Some(channel) => Standing::Negotiated(channel.negotiated()),
        None => Standing::NotNegotiated,
    };
    let trusted = || comes_from_trusted_proxy(request, config);
    match (judge(config, standing, taken, trusted, || request.is_pushed()), channel) {
        (Judgement::Refuse(refusal), _) => Err(refusal),
        (Judgement::Verify(header), Some(channel)) => {
            let (binding, is_known) = channel.verify(header)?;
            count(if is_known { Count::FromCache } else { Count::Verified }, 1);
            Ok(Some(TokenBindings::Proved(binding)))
        }
        (Judgement::TakeOver(forwarded), _) => {
            let bindings = forwarded.bindings().map_err(Refusal::Forwarded)?;
            Ok(bindings.map(|bindings| TokenBindings::Forwarded(Box::new(Texted::new(bindings)))))
        }
        (Judgement::Unbound, _) | (Judgement::Verify(_), None) => Ok(None),
    }
}

/// Is the peer believed what it says of its client? If not, says whom it is that is not believed: it may be a proxy that
/// is missing in the configuration.
fn comes_from_trusted_proxy(request: Request<'_>, config: &ServerConfig) -> bool {
    let Some(proxies) = config.trusted_proxies() else { return false };
    let peer = request.connection().peer();
    let trusted = proxies.contain(peer);
    if !trusted {
        log(
            Sink::Request(request),
            Level::Info,
            format_args!(
                "{}: Sec-...-Token-Binding-ID headers removed: {peer} is not in TokenBindingTrustedProxy",
                tags::NOT_TRUSTED
            ),
        );
    }
    trusted
}

/// Passes what is known of the request on again, after httpd has replaced its environment or its headers.
pub(crate) fn restore(request: Request<'_>) {
    let Some(config) = request.server_config() else { return };
    let facts = request.facts();
    if !facts.is_empty() {
        request.pass_on(facts, config, config.pass(request.directory_config()));
    }
}

/// The request's directory is known, or has become another one: passes on what it asks for, if that is something else.
pub(crate) fn settle(request: Request<'_>) {
    let Some((passed, directory)) = request.passed() else { return };
    if directory == request.directory_address() {
        return;
    }
    let Some(config) = request.server_config() else { return };
    let pass = config.pass(request.directory_config());
    if pass == passed {
        request.note_passed(pass);
    } else {
        request.pass_on(request.facts(), config, pass);
    }
}

/// In an internal redirect httpd hands the variables on under names of its own, whatever the new directory asks for.
fn forget_redirected(request: Request<'_>, config: &ServerConfig) {
    for variable in Variable::ALL {
        for name in [config.env_name(variable), variable.cgi_name()] {
            request.environment().unset(request.pool().copy_bytes(&Variable::redirected(name)));
        }
    }
}
