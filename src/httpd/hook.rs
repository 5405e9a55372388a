//! The hooks: where httpd calls the module, in what order, and the thin adapters from C.

use std::ffi::{CStr, c_char, c_int};
use std::fmt::Write as _;
use std::ptr;

use crate::httpd::authz;
use crate::httpd::connection::Connection;
use crate::httpd::expression;
use crate::httpd::ffi;
use crate::httpd::filter;
use crate::httpd::guard::{Site, guard, guard_response};
use crate::httpd::log::{Sink, log};
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use crate::httpd::server::Server;
use crate::httpd::ssl;
use crate::module::certificate;
use crate::module::cookies;
use crate::module::receive;
use crate::module::response;
use crate::module::startup;
use crate::module::status;
use crate::module::trailers;
use token_binding_server::config::ServerConfig;
use token_binding_server::outcome::{Level, Response, tags};

/// A list of modules, as httpd's hook functions take it.
struct Modules<const N: usize>([*const c_char; N]);

// SAFETY: never written to; the pointers are to static strings.
unsafe impl<const N: usize> Sync for Modules<N> {}

static MOD_SSL: Modules<2> = Modules([c"mod_ssl.c".as_ptr(), ptr::null()]);
static MOD_HTTP2: Modules<2> = Modules([c"mod_http2.c".as_ptr(), ptr::null()]);

/// Before all others: mod_log_forensic, mod_security2 and mod_http2 are at APR_HOOK_REALLY_FIRST, where the order in which
/// modules are loaded decides.
const BEFORE_ALL_OTHERS: c_int = ffi::APR_HOOK_REALLY_FIRST - 100;

/// Registers every hook. httpd calls it at each start and restart.
pub(crate) unsafe extern "C" fn register(pool: *mut ffi::apr_pool_t) {
    let is_registered = guard(Site::RegisterHooks, Sink::Process, false, || {
        let none = ptr::null();
        let middle = ffi::APR_HOOK_MIDDLE as c_int;
        // SAFETY: httpd asks for our hooks, at start-up and from one thread. The functions stay mapped (-z nodelete) and
        // the lists are static; this holds for each call below.
        unsafe { ffi::ap_hook_check_config(Some(check_config), none, none, middle) };
        // After mod_ssl, whose post_config makes the SSL_CTXs that we then count.
        // SAFETY: as above.
        unsafe {
            ffi::ap_hook_post_config(Some(post_config), MOD_SSL.0.as_ptr(), none, ffi::APR_HOOK_LAST as c_int)
        };
        // SAFETY: as above.
        unsafe {
            ffi::ap_hook_optional_fn_retrieve(Some(ffi::tb_retrieve_optional_functions), none, none, middle);
        };
        // Between mod_ssl, which does the handshake there, and mod_http2, which starts its workers there.
        // SAFETY: as above.
        unsafe {
            ffi::ap_hook_process_connection(
                Some(process_connection),
                MOD_SSL.0.as_ptr(),
                MOD_HTTP2.0.as_ptr(),
                middle,
            );
        }
        // Before anything that looks at the headers, logs them or decides on them.
        // SAFETY: as above.
        unsafe { ffi::ap_hook_post_read_request(Some(post_read_request), none, none, BEFORE_ALL_OTHERS) };
        // The first hook that knows the directory's settings, before access control and authentication; it runs for
        // sub-requests, too.
        // SAFETY: as above.
        unsafe { ffi::ap_hook_post_perdir_config(Some(post_perdir_config), none, none, BEFORE_ALL_OTHERS) };
        // After mod_ssl, which asks for a directory's certificate there, and before authentication and authorization.
        let always = ffi::AP_AUTH_INTERNAL_PER_CONF as c_int;
        // SAFETY: as above.
        unsafe { ffi::ap_hook_check_access(Some(check_access), MOD_SSL.0.as_ptr(), none, middle, always) };
        // After mod_headers (APR_HOOK_LAST): filters of one type run in the order in which they were inserted.
        let last = ffi::APR_HOOK_REALLY_LAST as c_int;
        // SAFETY: as above.
        unsafe { ffi::ap_hook_insert_filter(Some(insert_filter), none, none, last) };
        // A response that an error takes the place of drops its filters.
        // SAFETY: as above.
        unsafe { ffi::ap_hook_insert_error_filter(Some(insert_error_filter), none, none, last) };
        authz::register(pool);
        cookies::register();
        expression::register();
        status::register();
        // mod_ssl's hooks are optional: without mod_ssl, nobody calls them.
        for (name, hook) in [
            // SAFETY: mod_ssl calls the hook `init_server` with exactly this function's arguments.
            (c"init_server", unsafe { std::mem::transmute::<InitServer, AnyHook>(ssl::init_server) }),
            // SAFETY: mod_ssl calls the hook `pre_handshake` with exactly this function's arguments.
            (c"pre_handshake", unsafe { std::mem::transmute::<PreHandshake, AnyHook>(ssl::pre_handshake) }),
        ] {
            add_optional_hook(name, hook);
        }
        filter::register();
        trailers::register();
        response::register();
        true
    });
    if !is_registered {
        // httpd takes no answer here, and without the hooks nothing would be refused.
        std::process::exit(1);
    }
}

