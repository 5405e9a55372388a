//! A request's `Cookie` header: rewritten before anybody reads it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::CStr;
use std::fmt::Write as _;

use token_binding_server::cookies::incoming::{self, Cause, Incoming, RefusedCookie};
use token_binding_server::counters::Count;
use token_binding_server::outcome::{Level, Response, tags};

use crate::httpd::request::Request;

use super::binder::{are_bound, binder, client, shown};
use crate::module::log::log;
use crate::module::state::{ClientKind, CookieState, Known as _};
use crate::module::status::count;

const COOKIE: &CStr = c"Cookie";
/// RFC 2965's, too. httpd's own `ap_cookie_read` takes cookies from it (mod_session_cookie, mod_auth_form, mod_lua).
const COOKIE_2: &CStr = c"Cookie2";
/// How many cookies one log line names.
const NAMED: usize = 4;

/// The request's headers have been read, and its Token Bindings are known: rewrites its `Cookie` header, if cookies are bound.
#[inline]
pub(in crate::module) fn receive(request: Request<'_>, kind: ClientKind) -> Response {
    if are_bound(request) { rewrite(request, kind) } else { Response::Serve }
}

fn rewrite(request: Request<'_>, kind: ClientKind) -> Response {
    let binder = match binder(request) {
        Ok(None) => return Response::Serve,
        Ok(Some(binder)) => binder,
        Err(()) => return fault(request, "the keys for bound cookies are missing"),
    };
    // A pushed response is the answer to a request that its client has not made: an unbound cookie in it would take the
    // place of the client's bound one.
    let kind = match kind {
        ClientKind::Unbound if request.is_pushed() => ClientKind::Unknown,
        kind => kind,
    };
    let kind = if request.is_trace() { ClientKind::Trace } else { kind };
    let headers = request.headers();
    let mut state = CookieState { kind, had_cookie: false, sealed: RefCell::default() };
    let mut incoming = Incoming::default();
    if headers.get(COOKIE).is_some() {
        // httpd joins lines of one name itself, but HTTP/2 and other modules have their own ways to fill the table.
        let mut lines = headers.all(COOKIE).map(CStr::to_bytes);
        let header = match (lines.next(), lines.next()) {
            (Some(one), None) => Cow::Borrowed(one),
            (first, second) => {
                let all: Vec<&[u8]> = first.into_iter().chain(second).chain(lines).collect();
                Cow::Owned(all.join(&b"; "[..]))
            }
        };
        incoming = incoming::rewrite(binder, client(request, kind), &header);
        state.had_cookie = incoming.accepted > 0;
        match &incoming.header {
            Some(header) => headers.set(COOKIE, request.pool().copy_bytes(header)),
            None => headers.unset(COOKIE),
        }
    }
    if headers.get(COOKIE_2).is_some() {
        headers.unset(COOKIE_2);
        incoming.refused.push(RefusedCookie { name: None, cause: Cause::Cookie2 });
    }
    report(request, &incoming);
    request.keep_cookies(state);
    Response::Serve
}

/// Counts, and says in one line what did not reach the application, and why.
fn report(request: Request<'_>, incoming: &Incoming) {
    count(Count::CookiesAccepted, incoming.accepted);
    count(Count::CookiesRefused, incoming.refused.len() as u64);
    if incoming.refused.is_empty() {
        return;
    }
    let mut line = String::new();
    for (number, cookie) in incoming.refused.iter().take(NAMED).enumerate() {
        let between = if number == 0 { ":" } else { ";" };
        // Writing to a String can't fail.
        let _ = write!(line, "{between} {}: {}", shown(cookie.name.as_deref()), cookie.cause);
    }
    if incoming.refused.len() > NAMED {
        let _ = write!(line, "; and {} more", incoming.refused.len() - NAMED);
    }
    let tag = tags::COOKIE_REFUSED;
    log(request.sink(), Level::Info, format_args!("{tag}: cookies kept from the application{line}"));
}

fn fault(request: Request<'_>, what: &str) -> Response {
    log(request.sink(), Level::Error, format_args!("{}: {what}; refused", tags::COOKIE_FAULT));
    Response::ServerError
}
