//! `Require token-binding [provided|referred|not]`.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use crate::httpd::ffi;
use crate::httpd::guard::{INTERNAL_ERROR, Site, guard};
use crate::httpd::log::Sink;
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use crate::module::cookies;
use token_binding_server::questions::Requirement;

static PROVIDER: ffi::authz_provider =
    ffi::authz_provider { check_authorization: Some(check), parse_require_line: Some(parse) };

static PROVIDED: Requirement = Requirement::Provided;
static REFERRED: Requirement = Requirement::Referred;
static NOT: Requirement = Requirement::Not;

/// Registers the provider with httpd, once per start.
pub(crate) fn register(pool: *mut ffi::apr_pool_t) {
    // SAFETY: httpd's pool for this configuration; names and provider are static. mod_authz_core finds it by group and
    // name, and nobody else does.
    unsafe {
        ffi::ap_register_auth_provider(
            pool,
            c"authz".as_ptr(),
            c"token-binding".as_ptr(),
            c"0".as_ptr(),
            ptr::from_ref(&PROVIDER).cast::<c_void>(),
            ffi::AP_AUTH_INTERNAL_PER_CONF as c_int,
        );
    }
}

/// A `Require` line is read: what it asks for, or the error that httpd prints.
unsafe extern "C" fn parse(
    command: *mut ffi::cmd_parms,
    line: *const c_char,
    parsed: *mut *const c_void,
) -> *const c_char {
    guard(Site::Directive, Sink::Process, INTERNAL_ERROR.as_ptr(), || {
        // SAFETY: httpd gives the rest of the line as a C string, empty if there is none.
        let words = unsafe { CStr::from_ptr(line) }.to_string_lossy();
        let requirement = match Requirement::parse(&words) {
            Ok(Requirement::Provided) => &PROVIDED,
            Ok(Requirement::Referred) => &REFERRED,
            Ok(Requirement::Not) => &NOT,
            Err(problem) => {
                // SAFETY: httpd gives the parameters of the directive it is reading, valid during the call.
                let pool = unsafe { (*command).pool };
                // SAFETY: httpd's pool for this configuration.
                return unsafe { Pool::from_raw(pool) }
                    .copy_text(&format!("Require token-binding: {problem}"))
                    .as_ptr();
            }
        };
        // SAFETY: httpd's place for what the line means, which is static.
        unsafe { *parsed = ptr::from_ref(requirement).cast() };
        ptr::null()
    })
}

/// May the request pass?
unsafe extern "C" fn check(
    request: *mut ffi::request_rec,
    _line: *const c_char,
    parsed: *const c_void,
) -> ffi::authz_status {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(Site::Authorization, Sink::Request(request), ffi::AUTHZ_GENERAL_ERROR, || {
        // Whatever the answer is: caches must not give it to others.
        cookies::note_asked(request);
        // SAFETY: what `parse` stored: NULL, or one of the static requirements.
        match unsafe { parsed.cast::<Requirement>().as_ref() } {
            Some(requirement) if requirement.is_met(request.bindings()) => ffi::AUTHZ_GRANTED,
            Some(_) => ffi::AUTHZ_DENIED,
            None => ffi::AUTHZ_GENERAL_ERROR,
        }
    })
}
