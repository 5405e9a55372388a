//! The response on its way out: what the module adds to its headers, once all others have done with them.

use std::ffi::CStr;

use token_binding_server::policy::asks_for_referred;

use crate::httpd::filter::{Handle, Kind, OutputFilter};
use crate::httpd::guard::Site;
use crate::httpd::hook::ResponseHook;
use crate::httpd::request::Request;

use super::cookies;
use super::pass_on::settle;
use super::state::Known as _;

const INCLUDE_REFERRED: &CStr = c"Include-Referred-Token-Binding-ID";

/// A request's filters are being put together.
pub(super) struct InsertFilter;

impl ResponseHook for InsertFilter {
    const SITE: Site = Site("InsertFilter");

    fn run(request: Request<'_>) {
        let binds_cookies = cookies::are_bound(request);
        if binds_cookies || request.is_known() {
            // A sub-request that takes the place of the request (DirectoryIndex, MultiViews) brings its directory with it.
            settle(request);
            prepare(request, binds_cookies);
        }
    }
}

/// The filters of a response that takes another one's place are being put together.
pub(super) struct InsertErrorFilter;

impl ResponseHook for InsertErrorFilter {
    const SITE: Site = Site("InsertErrorFilter");

    fn run(request: Request<'_>) {
        let binds_cookies = cookies::are_bound(request);
        if binds_cookies || request.is_known() {
            prepare(request, binds_cookies);
        }
    }
}

/// Has the response of a request looked at by the filters that may have something to do.
// Apart, so that the hook has little to save and to restore for the requests that do not concern us.
#[inline(never)]
fn prepare(request: Request<'_>, binds_cookies: bool) {
    request.note_prepared();
    cookies::prepare(request, binds_cookies);
    if wants_referred(request) || (binds_cookies && !request.is_sub_request()) {
        FinishResponse::add_once(request);
    }
}

/// Whether a redirect of this request would ask the client to prove its key to the redirect's target. Only if there is a key.
fn wants_referred(request: Request<'_>) -> bool {
    request.server_config().is_some_and(|config| config.include_referred(request.directory_config()))
        && request.bindings().is_some()
}

/// Sees the response's first bytes behind all that makes or changes headers (mod_headers and mod_cache are of the type
/// CONTENT_SET), and before httpd, or mod_http2, writes them.
pub(super) struct FinishResponse;

impl OutputFilter for FinishResponse {
    const NAME: &'static CStr = c"TOKEN_BINDING_RESPONSE";
    const KIND: Kind = Kind::BEFORE_PROTOCOL;
    const SITE: Site = Site("ResponseFilter");

    fn handle() -> &'static Handle {
        static HANDLE: Handle = Handle::new();
        &HANDLE
    }

    fn look(request: Request<'_>) -> bool {
        finish(request);
        true
    }
}

/// Adds what is to be added, and takes out what must not leave.
fn finish(request: Request<'_>) {
    cookies::check_all(request);
    if !wants_referred(request) {
        return;
    }
    let tables = request.response_headers();
    let has = |name| tables.iter().any(|table| table.get(name).is_some());
    // One that the application sets itself stays as it is: with two of them, a client takes neither.
    if asks_for_referred(request.status(), has(c"Location")) && !has(INCLUDE_REFERRED) {
        let [headers, _] = tables;
        headers.set(INCLUDE_REFERRED, c"true");
    }
}
