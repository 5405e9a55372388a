//! The hooks: where httpd calls the module, in what order, and the thin adapters from C.

use std::ffi::{CStr, c_char, c_int};
use std::fmt::Write as _;
use std::ptr;

use super::authz;
use super::connection::Connection;
use super::cookies::{self, Standing as Client};
use super::expression;
use super::ffi;
use super::guard::{Site, guard};
use super::log::{Sink, log};
use super::request::Request;
use super::response;
use super::secrets;
use super::server::Server;
use super::status::{self, count};
use super::tls;
use super::trailers;
use crate::bindings::TokenBindings;
use crate::config::ServerConfig;
use crate::counters::Count;
use crate::headers::{Taken, connection_names_reserved};
use crate::outcome::{Level, Refusal, Response, tags};
use crate::policy::{Judgement, Standing, judge};

/// A list of modules, as httpd's hook functions take it.
struct Modules<const N: usize>([*const c_char; N]);

// SAFETY: never written to; the pointers are to static strings.
unsafe impl<const N: usize> Sync for Modules<N> {}

static MOD_SSL: Modules<2> = Modules([c"mod_ssl.c".as_ptr(), ptr::null()]);
static MOD_HTTP2: Modules<2> = Modules([c"mod_http2.c".as_ptr(), ptr::null()]);
static READERS_OF_HEADERS: Modules<3> =
    Modules([c"mod_log_forensic.c".as_ptr(), c"mod_setenvif.c".as_ptr(), ptr::null()]);

/// Registers every hook. httpd calls it at each start and restart.
pub(super) unsafe extern "C" fn register(pool: *mut ffi::apr_pool_t) {
    guard(Site::RegisterHooks, Sink::Process, (), || {
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
        // Before anything that looks at the headers: mod_log_forensic logs them from the same place, mod_setenvif and
        // mod_remoteip take decisions on them.
        // SAFETY: as above.
        unsafe {
            ffi::ap_hook_post_read_request(
                Some(post_read_request),
                none,
                READERS_OF_HEADERS.0.as_ptr(),
                ffi::APR_HOOK_REALLY_FIRST,
            );
        }
        // The first hook that knows the directory's settings, and before access control and authentication.
        // SAFETY: as above.
        unsafe { ffi::ap_hook_header_parser(Some(header_parser), none, none, ffi::APR_HOOK_FIRST as c_int) };
        // A sub-request that takes the place of the request (MultiViews) drops the filters that the request had.
        // SAFETY: as above.
        unsafe { ffi::ap_hook_insert_filter(Some(insert_filter), none, none, ffi::APR_HOOK_LAST as c_int) };
        // A response that an error takes the place of drops its filters too.
        // SAFETY: as above.
        unsafe {
            ffi::ap_hook_insert_error_filter(
                Some(insert_error_filter),
                none,
                none,
                ffi::APR_HOOK_LAST as c_int,
            );
        }
        authz::register(pool);
        cookies::register();
        expression::register();
        status::register();
        // mod_ssl's hooks are optional: without mod_ssl, nobody calls them.
        for (name, hook) in [
            // SAFETY: mod_ssl calls the hook `init_server` with exactly this function's arguments.
            (c"init_server", unsafe { std::mem::transmute::<InitServer, AnyHook>(tls::init_server) }),
            // SAFETY: mod_ssl calls the hook `pre_handshake` with exactly this function's arguments.
            (c"pre_handshake", unsafe { std::mem::transmute::<PreHandshake, AnyHook>(tls::pre_handshake) }),
        ] {
            add_optional_hook(name, hook);
        }
        trailers::register();
        response::register();
    });
}

/// Registers a hook that another module may or may not have.
pub(super) fn add_optional_hook(name: &'static CStr, hook: AnyHook) {
    let middle = ffi::APR_HOOK_MIDDLE as c_int;
    // SAFETY: httpd asks for our hooks, at start-up and from one thread; name and function stay mapped (-z nodelete).
    unsafe { ffi::apr_optional_hook_add(name.as_ptr(), Some(hook), ptr::null(), ptr::null(), middle) };
}