/// Registers a hook that another module may or may not have.
pub(crate) fn add_optional_hook(name: &'static CStr, hook: AnyHook) {
    let middle = ffi::APR_HOOK_MIDDLE as c_int;
    // SAFETY: httpd asks for our hooks, at start-up and from one thread; name and function stay mapped (-z nodelete).
    unsafe { ffi::apr_optional_hook_add(name.as_ptr(), Some(hook), ptr::null(), ptr::null(), middle) };
}

pub(crate) type AnyHook = unsafe extern "C" fn();
type InitServer = unsafe extern "C" fn(
    *mut ffi::server_rec,
    *mut ffi::apr_pool_t,
    c_int,
    *mut openssl_sys::SSL_CTX,
) -> c_int;
type PreHandshake = unsafe extern "C" fn(*mut ffi::conn_rec, *mut openssl_sys::SSL, c_int) -> c_int;

const REFUSED: c_int = ffi::HTTP_INTERNAL_SERVER_ERROR as c_int;

/// `httpd -t` and every start: what no single directive can see.
unsafe extern "C" fn check_config(
    pool: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temporary: *mut ffi::apr_pool_t,
    main: *mut ffi::server_rec,
) -> c_int {
    // SAFETY: httpd gives the main server of the configuration it has read.
    let main = unsafe { Server::from_raw(main) };
    guard(Site::CheckConfig, Sink::Server(main), REFUSED, || {
        ssl::reset_virtual_hosts();
        for server in main.and_following() {
            let Some(config) = server.config() else { return REFUSED };
            if let Err(problem) = config.check() {
                log(Sink::Server(server), Level::Error, format_args!("{}: {problem}", tags::CONFIGURATION));
                return REFUSED;
            }
        }
        // SAFETY: httpd's pool for the configuration that it has read.
        let pool = unsafe { Pool::from_raw(pool) };
        if startup::load(main, pool) { ffi::OK } else { REFUSED }
    })
}

/// Start-up, once the configuration stands: says what is in force, and warns of what can't work.
unsafe extern "C" fn post_config(
    _pool: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temporary: *mut ffi::apr_pool_t,
    main: *mut ffi::server_rec,
) -> c_int {
    // SAFETY: httpd gives the main server of the configuration it starts with.
    let main = unsafe { Server::from_raw(main) };
    guard(Site::PostConfig, Sink::Server(main), REFUSED, || {
        cookies::find_others();
        if !status::create(main) {
            log(Sink::Server(main), Level::Error, format_args!("{}: no shared memory", tags::NO_MEMORY));
            return REFUSED;
        }
        // httpd reads its configuration twice at start-up; once is enough to say it.
        // SAFETY: a question to httpd about itself.
        if unsafe { ffi::ap_state_query(ffi::AP_SQ_MAIN_STATE as c_int) }
            == ffi::AP_SQ_MS_CREATE_PRE_CONFIG as c_int
        {
            return ffi::OK;
        }
        startup::note_start();
        startup::warn_of_shared_realms(main);
        let Some(config) = main.config() else { return REFUSED };
        log(Sink::Server(main), Level::Notice, format_args!("{}: {}", tags::STARTED, start_up_line(config)));
        let enabled = main.and_following().any(|server| server.config().is_some_and(ServerConfig::enabled));
        // SAFETY: the name is a C string.
        let has_ssl = !unsafe { ffi::ap_find_linked_module(c"mod_ssl.c".as_ptr()) }.is_null();
        if enabled && ssl::virtual_hosts() == 0 {
            let missing =
                if has_ssl { "no enabled virtual host has SSLEngine On" } else { "mod_ssl is not loaded" };
            let tag = tags::NO_TLS;
            log(
                Sink::Server(main),
                Level::Warning,
                format_args!("{tag}: {missing}: Token Binding needs TLS and will never be negotiated"),
            );
        }
        ffi::OK
    })
}

