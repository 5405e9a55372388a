//! A request's `Cookie` header: rewritten before anybody reads it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::CStr;
use std::fmt::Write as _;

use token_binding_server::cookies::incoming::{self, Accepted, Cause, Incoming, RefusedCookie};
use token_binding_server::cookies::settings::{Binder, Client};
use token_binding_server::counters::Count;
use token_binding_server::dbsc::device::{Asks, take};
use token_binding_server::dbsc::now;
use token_binding_server::outcome::{Level, Response, tags};

use crate::httpd::guard::Site;
use crate::httpd::hook::{RequestHook, Status};
use crate::httpd::request::Request;

use super::binder::{are_bound, binder, client, shown};
use crate::module::log::{log, tell};
use crate::module::state::{ClientKind, CookieState, DbscClient, DbscState, Known as _};
use crate::module::status::count;

const COOKIE: &CStr = c"Cookie";
/// RFC 2965's, too. httpd's own `ap_cookie_read` takes cookies from it (mod_session_cookie, mod_auth_form, mod_lua).
const COOKIE_2: &CStr = c"Cookie2";
/// By which a browser says that it could not refresh a session (DBSC).
const SKIPPED: &CStr = c"Secure-Session-Skipped";
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
    let mut response = Response::Serve;
    let headers = request.headers();
    let mut state = CookieState { kind, had_cookie: false, dbsc: None, sealed: RefCell::default() };
    let mut incoming = Incoming::default();
    let mut header = None;
    if headers.get(COOKIE).is_some() {
        // httpd joins lines of one name itself, but HTTP/2 and other modules have their own ways to fill the table.
        let mut lines = headers.all(COOKIE).map(CStr::to_bytes);
        header = Some(match (lines.next(), lines.next()) {
            (Some(one), None) => Cow::Borrowed(one),
            (first, second) => {
                let all: Vec<&[u8]> = first.into_iter().chain(second).chain(lines).collect();
                Cow::Owned(all.join(&b"; "[..]))
            }
        });
    }
    if binder.dbsc.is_on() {
        let asks = if is_for_endpoint(request) { Asks::Newest } else { Asks::Proof };
        state.dbsc = take_own(binder, kind, &mut header, asks);
    }
    if let Some(header) = header {
        let client = client(request, kind, state.dbsc.as_deref());
        incoming = incoming::rewrite(binder, client, &header);
        if state.dbsc.is_some() && is_put_off(request, &incoming) {
            state = CookieState { kind: ClientKind::Unknown, dbsc: None, ..state };
            response = put_off(request);
            // Of what the error document is served with, nothing is known.
            incoming = incoming::rewrite(binder, Client::Unknown, &header);
        }
        state.had_cookie = incoming.accepted.all() > 0 || !incoming.reported.is_empty();
        if let Some(dbsc) = &state.dbsc {
            dbsc.upgrades.set(std::mem::take(&mut incoming.upgrades));
        }
        match &incoming.header {
            Some(header) => headers.set(COOKIE, request.pool().copy_bytes(header)),
            None => headers.unset(COOKIE),
        }
    }
    // A proof is a cookie of one client as any other.
    state.had_cookie |= state.dbsc.as_ref().is_some_and(|dbsc| matches!(dbsc.client, DbscClient::Proved(..)));
    if headers.get(COOKIE_2).is_some() {
        let refused = RefusedCookie { name: None, cause: Cause::Cookie2 };
        if binder.only_reports(client(request, kind, state.dbsc.as_deref())) {
            incoming.reported.push(refused);
        } else {
            headers.unset(COOKIE_2);
            incoming.refused.push(refused);
        }
    }
    if state.dbsc.is_none() || !is_for_endpoint(request) {
        report(request, &incoming);
    }
    request.keep_cookies(state);
    response
}

/// The request is over. One that httpd has refused itself, as for its `Host` or `Expect`, has met no hook before this: what it came
/// with is for no log.
pub(in crate::module) struct CleanUnread;

impl RequestHook for CleanUnread {
    const SITE: Site = Site("CleanUnread");

    fn run(request: Request<'_>) -> Status {
        let is_unread = match binder(request) {
            // Which virtual host such a request is for may not be known.
            Ok(None) => !request.has_host(),
            _ => request.cookies().is_none(),
        };
        if is_unread {
            request.headers().unset(COOKIE);
            request.headers().unset(COOKIE_2);
        }
        Status::Declined
    }
}

