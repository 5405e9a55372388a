//! Bound cookies at httpd's border: the request's `Cookie` header is rewritten before anybody reads it, and the response's
//! `Set-Cookie` lines when they are final. What becomes of them is decided in `cookies`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::CStr;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::httpd::ffi;
use crate::httpd::filter::{Filter, Foreign, look_once};
use crate::httpd::guard::Site;
use crate::httpd::log::{Sink, log};
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use crate::module::status::{count, is_first_of_name};
use token_binding_server::cookies::incoming::{self, Cause, Incoming, RefusedCookie};
use token_binding_server::cookies::outgoing::{
    self, BoundName, Outgoing, Personal, Size, Withheld, needs_private,
};
use token_binding_server::cookies::settings::{Binder, Client};
use token_binding_server::counters::Count;
use token_binding_server::outcome::{Level, Response, tags};

const COOKIE: &CStr = c"Cookie";
/// RFC 2965's, too. httpd's own `ap_cookie_read` takes cookies from it (mod_session_cookie, mod_auth_form, mod_lua).
const COOKIE_2: &CStr = c"Cookie2";
const SET_COOKIE: &CStr = c"Set-Cookie";
/// RFC 2965's. No client of today knows it; a bound cookie does not leave in it.
const SET_COOKIE_2: &CStr = c"Set-Cookie2";
const CACHE_CONTROL: &CStr = c"Cache-Control";
/// What mod_cache sets when it answers out of its store.
const CACHE_HITS: [&CStr; 2] = [c"cache-hit", c"cache-revalidate"];
/// How many cookies one log line names.
const NAMED: usize = 4;

/// Behind mod_headers and mod_session, which are of this type and inserted earlier, and before mod_cache, which is to see
/// what is sent.
const FILTER_TYPE: ffi::ap_filter_type = ffi::AP_FTYPE_CONTENT_SET;

static FILTER: Filter = Filter::new();

/// Before all others: mod_cache keeps what comes to it, of the answers of sub-requests before mod_headers, and of any answer as
/// early as `SetOutputFilter CACHE` says.
const EARLY_TYPE: ffi::ap_filter_type = ffi::AP_FTYPE_RESOURCE - 1;

static EARLY: Filter = Filter::new();

/// Whether mod_cache is there.
static CACHES: AtomicBool = AtomicBool::new(false);

/// mod_include's.
static INCLUDES: Foreign = Foreign::new(c"INCLUDES");

/// What is kept with a request on a virtual host that binds cookies.
#[derive(Debug)]
pub(crate) struct CookieState {
    kind: ClientKind,
    /// Did it come with a bound cookie whose seal holds?
    had_cookie: bool,
    /// The `Set-Cookie` lines that were sealed for it: an error page takes them over, and they must not be sealed again.
    sealed: RefCell<Lines>,
}

/// Header lines. Most responses have one, which is kept without another allocation.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn add(&mut self, line: Vec<u8>) {
        if self.0.is_empty() {
            self.0 = line;
        } else {
            self.0.push(b'\n');
            self.0.extend(line);
        }
    }

    fn has(&self, line: &[u8]) -> bool {
        !line.is_empty() && (self.0 == line || self.0.split(|byte| *byte == b'\n').any(|one| one == line))
    }
}

/// What is known of the client; which key it has proved, the request's Token Bindings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientKind {
    Bound,
    Unbound,
    Unknown,
    Trace,
}

/// Registers the filters with httpd, once per start.
pub(crate) fn register() {
    for (filter, name, kind) in
        [(&FILTER, c"TOKEN_BINDING_COOKIES", FILTER_TYPE), (&EARLY, c"TOKEN_BINDING_EARLY", EARLY_TYPE)]
    {
        let function = if kind == EARLY_TYPE { tell_caches } else { seal };
        // SAFETY: httpd copies the name; the function stays mapped (-z nodelete).
        let record = unsafe { ffi::ap_register_output_filter(name.as_ptr(), Some(function), None, kind) };
        filter.registered(record);
    }
}

