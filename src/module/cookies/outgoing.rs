//! A response's `Set-Cookie` lines: sealed when they are final.

use std::ffi::{CStr, CString};

use token_binding_server::cookies::incoming::Upgrade;
use token_binding_server::cookies::outgoing::{self, BoundName, Outgoing, Personal, Size, Withheld};
use token_binding_server::cookies::seal::NotSealed;
use token_binding_server::cookies::settings::{Binder, Client};
use token_binding_server::counters::Count;
use token_binding_server::outcome::{Level, tags};

use crate::httpd::filter::{Handle, Kind, OutputFilter};
use crate::httpd::guard::Site;
use crate::httpd::request::Request;
use crate::httpd::table::Table;

use super::binder::{binder, client, shown};
use super::caches::{is_asked, keep_from_shared_caches};
use crate::module::log::{log, tell};
use crate::module::state::{DbscClient, DbscState, Known as _};
use crate::module::status::{count, is_first_of_name};
use crate::module::virtual_hosts::is_behind_tls;

const SET_COOKIE: &CStr = c"Set-Cookie";
/// RFC 2965's. No client of today knows it; a bound cookie does not leave in it.
const SET_COOKIE_2: &CStr = c"Set-Cookie2";
/// By which a browser is asked to register a key (DBSC).
const REGISTRATION: &CStr = c"Secure-Session-Registration";
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
    let binder = Binder { secure: binder.secure || is_over_tls(request), ..binder };
    let state = request.cookies();
    let client = state.map_or(Client::Unknown, |state| client(request, state.kind, state.dbsc.as_deref()));
    let from_cache = CACHE_HITS.iter().any(|name| request.environment().get(name).is_some());
    let mut personal = state.filter(|state| state.had_cookie).map(|_| Personal::HadCookie);
    let mut faults = false;
    let upgrades = state.and_then(|state| state.dbsc.as_ref()).map(|dbsc| dbsc.upgrades.take());
    let mut upgrades = upgrades.unwrap_or_default();
    each_set_cookie(request, |line| {
        if state.is_some_and(|state| state.sealed.borrow().has(line)) {
            return Outgoing::AsItIs;
        }
        if from_cache && let Some(bound) = outgoing::bound_name(binder, line) {
            return outgoing::withheld(binder, client, bound, Withheld::Late);
        }
        match outgoing::rewrite(binder, client, line) {
            Ok(sealed) => {
                if matches!(sealed, Outgoing::Sealed { .. }) {
                    personal = Some(Personal::SetsCookie);
                    forget(&mut upgrades, binder, line);
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
    if let Some(dbsc) = state.and_then(|state| state.dbsc.as_deref()) {
        if !upgrades.is_empty() {
            personal = Some(Personal::SetsCookie);
        }
        faults |= upgrade_all(request, binder, dbsc, &upgrades).is_err();
        faults |= offer(request, binder, dbsc).is_err();
    }
    if let Some(personal) = personal {
        keep_from_shared_caches(request, personal);
    }
    !faults
}

/// Whether the client came over TLS, as far as one can know. Browsers refuse `Secure` over plain HTTP, which would end the sessions
/// of a virtual host that never asked for bound cookies; where they were asked for without TLS, it is most likely behind somebody
/// who ends it.
fn is_over_tls(request: Request<'_>) -> bool {
    request.connection().has_ssl()
        || request.server_config().is_none_or(|config| is_behind_tls(request.server(), config))
}

/// The application sets one of the cookies itself.
fn forget(upgrades: &mut Vec<Upgrade>, binder: Binder<'_>, line: &[u8]) {
    if !upgrades.is_empty()
        && let Some(bound) = outgoing::bound_name(binder, line)
    {
        upgrades.retain(|upgrade| upgrade.name != bound.name);
    }
}

/// Sets pending cookies again, sealed to the key that the client has proved.
#[inline(never)]
fn upgrade_all(
    request: Request<'_>,
    binder: Binder<'_>,
    dbsc: &DbscState,
    upgrades: &[Upgrade],
) -> Result<(), NotSealed> {
    let DbscClient::Proved(proved, _) = &dbsc.client else { return Ok(()) };
    // An error document takes these headers over.
    let [_, surviving] = request.response_headers();
    for upgrade in upgrades {
        // A seal to a key is shorter than the pending one that the browser has kept.
        if let sealed @ Outgoing::Sealed { .. } = outgoing::upgrade(binder, proved, upgrade)? {
            put(request, surviving, SET_COOKIE, c"", sealed);
            count(Count::DbscCookiesUpgraded, 1);
        }
    }
    Ok(())
}

/// Offers a registration, if the response sets a cookie that waits for one.
#[inline(never)]
fn offer<'r>(request: Request<'r>, binder: Binder<'_>, dbsc: &'r DbscState) -> Result<(), NotSealed> {
    let (DbscClient::Waiting(waiting, _), Some(settings)) = (&dbsc.client, binder.dbsc()) else {
        return Ok(());
    };
    let header = match dbsc.offer.get() {
        Some(header) => header,
        None => {
            let Some(challenge) = waiting.challenge(binder.keyring)? else { return Ok(()) };
            let header = settings.offer(&challenge).and_then(|header| CString::new(header).ok());
            count(Count::DbscOffered, 1);
            dbsc.offer.get_or_init(|| header.unwrap_or_default())
        }
    };
    let [headers, surviving] = request.response_headers();
    let has = |table: Table<'_>| table.all(REGISTRATION).any(|line| line == header.as_c_str());
    if !has(headers) && !has(surviving) {
        headers.add(REGISTRATION, header);
    }
    Ok(())
}

/// The response's headers are about to be written: no bound cookie leaves that was not sealed for this very request.
pub(in crate::module) fn check_all(request: Request<'_>) {
    let binder = match binder(request) {
        Ok(None) => return,
        Ok(Some(binder)) => binder,
        Err(()) => return withhold_all(request),
    };
    let state = request.cookies();
    let client = || state.map_or(Client::Unknown, |state| client(request, state.kind, state.dbsc.as_deref()));
    each_set_cookie(request, |line| {
        // Bound cookies that were sealed for this request are most of what comes here.
        if state.is_some_and(|state| state.sealed.borrow().has(line)) {
            return Outgoing::AsItIs;
        }
        match outgoing::bound_name(binder, line) {
            Some(bound) => outgoing::withheld(binder, client(), bound, Withheld::Late),
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
        Outgoing::Reported { name, cause } => {
            count(Count::CookiesWouldWithhold, 1);
            let (tag, name) = (tags::COOKIE_REPORTED, shown(name.as_deref()));
            let told = format_args!(
                "{tag}: TokenBindingCookiePolicy report: Set-Cookie {name} sent as it is that would be withheld: {cause}"
            );
            tell(request.sink(), Count::CookiesWouldWithhold, told);
            table.add(header, line);
            if let Some(state) = request.cookies() {
                state.sealed.borrow_mut().add(line.to_bytes().to_vec());
            }
        }
        Outgoing::Withheld { name, cause } => {
            count(Count::CookiesWithheld, 1);
            let name = shown(name.as_deref());
            match cause {
                Withheld::Fault => {
                    let (tag, place) = (tags::COOKIE_FAULT, request.server().place());
                    let line = format_args!("{tag}: Set-Cookie {name} withheld: {cause} (of {place})");
                    log(request.sink(), Level::Error, line);
                }
                _ => {
                    let line = format_args!("{}: Set-Cookie {name} withheld: {cause}", tags::COOKIE_WITHHELD);
                    tell(request.sink(), Count::CookiesWithheld, line);
                }
            }
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
