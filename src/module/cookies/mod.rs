//! Bound cookies at httpd's border: the request's `Cookie` header is rewritten before anybody reads it, and the response's
//! `Set-Cookie` lines when they are final. What becomes of them is decided in [`token_binding_server::cookies`].

mod binder;
mod caches;
mod incoming;
mod outgoing;

pub(super) use binder::{are_bound, binder};
pub(super) use caches::{TellCaches, find_others};
pub(super) use incoming::{CleanUnread, is_for_endpoint, receive};
pub(super) use outgoing::{SealCookies, check_all};

use crate::httpd::filter::OutputFilter as _;
use crate::httpd::request::Request;

use super::state::Known as _;

/// Has the cookies of a request's response sealed, and caches told if it is one client's own.
pub(super) fn prepare(request: Request<'_>, binds_cookies: bool) {
    let concerns_caches = binds_cookies || caches::is_asked(request);
    caches::prepare(request, concerns_caches);
    // A sub-request sends no headers of its own.
    if concerns_caches && !request.is_sub_request() {
        SealCookies::add_once(request);
    }
}

/// Somebody has asked for the client's key, perhaps when the filters were there already: the answer depends on it.
pub(super) fn note_asked(request: Request<'_>) {
    request.note_asked();
    let whole = request.whole();
    if whole.has_key() && whole.is_prepared() {
        SealCookies::add_once(whole);
    }
}
