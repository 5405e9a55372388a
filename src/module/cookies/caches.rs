//! What is told to caches: a response that is one client's own is not for others.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use token_binding_server::cookies::outgoing::{self, Personal, needs_private};

use crate::httpd::filter::{Foreign, Handle, Kind, OutputFilter};
use crate::httpd::guard::Site;
use crate::httpd::request::Request;
use crate::httpd::server;

use super::binder::binder;
use crate::module::state::Known as _;

const SET_COOKIE: &CStr = c"Set-Cookie";
const CACHE_CONTROL: &CStr = c"Cache-Control";

/// Whether mod_cache is there.
static CACHES: AtomicBool = AtomicBool::new(false);

/// mod_include's.
static INCLUDES: Foreign = Foreign::new(c"INCLUDES");

/// Looks other modules up, once per start, when all have registered.
pub(in crate::module) fn find_others() {
    INCLUDES.find();
    CACHES.store(server::has_module(c"mod_cache.c"), Ordering::Relaxed);
}

/// Has mod_cache told what is one client's own: of a response that `concerns` caches, or of a part, which a cache can keep.
pub(super) fn prepare(request: Request<'_>, concerns: bool) {
    if CACHES.load(Ordering::Relaxed) && (concerns || (request.is_sub_request() && is_personal(request))) {
        TellCaches::add_once(request);
    }
}

/// Sees the response's first bytes, as whoever made it has left its headers: mod_cache keeps what comes to it, of the answers of
/// sub-requests before mod_headers, and of any answer as early as `SetOutputFilter CACHE` says.
pub(in crate::module) struct TellCaches;

impl OutputFilter for TellCaches {
    const NAME: &'static CStr = c"TOKEN_BINDING_EARLY";
    const KIND: Kind = Kind::BEFORE_RESOURCE;
    const SITE: Site = Site("TellCaches");

    fn handle() -> &'static Handle {
        static HANDLE: Handle = Handle::new();
        &HANDLE
    }

    fn look(request: Request<'_>) -> bool {
        let is_own = if request.is_sub_request() { is_personal(request) } else { had_cookie(request) };
        if sets_bound_cookie(request) {
            keep_from_shared_caches(request, Personal::SetsCookie);
        } else if is_own || is_asked(request) {
            keep_from_shared_caches(request, Personal::HadCookie);
        }
        true
    }
}

fn is_personal(request: Request<'_>) -> bool {
    request.has_key() || had_cookie(request)
}

fn had_cookie(request: Request<'_>) -> bool {
    request.cookies().is_some_and(|state| state.had_cookie)
}

/// Whether the answer depends on what somebody asked of the client's key. Those who include parts in a page can ask
/// when its headers have left.
pub(super) fn is_asked(request: Request<'_>) -> bool {
    request.is_asked() || (request.has_key() && INCLUDES.is_in(request))
}

fn sets_bound_cookie(request: Request<'_>) -> bool {
    let Ok(Some(binder)) = binder(request) else { return false };
    request.response_headers().iter().any(|table| {
        table.all(SET_COOKIE).any(|line| outgoing::bound_name(binder, line.to_bytes()).is_some())
    })
}

/// mod_cache looks at the headers that survive errors first, and if it finds `Cache-Control` there, at no others.
pub(super) fn keep_from_shared_caches(request: Request<'_>, personal: Personal) {
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
