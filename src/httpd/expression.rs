//! Functions in httpd's expressions.

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use super::ffi;
use super::filter::guard_response;
use super::guard::{INTERNAL_ERROR, Site, guard};
use super::log::Sink;
use super::pool::Pool;
use super::request::Request;

const NOTHING: &CStr = c"";
/// httpd's word for "yes, it is mine, and it is wrong".
const WRONG: c_int = 1;

/// A function of a text, as `NAME(argument)` or `%{NAME:argument}`.
pub(crate) trait ExpressionFunction {
    /// In lower case; httpd takes it in any.
    const NAME: &'static str;
    const SITE: Site;

    /// Whether the argument is right, if it is known when the expression is read. The error is what httpd prints.
    fn check(argument: &str) -> Result<(), String>;

    /// The value for a request; `None` is empty.
    fn value<'r>(request: Request<'r>, argument: &str) -> Option<Cow<'r, str>>;
}

/// Registers the hook with httpd, once per start.
pub(super) fn register<F: ExpressionFunction>() {
    // SAFETY: httpd asks for our hooks, at start-up and from one thread; the function stays mapped (-z nodelete).
    unsafe {
        ffi::ap_hook_expr_lookup(Some(lookup::<F>), ptr::null(), ptr::null(), ffi::APR_HOOK_MIDDLE as c_int);
    }
}

/// An expression is parsed: is the function ours, and its argument right, if it is known by now?
unsafe extern "C" fn lookup<F: ExpressionFunction>(parameters: *mut ffi::ap_expr_lookup_parms) -> c_int {
    // SAFETY: httpd gives the parameters, valid during the call.
    let parameters = unsafe { &*parameters };
    let answer = guard(Site("ExpressionLookup"), Sink::PROCESS, Err(INTERNAL_ERROR), || {
        // SAFETY: the function's name, as a C string.
        let name = unsafe { CStr::from_ptr(parameters.name) };
        if parameters.type_ != ffi::AP_EXPR_FUNC_STRING as c_int
            || !name.to_bytes().eq_ignore_ascii_case(F::NAME.as_bytes())
        {
            return Ok(ffi::DECLINED);
        }
        if !parameters.arg.is_null() {
            // SAFETY: the argument, as a C string.
            let argument = unsafe { CStr::from_ptr(parameters.arg) };
            if let Err(problem) = F::check(&argument.to_string_lossy()) {
                // SAFETY: the pool that the expression lives in.
                return Err(unsafe { Pool::from_raw(parameters.pool) }.copy_text(&problem));
            }
        }
        // SAFETY: httpd's place for the function, which it calls as an ap_expr_string_func_t.
        unsafe { *parameters.func = evaluate::<F> as *const c_void };
        // SAFETY: httpd's place for data of the function's own.
        unsafe { *parameters.data = ptr::null() };
        Ok(ffi::OK)
    });
    answer.unwrap_or_else(|problem| {
        // SAFETY: httpd's place for the error. Without one it would take the expression for a right one.
        unsafe { *parameters.err = problem.as_ptr() };
        WRONG
    })
}

/// The value of the function for a request: empty where there is none.
unsafe extern "C" fn evaluate<F: ExpressionFunction>(
    context: *mut ffi::ap_expr_eval_ctx_t,
    _data: *const c_void,
    argument: *const c_char,
) -> *const c_char {
    // SAFETY: httpd gives the evaluation's context, valid during the call.
    let raw = unsafe { (*context).r };
    if raw.is_null() || argument.is_null() {
        return NOTHING.as_ptr();
    }
    // SAFETY: the request that the expression is evaluated for, by this thread.
    let request = unsafe { Request::from_raw(raw) };
    // Nothing, too, is an answer that an expression may let pass.
    guard_response(F::SITE, request, NOTHING.as_ptr(), || {
        // SAFETY: the argument, as a C string.
        let argument = unsafe { CStr::from_ptr(argument) };
        let value = F::value(request, &argument.to_string_lossy());
        value.map_or(NOTHING.as_ptr(), |value| request.pool().copy_text(&value).as_ptr())
    })
}
