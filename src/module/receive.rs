//! A request has arrived: its headers are cleared of what a client must not set, it is judged, and what was verified is
//! passed on.

use token_binding_server::bindings::TokenBindings;
use token_binding_server::config::ServerConfig;
use token_binding_server::counters::Count;
use token_binding_server::headers::{Taken, connection_names_reserved};
use token_binding_server::outcome::{Level, Refusal, Response, note, tags};
use token_binding_server::policy::{Judgement, Standing, judge};
use token_binding_server::texts::Texted;
use token_binding_server::variable::Facts;

use crate::httpd::guard::Site;
use crate::httpd::hook::{RequestHook, Status};
use crate::httpd::request::Request;

use super::cookies;
use super::log::{log, tell, warn_seldom};
use super::pass_on::{forget_redirected, pass_on_device, pass_on_first, restore, settle};
use super::scrub::take_reserved;
use super::state::{ClientKind, Known as _};
use super::status::count;
use super::trailers;
use super::{connection, virtual_hosts};

/// A request's headers have been read.
pub(super) struct PostReadRequest;

impl RequestHook for PostReadRequest {
    const SITE: Site = Site("PostReadRequest");

    fn run(request: Request<'_>) -> Status {
        status_of(receive(request))
    }
}

/// The directory's settings are known now: passes on what they ask for, if that is something else.
pub(super) struct PostPerdirConfig;

impl RequestHook for PostPerdirConfig {
    const SITE: Site = Site("PostPerdirConfig");

    fn run(request: Request<'_>) -> Status {
        settle(request);
        Status::Declined
    }
}

/// mod_ssl has asked for the directory's certificate, if there was one to ask for.
pub(super) struct CheckAccess;

impl RequestHook for CheckAccess {
    const SITE: Site = Site("CheckAccess");

    fn is_needed() -> bool {
        virtual_hosts::verifies_clients()
    }

    fn run(request: Request<'_>) -> Status {
        status_of(receive_certificate(request))
    }
}

fn status_of(response: Response) -> Status {
    match response {
        Response::Serve => Status::Declined,
        Response::BadRequest => Status::BadRequest,
        Response::ServerError => Status::Refused,
        Response::Unavailable => Status::Unavailable,
    }
}

/// Clears the request's headers, judges it, and passes on what was verified.
fn receive(request: Request<'_>) -> Response {
    let mut taken = Taken::default();
    let message = take_reserved(request.headers(), &mut taken);
    trailers::watch(request);
    let Some(config) = request.server_config() else { return Response::ServerError };
    if request.origin().is_some() {
        // An internal redirect: the headers were taken from the first request, and its verdict holds for this one. What
        // httpd refused itself had none.
        forget_redirected(request, config);
        restore(request);
        return match request.cookies() {
            Some(_) => Response::Serve,
            None => cookies::receive(request, ClientKind::Unknown),
        };
    }
    if !config.enabled() {
        return receive_unbound(request, config);
    }
    match bindings(request, config, &taken) {
        Ok(Some(_)) if names_our_headers(request) => refuse(request, config, Refusal::HopByHop),
        Ok(Some(bindings)) => {
            let facts = Facts { bindings: request.keep_bindings(bindings), ..Facts::default() };
            pass_on_first(request, facts, config, message);
            cookies::receive(request, ClientKind::Bound)
        }
        Ok(None) => receive_unbound(request, config),
        Err(refusal) => refuse(request, config, refusal),
    }
}

/// A client without Token Binding, which DBSC may know by the key of its device.
#[inline(always)]
fn receive_unbound(request: Request<'_>, config: &ServerConfig) -> Response {
    if cookies::are_bound(request) && config.cookies.dbsc.is_on() {
        return receive_device(request, config);
    }
    // Without bound cookies there is nothing to register a device's key for.
    if config.enabled() {
        count(Count::RequestsUnbound, 1);
    }
    cookies::receive(request, ClientKind::Unbound)
}

#[inline(never)]
fn receive_device(request: Request<'_>, config: &ServerConfig) -> Response {
    if names_our_headers(request) {
        return refuse(request, config, Refusal::HopByHop);
    }
    let response = cookies::receive(request, ClientKind::Unbound);
    if !cookies::is_for_endpoint(request) {
        count(if request.device().is_some() { Count::RequestsDevice } else { Count::RequestsUnbound }, 1);
    }
    pass_on_device(request, config);
    response
}

/// Logs why, and does what the configuration makes of it.
fn refuse(request: Request<'_>, config: &ServerConfig, refusal: Refusal) -> Response {
    let strict = config.strict();
    let what = refusal.count(strict);
    count(what, 1);
    match refusal.level() {
        Level::Info => tell(request.sink(), what, format_args!("{}", refusal.line(strict))),
        level => log(request.sink(), level, format_args!("{}", refusal.line(strict))),
    }
    match refusal.response(strict) {
        // HopByHop is never served: this comes to an end.
        Response::Serve => receive_unbound(request, config),
        refused => {
            // For the error document, which is served all the same.
            cookies::receive(request, ClientKind::Unknown);
            if refused == Response::BadRequest {
                request.notes().set(c"error-notes", request.pool().copy_text(&note(refusal.tag())));
            }
            refused
        }
    }
}

/// Whether the client wants the headers that pass its bindings on taken out on the way to a backend.
#[inline]
fn names_our_headers(request: Request<'_>) -> bool {
    // HTTP/1.1's lines are one by now; other protocols and modules have their own ways to fill the table.
    let does_any = || request.headers().all(c"Connection").any(|it| connection_names_reserved(it.to_bytes()));
    request.headers().get(c"Connection").is_some() && does_any()
}

/// The Token Bindings that the request has, by its headers and its connection.
fn bindings(
    request: Request<'_>,
    config: &ServerConfig,
    taken: &Taken<'_>,
) -> Result<Option<TokenBindings>, Refusal> {
    let channel = connection::channel(request.connection()).map_err(Refusal::Fault)?;
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

/// Whether the peer is believed what it says of its client. If not, the log says who it is: it may be a proxy that is missing
/// in the configuration.
fn comes_from_trusted_proxy(request: Request<'_>, config: &ServerConfig) -> bool {
    let peer = request.connection().peer();
    let (trusted, where_not) = match config.trusted_proxies() {
        Some(proxies) => (proxies.contain(peer), "not in TokenBindingTrustedProxy"),
        None => (false, "no trusted proxy, for TokenBindingTrustedProxy is not set here"),
    };
    if !trusted {
        count(Count::NotTrusted, 1);
        warn_seldom(
            request.sink(),
            Count::NotTrusted,
            format_args!(
                "{}: Sec-...-Token-Binding-ID headers removed: {peer} is {where_not}",
                tags::NOT_TRUSTED
            ),
        );
    }
    trusted
}

/// mod_ssl has asked for a certificate, if it was to: passes on what it has found.
fn receive_certificate(request: Request<'_>) -> Response {
    let Some(config) = request.server_config() else { return Response::ServerError };
    if !config.enabled() {
        return Response::Serve;
    }
    match connection::certificate(request.connection()) {
        Ok(None) => Response::Serve,
        Ok(Some(_)) if names_our_headers(request) => refuse(request, config, Refusal::HopByHop),
        Ok(Some(fingerprint)) => {
            request.keep_certificate(fingerprint);
            restore(request);
            Response::Serve
        }
        Err(fault) => {
            log(request.sink(), Level::Error, format_args!("{}: {fault}; refused", tags::REQUEST_FAULT));
            Response::ServerError
        }
    }
}
