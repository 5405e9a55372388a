//! Trailers: headers that come after a request's body, when the request is long under way. httpd keeps them apart
//! (`trailers_in`), or with `MergeTrailers On` adds them to the headers, and a proxy passes them on. Names that a client
//! must not set are removed there too.
//!
//! Whoever reads a body to its end makes httpd read the trailers: the handler, but before that perhaps mod_ssl (a certificate
//! for a directory), mod_lua or mod_security2, some of them below the filters for bodies. So this filter is above httpd's own
//! and below everybody else's, and when the read returns, the headers are right.

use token_binding_server::headers::is_forbidden_in_trailers;

use crate::httpd::filter::{Handle, InputFilter};
use crate::httpd::guard::Site;
use crate::httpd::request::Request;

use super::cookies;

/// Watches the request's trailers, if it can have any and is not watched yet.
pub(super) fn watch(request: Request<'_>) {
    if may_have_trailers(request) {
        CleanTrailers::add_once(request);
    }
}

/// httpd's own HTTP filter reads nothing of a request that has neither of these headers. On an HTTP/2 stream whose body
/// has no announced length, mod_http2 sets the first itself; behind one of a known length there can be trailers too.
fn may_have_trailers(request: Request<'_>) -> bool {
    let has = |name| request.headers().get(name).is_some();
    has(c"Transfer-Encoding") || (request.connection().is_secondary() && has(c"Content-Length"))
}

/// Cleans what the filter below has read.
pub(super) struct CleanTrailers;

impl InputFilter for CleanTrailers {
    const NAME: &'static std::ffi::CStr = c"TOKEN_BINDING_TRAILERS";
    const SITE: Site = Site("TrailerFilter");

    fn handle() -> &'static Handle {
        static HANDLE: Handle = Handle::new();
        &HANDLE
    }

    fn around<T>(request: Request<'_>, read: impl FnOnce() -> T) -> T {
        let headers = request.headers();
        // While httpd reads the lines of the trailers, they are in the headers' place, and come through this filter, too.
        let is_nested = request.trailers() == Some(headers);
        let result = read();
        if is_nested {
            return result;
        }
        let Some(trailers) = request.trailers().filter(|trailers| !trailers.is_empty()) else {
            return result;
        };
        let binds_cookies = cookies::are_bound(request);
        trailers.retain(|name| !is_forbidden_in_trailers(name, binds_cookies));
        if request.headers() != headers {
            // httpd has merged them: what was there before they came, and what is left of them.
            request.set_headers(headers.overlay(trailers, request.pool()));
        }
        result
    }
}
