//! A request has arrived: its headers are cleared of what a client must not set, it is judged, and what was verified is
//! passed on.

use super::cookies::{self, ClientKind};
use super::log::{Sink, log};
use super::request::Request;
use super::status::count;
use super::trailers;
use crate::bindings::TokenBindings;
use crate::config::ServerConfig;
use crate::counters::Count;
use crate::headers::{Taken, connection_names_reserved};
use crate::outcome::{Level, Refusal, Response, tags};
use crate::policy::{Judgement, Standing, judge};

/// Clears the request's headers, judges it, and passes on what was verified. `ServeUnbound` stands for "serve".
pub(super) fn receive(request: Request<'_>) -> Response {
    let taken = request.headers().take_reserved();
    trailers::watch(request);
    let Some(config) = request.server_config() else { return Response::ServerError };
    if request.origin().is_some() {
        // An internal redirect: the headers were taken from the first request, and its verdict holds for this one. What
        // httpd refused itself had none.
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
            if let Some(bindings) = request.keep(bindings) {
                request.pass_on_first(bindings, config);
            }
            cookies::receive(request, ClientKind::Bound)
        }
        Ok(None) => cookies::receive(request, ClientKind::Unbound),
        Err(refusal) => refuse(request, config, refusal),
    }
}

/// Logs why, and does what the configuration makes of it.
fn refuse(request: Request<'_>, config: &ServerConfig, refusal: Refusal) -> Response {
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

/// Does the client want the headers that pass its bindings on taken out on the way to a backend?
fn names_our_headers(request: Request<'_>) -> bool {
    request.headers().get(c"Connection").is_some_and(|value| connection_names_reserved(value.to_bytes()))
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
            Ok(bindings.map(TokenBindings::Forwarded))
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

/// Passes the request's bindings on again, after httpd has replaced its environment or its headers.
pub(super) fn restore(request: Request<'_>) {
    if let (Some(bindings), Some(config)) = (request.bindings(), request.server_config()) {
        request.pass_on(bindings, config, request.directory_config());
    }
}