/// Takes the module's own cookies out of the header: what it says of the client, if that is one that DBSC is for.
#[inline(never)]
fn take_own(
    binder: Binder<'_>,
    kind: ClientKind,
    header: &mut Option<Cow<'_, [u8]>>,
    asks: Asks,
) -> Option<Box<DbscState>> {
    let (dbsc, now) = (binder.dbsc()?, now());
    let taken = header.as_deref().and_then(|header| take(dbsc, binder.keyring, now, header, asks));
    let (short_lived, newest) = taken.map_or((None, None), |taken| {
        *header = Some(Cow::Owned(taken.header));
        (taken.cookie, taken.newest)
    });
    (kind == ClientKind::Unbound).then(|| Box::new(DbscState::new(short_lived, newest, now)))
}

/// Whether the browser says that it could not refresh a session which cookies are bound to. A page as for nobody would have the
/// application overwrite its session.
fn is_put_off(request: Request<'_>, incoming: &Incoming) -> bool {
    incoming.kept_back() > 0 && request.headers().get(SKIPPED).is_some() && !is_for_endpoint(request)
}

/// Whether this module answers the request itself: what is in its cookies does not matter then.
#[inline(never)]
pub(in crate::module) fn is_for_endpoint(request: Request<'_>) -> bool {
    let dbsc = request.server_config().and_then(|config| config.cookies.dbsc.in_force());
    dbsc.is_some_and(|dbsc| dbsc.endpoint(request.path()).is_some())
}

/// Has the client try again later.
fn put_off(request: Request<'_>) -> Response {
    count(Count::DbscPutOff, 1);
    tell(
        request.sink(),
        Count::DbscPutOff,
        format_args!(
            "{}: DBSC: request put off: the browser could not refresh the session that its cookies are bound to",
            tags::DBSC_PUT_OFF
        ),
    );
    let [_, surviving] = request.response_headers();
    surviving.set(c"Retry-After", c"5");
    Response::Unavailable
}

/// Counts, and says in one line what did not reach the application, and why.
fn report(request: Request<'_>, incoming: &Incoming) {
    let Accepted { bound, device, pending, unbound } = incoming.accepted;
    let all = incoming.accepted.all();
    count(Count::CookiesAccepted, all);
    if all > bound {
        count(Count::CookiesAcceptedDevice, device);
        count(Count::CookiesAcceptedPending, pending);
        count(Count::CookiesAcceptedUnbound, unbound);
    }
    if !incoming.refused.is_empty() {
        count(Count::CookiesRefused, incoming.refused.len() as u64);
        count(Count::DbscCookiesKeptBack, incoming.kept_back() as u64);
        let (tag, list) = (tags::COOKIE_REFUSED, listed(&incoming.refused));
        let line = format_args!("{tag}: cookies kept from the application{list}");
        tell(request.sink(), Count::CookiesRefused, line);
    }
    if let Some(first) = incoming.reported.first() {
        for cookie in &incoming.reported {
            count(cookie.cause.would(), 1);
        }
        let (tag, list) = (tags::COOKIE_REPORTED, listed(&incoming.reported));
        let line = format_args!(
            "{tag}: TokenBindingCookiePolicy report: cookies passed that would be kept from the application{list}"
        );
        tell(request.sink(), first.cause.would(), line);
    }
}

/// The cookies and why, for one line of the log.
fn listed(cookies: &[RefusedCookie]) -> String {
    let mut list = String::new();
    for (number, cookie) in cookies.iter().take(NAMED).enumerate() {
        let between = if number == 0 { ":" } else { ";" };
        // Writing to a String can't fail.
        let _ = write!(list, "{between} {}: {}", shown(cookie.name.as_deref()), cookie.cause);
    }
    if cookies.len() > NAMED {
        let _ = write!(list, "; and {} more", cookies.len() - NAMED);
    }
    list
}

fn fault(request: Request<'_>, what: &str) -> Response {
    let (tag, place) = (tags::COOKIE_FAULT, request.server().place());
    log(request.sink(), Level::Error, format_args!("{tag}: {what}; refused (of {place})"));
    Response::ServerError
}