/// Looks other modules up, once per start, when all have registered.
pub(crate) fn find_others() {
    INCLUDES.find();
    // SAFETY: the name is a C string.
    let mod_cache = unsafe { ffi::ap_find_linked_module(c"mod_cache.c".as_ptr()) };
    CACHES.store(!mod_cache.is_null(), Ordering::Relaxed);
}

/// What binds cookies on the request's virtual host, if anything does. `Err`: something should, and its keys are missing.
fn binder(request: Request<'_>) -> Result<Option<Binder<'_>>, ()> {
    request.server_config().ok_or(())?.cookies.binder().map_err(|_| ())
}

pub(crate) fn are_bound(request: Request<'_>) -> bool {
    !matches!(binder(request), Ok(None))
}

/// The request's headers have been read, and its Token Bindings are known: rewrites its `Cookie` header.
pub(crate) fn receive(request: Request<'_>, kind: ClientKind) -> Response {
    let binder = match binder(request) {
        Ok(None) => return Response::ServeUnbound,
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
    Response::ServeUnbound
}

/// Whom the request comes from.
fn client(request: Request<'_>, kind: ClientKind) -> Client<'_> {
    match (kind, request.bindings()) {
        (ClientKind::Bound, Some(bindings)) => Client::Bound(bindings.provided().as_bytes()),
        (ClientKind::Unbound, None) => Client::Unbound,
        (ClientKind::Trace, _) => Client::Trace,
        _ => Client::Unknown,
    }
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
    log(Sink::Request(request), Level::Info, format_args!("{tag}: cookies kept from the application{line}"));
}

/// A cookie's name for the log: the client may have sent anything.
fn shown(name: Option<&[u8]>) -> String {
    let Some(name) = name else { return "(no name)".to_owned() };
    let (start, cut) = match name.split_at_checked(64) {
        Some((start, rest)) if !rest.is_empty() => (start, "..."),
        _ => (name, ""),
    };
    format!("{}{cut}", start.escape_ascii())
}

fn fault(request: Request<'_>, what: &str) -> Response {
    log(Sink::Request(request), Level::Error, format_args!("{}: {what}; refused", tags::COOKIE_FAULT));
    Response::ServerError
}

/// Has the cookies of a request's response sealed, and caches told if it is one client's own.
pub(crate) fn prepare(request: Request<'_>, binds_cookies: bool) {
    // A sub-request sends no headers of its own, but a cache can keep it.
    let is_part = request.is_sub_request();
    if CACHES.load(Ordering::Relaxed)
        && (binds_cookies || is_asked(request) || (is_part && is_personal(request)))
    {
        EARLY.add_once(request);
    }
    if !is_part && (binds_cookies || is_asked(request)) {
        FILTER.add_once(request);
    }
}

/// Somebody has asked for the client's Token Binding, perhaps when the filters were there already: the answer depends on it.
pub(crate) fn note_asked(request: Request<'_>) {
    request.note_asked();
    let whole = request.whole();
    if whole.bindings().is_some() && whole.is_prepared() {
        FILTER.add_once(whole);
    }
}

fn is_personal(request: Request<'_>) -> bool {
    request.bindings().is_some() || had_cookie(request)
}

fn had_cookie(request: Request<'_>) -> bool {
    request.cookies().is_some_and(|state| state.had_cookie)
}

/// Whether the answer depends on what somebody asked of the client's Token Binding. Those who include parts in a page can ask
/// when its headers have left.
fn is_asked(request: Request<'_>) -> bool {
    request.is_asked() || (request.bindings().is_some() && INCLUDES.is_in(request))
}

/// The filter: sees the response's first bytes, as whoever made it has left its headers.
unsafe extern "C" fn tell_caches(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
) -> ffi::apr_status_t {
    // SAFETY: httpd calls a filter with its own ap_filter_t and brigade.
    unsafe {
        look_once(filter, brigade, Site::TellCaches, |request| {
            let is_own = if request.is_sub_request() { is_personal(request) } else { had_cookie(request) };
            if sets_bound_cookie(request) {
                keep_from_shared_caches(request, Personal::SetsCookie);
            } else if is_own || is_asked(request) {
                keep_from_shared_caches(request, Personal::HadCookie);
            }
            true
        })
    }
}

fn sets_bound_cookie(request: Request<'_>) -> bool {
    let Ok(Some(binder)) = binder(request) else { return false };
    request.response_headers().iter().any(|table| {
        table.all(SET_COOKIE).any(|line| outgoing::bound_name(binder, line.to_bytes()).is_some())
    })
}

/// The filter: sees the response's first bytes, when mod_headers has done its part.
unsafe extern "C" fn seal(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
) -> ffi::apr_status_t {
    // SAFETY: httpd calls a filter with its own ap_filter_t and brigade.
    unsafe { look_once(filter, brigade, Site::SealCookies, seal_all) }
}

/// Seals the response's bound cookies. `false`: it must not be sent.
fn seal_all(request: Request<'_>) -> bool {
    if is_asked(request) {
        keep_from_shared_caches(request, Personal::Asked);
    }
    let binder = match binder(request) {
        Ok(None) => return true,
        Ok(Some(binder)) => binder,
        Err(()) => {
            withhold_all(request);
            return true;
        }
    };
    let state = request.cookies();
    let client = state.map_or(Client::Unknown, |state| client(request, state.kind));
    let from_cache = CACHE_HITS.iter().any(|name| request.environment().get(name).is_some());
    let mut personal = state.filter(|state| state.had_cookie).map(|_| Personal::HadCookie);
    let mut faults = false;
    each_set_cookie(request, |line| {
        if state.is_some_and(|state| state.sealed.borrow().has(line)) {
            return Outgoing::AsItIs;
        }
        if from_cache && let Some(bound) = outgoing::bound_name(binder, line) {
            return Outgoing::Withheld { name: bound.logged(), cause: Withheld::Late };
        }
        match outgoing::rewrite(binder, client, line) {
            Ok(sealed) => {
                if matches!(sealed, Outgoing::Sealed { .. }) {
                    personal = Some(Personal::SetsCookie);
                }
                sealed
            }
            Err(_) => {
                faults = true;
                let name = outgoing::bound_name(binder, line).and_then(BoundName::logged);
                Outgoing::Withheld { name, cause: Withheld::Fault }
            }
        }
    });
    if let Some(personal) = personal {
        keep_from_shared_caches(request, personal);
    }
    !faults
}

/// The response's headers are about to be written: no bound cookie leaves that was not sealed for this very request.
pub(crate) fn check_all(request: Request<'_>) {
    let binder = match binder(request) {
        Ok(None) => return,
        Ok(Some(binder)) => binder,
        Err(()) => return withhold_all(request),
    };
    let state = request.cookies();
    each_set_cookie(request, |line| {
        // Bound cookies that were sealed for this request are most of what comes here.
        if state.is_some_and(|state| state.sealed.borrow().has(line)) {
            return Outgoing::AsItIs;
        }
        match outgoing::bound_name(binder, line) {
            Some(bound) => Outgoing::Withheld { name: bound.logged(), cause: Withheld::Late },
            None => Outgoing::AsItIs,
        }
    });
}

/// Without keys every request is refused, and this response is the page that says so: it leaves, and no cookie with it.
fn withhold_all(request: Request<'_>) {
    each_set_cookie(request, |line| {
        let pair = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let name = pair.iter().position(|byte| *byte == b'=').and_then(|equals| pair.get(..equals));
        Outgoing::Withheld { name: name.map(<[u8]>::to_vec), cause: Withheld::NoKeys }
    });
}

/// Rewrites each `Set-Cookie` line of the response.
fn each_set_cookie(request: Request<'_>, mut rewrite: impl FnMut(&[u8]) -> Outgoing) {
    // Few responses have a header with this letter, and both names have it.
    for table in request.response_headers().into_iter().filter(|table| table.has_initial(b's')) {
        for name in [SET_COOKIE, SET_COOKIE_2].into_iter().filter(|name| table.get(name).is_some()) {
            let mut lines = table.all(name);
            let (Some(line), None) = (lines.next(), lines.next()) else {
                rewrite_all(request, table, name, &mut rewrite);
                continue;
            };
            match rewrite(line.to_bytes()) {
                Outgoing::AsItIs => {}
                result => {
                    table.unset(name);
                    put(request, table, name, line, result);
                }
            }
        }
    }
}

fn rewrite_all(
    request: Request<'_>,
    table: Table<'_>,
    name: &'static CStr,
    rewrite: &mut impl FnMut(&[u8]) -> Outgoing,
) {
    let results: Vec<(&CStr, Outgoing)> =
        table.all(name).map(|line| (line, rewrite(line.to_bytes()))).collect();
    if results.iter().any(|(_, result)| *result != Outgoing::AsItIs) {
        table.unset(name);
        for (line, result) in results {
            put(request, table, name, line, result);
        }
    }
}

fn put<'r>(request: Request<'r>, table: Table<'r>, header: &'static CStr, line: &'r CStr, result: Outgoing) {
    match result {
        Outgoing::AsItIs => table.add(header, line),
        Outgoing::Sealed { line, size } => {
            count(Count::CookiesSealed, 1);
            warn_of(request, line.split(|byte| *byte == b'=').next(), size);
            table.add(header, request.pool().copy_bytes(&line));
            if let Some(state) = request.cookies() {
                state.sealed.borrow_mut().add(line);
            }
        }
        Outgoing::Withheld { name, cause } => {
            count(Count::CookiesWithheld, 1);
            let (tag, level) = match cause {
                Withheld::Fault => (tags::COOKIE_FAULT, Level::Error),
                _ => (tags::COOKIE_WITHHELD, Level::Info),
            };
            let name = shown(name.as_deref());
            log(Sink::Request(request), level, format_args!("{tag}: Set-Cookie {name} withheld: {cause}"));
        }
    }
}

/// Says, once a name and start, that browsers drop a cookie, or that it is left readable for them to keep it.
fn warn_of(request: Request<'_>, name: Option<&[u8]>, size: Size) {
    let (size, what) = match size {
        Size::Kept => return,
        Size::KeptReadable(size) => (size, "it is sent readable: encrypted it would have"),
        Size::TooLong(size) => (size, "browsers drop it: sealed it has"),
    };
    if is_first_of_name(name.unwrap_or_default()) {
        let (tag, name) = (tags::COOKIE_TOO_LONG, shown(name));
        log(
            Sink::Request(request),
            Level::Warning,
            format_args!(
                "{tag}: Set-Cookie {name}: {what} {size} bytes with its name, and browsers keep 4096"
            ),
        );
    }
}

/// mod_cache looks at the headers that survive errors first, and if it finds `Cache-Control` there, at no others.
fn keep_from_shared_caches(request: Request<'_>, personal: Personal) {
    let [headers, surviving] = request.response_headers();
    let table = if surviving.get(CACHE_CONTROL).is_some() { surviving } else { headers };
    if table.get(CACHE_CONTROL).is_none() {
        return table.set(CACHE_CONTROL, c"private");
    }
    let values: Vec<&[u8]> = table.all(CACHE_CONTROL).map(CStr::to_bytes).collect();
    if needs_private(values.iter().copied(), personal) {
        let all = [&values[..], &[b"private"]].concat().join(&b", "[..]);
        table.unset(CACHE_CONTROL);
        table.set(CACHE_CONTROL, request.pool().copy_bytes(&all));
    }
}
