//! The response on its way out: what the module adds to its headers, once all others have done with them.

use std::ffi::CStr;

use crate::httpd::ffi;
use crate::httpd::filter::{Filter, look_once};
use crate::httpd::guard::Site;
use crate::httpd::request::Request;
use crate::module::cookies;
use token_binding_server::policy::asks_for_referred;

/// Behind all that makes or changes headers (mod_headers and mod_cache are at AP_FTYPE_CONTENT_SET), and before httpd, or
/// mod_http2, writes them (AP_FTYPE_PROTOCOL).
const FILTER_TYPE: ffi::ap_filter_type = ffi::AP_FTYPE_PROTOCOL - 1;

const INCLUDE_REFERRED: &CStr = c"Include-Referred-Token-Binding-ID";

static FILTER: Filter = Filter::new();

/// Registers the filter with httpd, once per start.
pub(crate) fn register() {
    // SAFETY: httpd copies the name; the function stays mapped (-z nodelete).
    let record = unsafe {
        ffi::ap_register_output_filter(c"TOKEN_BINDING_RESPONSE".as_ptr(), Some(response), None, FILTER_TYPE)
    };
    FILTER.registered(record);
}

/// Has the response of a request looked at, if there may be something to add to it.
pub(crate) fn prepare(request: Request<'_>, binds_cookies: bool) {
    if wants_referred(request) || (binds_cookies && !request.is_sub_request()) {
        FILTER.add_once(request);
    }
}

/// Would a redirect of this request ask the client to prove its key to the redirect's target? Only if there is a key.
fn wants_referred(request: Request<'_>) -> bool {
    request.server_config().is_some_and(|config| config.include_referred(request.directory_config()))
        && request.bindings().is_some()
}

/// The filter: sees the response's first bytes, when its headers are final and not yet sent.
unsafe extern "C" fn response(
    filter: *mut ffi::ap_filter_t,
    brigade: *mut ffi::apr_bucket_brigade,
) -> ffi::apr_status_t {
    // SAFETY: httpd calls a filter with its own ap_filter_t and brigade.
    unsafe {
        look_once(filter, brigade, Site::ResponseFilter, |request| {
            finish(request);
            true
        })
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