fn start_up_line(config: &ServerConfig) -> String {
    // SAFETY: a question to OpenSSL about itself.
    let openssl = unsafe { openssl_sys::OpenSSL_version(openssl_sys::OPENSSL_VERSION) };
    // SAFETY: OpenSSL answers with a static C string.
    let openssl = unsafe { CStr::from_ptr(openssl) };
    let mut line = format!(
        "mod_token_binding/{} with {}, TLS virtual hosts enabled: {}, key parameters:",
        env!("CARGO_PKG_VERSION"),
        openssl.to_string_lossy(),
        ssl::virtual_hosts()
    );
    for parameters in config.key_parameters() {
        // Writing to a String can't fail.
        let _ = write!(line, " {parameters}");
    }
    line
}

/// A connection's handshake is over: export its EKM here, on its own thread, before HTTP/2's workers ask for it.
unsafe extern "C" fn process_connection(connection: *mut ffi::conn_rec) -> c_int {
    // SAFETY: httpd gives the connection that this thread is to process.
    let connection = unsafe { Connection::from_raw(connection) };
    guard(Site::ProcessConnection, Sink::Connection(connection), ffi::DECLINED, || {
        // httpd asks again for each request of a connection that is kept alive.
        if connection.is_secondary() || connection.is_settled() {
            return ffi::DECLINED;
        }
        if let Err(fault) = connection.prepare().map(|()| connection.count_unbound()) {
            // Not the end of the connection: its requests are refused, each with a line in the log and a 500.
            log(
                Sink::Connection(connection),
                Level::Error,
                format_args!("{}: {fault}", tags::HANDSHAKE_FAULT),
            );
        }
        ffi::DECLINED
    })
}

/// A request's headers have been read.
unsafe extern "C" fn post_read_request(request: *mut ffi::request_rec) -> c_int {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(Site::PostReadRequest, Sink::Request(request), REFUSED, || status_of(receive::receive(request)))
}

/// The directory's settings are known now: passes on what they ask for, if that is something else.
unsafe extern "C" fn post_perdir_config(request: *mut ffi::request_rec) -> c_int {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(Site::PostPerdirConfig, Sink::Request(request), REFUSED, || {
        receive::settle(request);
        ffi::DECLINED
    })
}

/// mod_ssl has asked for the directory's certificate, if there was one to ask for.
unsafe extern "C" fn check_access(request: *mut ffi::request_rec) -> c_int {
    if !ssl::verifies_clients() {
        return ffi::DECLINED;
    }
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(Site::CheckAccess, Sink::Request(request), REFUSED, || status_of(certificate::receive(request)))
}

fn status_of(response: Response) -> c_int {
    match response {
        Response::ServeUnbound => ffi::DECLINED,
        Response::BadRequest => ffi::HTTP_BAD_REQUEST as c_int,
        Response::ServerError => REFUSED,
    }
}

/// A request's filters are being put together.
unsafe extern "C" fn insert_filter(request: *mut ffi::request_rec) {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard_response(Site::InsertFilter, request, (), || {
        if concerns_us(request) {
            // A sub-request that takes the place of the request (DirectoryIndex, MultiViews) brings its directory with it.
            receive::settle(request);
            prepare(request);
        }
    });
}

/// The filters of a response that takes another one's place are being put together.
unsafe extern "C" fn insert_error_filter(request: *mut ffi::request_rec) {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard_response(Site::InsertErrorFilter, request, (), || {
        if concerns_us(request) {
            prepare(request);
        }
    });
}

fn prepare(request: Request<'_>) {
    let binds_cookies = cookies::are_bound(request);
    request.note_prepared();
    cookies::prepare(request, binds_cookies);
    response::prepare(request, binds_cookies);
}

/// Whether there can be anything to do about a response: something is known of its request, or cookies are bound.
fn concerns_us(request: Request<'_>) -> bool {
    request.is_known() || cookies::are_bound(request)
}
