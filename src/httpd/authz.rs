//! Providers for `Require` lines.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use super::ffi;
use super::guard::{INTERNAL_ERROR, Site, guard};
use super::log::Sink;
use super::pool::Pool;
use super::request::Request;

/// What decides on the `Require` lines that begin with a word.
pub(crate) trait AuthzProvider {
    /// The word.
    const NAME: &'static CStr;
    const SITE: Site;

    /// What a line asks for.
    type Requirement: Sync + 'static;

    /// Reads the rest of a line. The error is what httpd prints.
    fn parse(words: &str) -> Result<&'static Self::Requirement, String>;

    /// Whether the request may pass.
    fn is_met(requirement: &Self::Requirement, request: Request<'_>) -> bool;
}

/// Registers a provider with httpd, once per start.
pub(super) fn register<P: AuthzProvider>(pool: Pool<'_>) {
    let provider = const {
        &ffi::authz_provider { check_authorization: Some(check::<P>), parse_require_line: Some(parse::<P>) }
    };
    // SAFETY: httpd's pool for this configuration; names and provider are static. mod_authz_core finds it by group and
    // name, and nobody else does.
    unsafe {
        ffi::ap_register_auth_provider(
            pool.as_ptr(),
            c"authz".as_ptr(),
            P::NAME.as_ptr(),
            c"0".as_ptr(),
            ptr::from_ref(provider).cast::<c_void>(),
            ffi::AP_AUTH_INTERNAL_PER_CONF as c_int,
        );
    }
}

/// A `Require` line is read: what it asks for, or the error that httpd prints.
unsafe extern "C" fn parse<P: AuthzProvider>(
    command: *mut ffi::cmd_parms,
    line: *const c_char,
    parsed: *mut *const c_void,
) -> *const c_char {
    guard(Site("Directive"), Sink::PROCESS, INTERNAL_ERROR.as_ptr(), || {
        // SAFETY: httpd gives the rest of the line as a C string, empty if there is none.
        let words = unsafe { CStr::from_ptr(line) }.to_string_lossy();
        match P::parse(&words) {
            Ok(requirement) => {
                // SAFETY: httpd's place for what the line means, which is static.
                unsafe { *parsed = ptr::from_ref(requirement).cast() };
                ptr::null()
            }
            Err(problem) => {
                // SAFETY: httpd gives the parameters of the directive it is reading, valid during the call.
                let pool = unsafe { (*command).pool };
                // SAFETY: httpd's pool for this configuration.
                let pool = unsafe { Pool::from_raw(pool) };
                pool.copy_text(&format!("Require {}: {problem}", P::NAME.to_string_lossy())).as_ptr()
            }
        }
    })
}

unsafe extern "C" fn check<P: AuthzProvider>(
    request: *mut ffi::request_rec,
    _line: *const c_char,
    parsed: *const c_void,
) -> ffi::authz_status {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(P::SITE, request.sink(), ffi::AUTHZ_GENERAL_ERROR, || {
        // SAFETY: what `parse` stored: NULL, or a static requirement.
        match unsafe { parsed.cast::<P::Requirement>().as_ref() } {
            Some(requirement) if P::is_met(requirement, request) => ffi::AUTHZ_GRANTED,
            Some(_) => ffi::AUTHZ_DENIED,
            None => ffi::AUTHZ_GENERAL_ERROR,
        }
    })
}