pub(super) type AnyHook = unsafe extern "C" fn();
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
    _pool: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temporary: *mut ffi::apr_pool_t,
    main: *mut ffi::server_rec,
) -> c_int {
    // SAFETY: httpd gives the main server of the configuration it has read.
    let main = unsafe { Server::from_raw(main) };
    guard(Site::CheckConfig, Sink::Server(main), REFUSED, || {
        tls::reset_virtual_hosts();
        for server in main.and_following() {
            let Some(config) = server.config() else { return REFUSED };
            if let Err(problem) = config.check() {
                log(Sink::Server(server), Level::Error, format_args!("{}: {problem}", tags::CONFIGURATION));
                return REFUSED;
            }
        }
        if secrets::load(main) { ffi::OK } else { REFUSED }
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
        let Some(config) = main.config() else { return REFUSED };
        log(Sink::Server(main), Level::Notice, format_args!("{}: {}", tags::STARTED, start_up_line(config)));
        let enabled = main.and_following().any(|server| server.config().is_some_and(ServerConfig::enabled));
        // SAFETY: the name is a C string.
        let has_ssl = !unsafe { ffi::ap_find_linked_module(c"mod_ssl.c".as_ptr()) }.is_null();
        if enabled && tls::virtual_hosts() == 0 {
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
        tls::virtual_hosts()
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
        if let Err(fault) = connection.prepare_channel().map(|()| connection.count_unbound()) {
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
    guard(Site::PostReadRequest, Sink::Request(request), REFUSED, || match receive(request) {
        Response::ServeUnbound => ffi::DECLINED,
        Response::BadRequest => ffi::HTTP_BAD_REQUEST as c_int,
        Response::ServerError => REFUSED,
    })
}

/// Clears the request's headers, judges it, and passes on what was verified. `ServeUnbound` stands for "serve".
fn receive(request: Request<'_>) -> Response {
    let taken = request.headers().take_reserved();
    trailers::watch(request);
    let Some(config) = request.server_config() else { return Response::ServerError };
    if request.origin().is_some() {
        // An internal redirect: the headers were taken from the first request, and its verdict holds for this one. What
        // httpd refused itself had none.
        restore(request);
        return match request.cookies() {
            Some(_) => Response::ServeUnbound,
            None => cookies::receive(request, Client::Unknown),
        };
    }
    if !config.enabled() {
        return cookies::receive(request, Client::Unbound);
    }
    match bindings(request, config, taken) {
        Ok(Some(_)) if names_our_headers(request) => refuse(request, config, Refusal::HopByHop),
        Ok(Some(bindings)) => {
            if let Some(bindings) = request.keep(bindings) {
                request.pass_on_first(bindings, config);
            }
            cookies::receive(request, Client::Bound)
        }
        Ok(None) => cookies::receive(request, Client::Unbound),
        Err(refusal) => refuse(request, config, refusal),
    }
}

/// Logs why, and does what the configuration makes of it.
fn refuse(request: Request<'_>, config: &ServerConfig, refusal: Refusal) -> Response {
    let strict = config.strict();
    log(Sink::Request(request), refusal.level(strict), format_args!("{refusal}"));
    count(Count::of(&refusal), 1);
    match refusal.response(strict) {
        Response::ServeUnbound => cookies::receive(request, Client::Unbound),
        refused => {
            // For the error document, which is served all the same.
            cookies::receive(request, Client::Unknown);
            refused
        }
    }
}

/// Does the client want the headers that pass its bindings on taken out on the way to a backend?
fn names_our_headers(request: Request<'_>) -> bool {
    request.headers().get(c"Connection").is_some_and(|value| connection_names_reserved(value.to_bytes()))
}

/// The Token Bindings that the request has, by its headers and its connection.
fn bindings(
    request: Request<'_>,
    config: &ServerConfig,
    taken: Taken<'_>,
) -> Result<Option<TokenBindings>, Refusal> {
    let channel = request.connection().channel().map_err(Refusal::Fault)?;
    let standing = match &channel {
        Some(channel) => Standing::Negotiated(channel.negotiated()),
        None => Standing::NotNegotiated,
    };
    let trusted = || comes_from_trusted_proxy(request, config);
    match (judge(config, standing, taken, trusted, || request.is_pushed()), channel) {
        (Judgement::Refuse(refusal), _) => Err(refusal),
        (Judgement::Verify(header), Some(channel)) => {
            let (binding, is_known) = channel.verify(header)?;
            count(if is_known { Count::FromCache } else { Count::Verified }, 1);
            Ok(Some(TokenBindings::Proved(binding)))
        }
        (Judgement::TakeOver(forwarded), _) => {
            let bindings = forwarded.bindings().map_err(Refusal::Forwarded)?;
            Ok(bindings.map(TokenBindings::Forwarded))
        }
        (Judgement::Unbound, _) | (Judgement::Verify(_), None) => Ok(None),
    }
}

/// Is the peer believed what it says of its client? If not, says whom it is that is not believed: it may be a proxy that
/// is missing in the configuration.
fn comes_from_trusted_proxy(request: Request<'_>, config: &ServerConfig) -> bool {
    let Some(proxies) = config.trusted_proxies() else { return false };
    let peer = request.connection().peer();
    let trusted = proxies.contain(peer);
    if !trusted {
        log(
            Sink::Request(request),
            Level::Info,
            format_args!(
                "{}: Sec-...-Token-Binding-ID headers removed: {peer} is not in TokenBindingTrustedProxy",
                tags::NOT_TRUSTED
            ),
        );
    }
    trusted
}

/// Passes the request's bindings on again, after httpd has replaced its environment or its headers.
pub(super) fn restore(request: Request<'_>) {
    if let (Some(bindings), Some(config)) = (request.bindings(), request.server_config()) {
        request.pass_on(bindings, config, request.directory_config());
    }
}

/// The directory's settings are known now: passes on what they ask for, if that is something else.
unsafe extern "C" fn header_parser(request: *mut ffi::request_rec) -> c_int {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(Site::HeaderParser, Sink::Request(request), REFUSED, || {
        if request.directory_config().is_some_and(|directory| directory.pass.is_some()) {
            restore(request);
        }
        ffi::DECLINED
    })
}

/// A request's filters are being put together.
unsafe extern "C" fn insert_filter(request: *mut ffi::request_rec) {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(Site::InsertFilter, Sink::Request(request), (), || {
        trailers::watch(request);
        response::prepare(request);
    });
}

/// The filters of a response that takes another one's place are being put together.
unsafe extern "C" fn insert_error_filter(request: *mut ffi::request_rec) {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(Site::InsertErrorFilter, Sink::Request(request), (), || response::prepare(request));
}
