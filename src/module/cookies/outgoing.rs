//! A response's `Set-Cookie` lines: sealed when they are final.

use std::ffi::CStr;

use token_binding_server::cookies::outgoing::{self, BoundName, Outgoing, Personal, Size, Withheld};
use token_binding_server::cookies::settings::Client;
use token_binding_server::counters::Count;
use token_binding_server::outcome::{Level, tags};

use crate::httpd::filter::{Handle, Kind, OutputFilter};
use crate::httpd::guard::Site;
use crate::httpd::request::Request;
use crate::httpd::table::Table;

use super::binder::{binder, client, shown};
use super::caches::{is_asked, keep_from_shared_caches};
use crate::module::log::log;
use crate::module::state::Known as _;
use crate::module::status::{count, is_first_of_name};

const SET_COOKIE: &CStr = c"Set-Cookie";
/// RFC 2965's. No client of today knows it; a bound cookie does not leave in it.
const SET_COOKIE_2: &CStr = c"Set-Cookie2";
/// What mod_cache sets when it answers out of its store.
const CACHE_HITS: [&CStr; 2] = [c"cache-hit", c"cache-revalidate"];

/// Sees the response's first bytes behind mod_headers and mod_session, which are of this type and inserted earlier, and before
/// mod_cache, which is to see what is sent.
pub(in crate::module) struct SealCookies;

impl OutputFilter for SealCookies {
    const NAME: &'static CStr = c"TOKEN_BINDING_COOKIES";
    const KIND: Kind = Kind::CONTENT_SET;
    const SITE: Site = Site("SealCookies");

    fn handle() -> &'static Handle {
        static HANDLE: Handle = Handle::new();
        &HANDLE
    }

    fn look(request: Request<'_>) -> bool {
        seal_all(request)
    }
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
pub(in crate::module) fn check_all(request: Request<'_>) {
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
            log(request.sink(), level, format_args!("{tag}: Set-Cookie {name} withheld: {cause}"));
        }
    }
}

/// Says, once a name, cause and start, that browsers drop a cookie, or that it is left readable for them to keep it.
fn warn_of(request: Request<'_>, name: Option<&[u8]>, size: Size) {
    let (size, cause, what) = match size {
        Size::Kept => return,
        Size::KeptReadable(size) => (size, b"readable=", "it is sent readable: encrypted it would have"),
        Size::TooLong(size) => (size, b"too long=", "browsers drop it: sealed it has"),
    };
    if is_first_of_name(&[cause, name.unwrap_or_default()].concat()) {
        let (tag, name) = (tags::COOKIE_TOO_LONG, shown(name));
        log(
            request.sink(),
            Level::Warning,
            format_args!(
                "{tag}: Set-Cookie {name}: {what} {size} bytes with its name, and browsers keep 4096"
            ),
        );
    }
}
