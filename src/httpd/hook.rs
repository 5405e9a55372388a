//! The hooks of httpd that the module has: one trait, and one function that C calls, for each kind.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use super::authz::{self, AuthzProvider};
use super::connection::Connection;
use super::expression::{self, ExpressionFunction};
use super::ffi;
use super::filter::{self, InputFilter, OutputFilter, guard_response};
use super::guard::{Site, guard};
use super::log::Sink;
use super::optional::{self, AnyHook};
use super::pool::Pool;
use super::request::Request;
use super::server::Server;
use super::ssl::{self, TlsExtension};
use super::status::REFUSED;
pub(crate) use super::status::Status;

/// A hook of the start-up, with the main server of the configuration that httpd has read.
pub(crate) trait ConfigHook {
    const SITE: Site;
    fn run(main: Server<'_>) -> Status;
}

/// A hook of a connection, on its own thread.
pub(crate) trait ConnectionHook {
    const SITE: Site;
    fn run(connection: Connection<'_>) -> Status;
}

/// A hook of a request, on the thread that serves it.
pub(crate) trait RequestHook {
    const SITE: Site;
    /// Whether there can be anything to do, by what is known since the start. If not, it declines.
    fn is_needed() -> bool {
        true
    }
    fn run(request: Request<'_>) -> Status;
}

/// A hook of a request that has no answer: after a panic, no response is sent.
pub(crate) trait ResponseHook {
    const SITE: Site;
    fn run(request: Request<'_>);
}

/// A handler that may answer a request before any other hook looks at it, but those that read its headers: before rewriting,
/// access control, proxying and caching.
pub(crate) trait QuickHandler {
    const SITE: Site;
    /// `None`: it is for others to answer.
    fn run(request: Request<'_>) -> Option<()>;
}

/// The module's part of mod_status's page.
pub(crate) trait StatusPage {
    const SITE: Site;
    /// Lines of `name: value` if it is short, else HTML.
    fn text(is_short: bool) -> Option<String>;
}

/// A list of modules, as httpd's hook functions take it.
pub(crate) struct Modules([*const c_char; 2]);

// SAFETY: never written to; the pointers are to static strings.
unsafe impl Sync for Modules {}

impl Modules {
    /// The list of one, by its name as `<IfModule>` takes it.
    pub(crate) const fn one(name: &'static CStr) -> Self {
        Self([name.as_ptr(), ptr::null()])
    }
}

/// When a hook runs, of those that other modules have too.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    after: Option<&'static Modules>,
    before: Option<&'static Modules>,
    place: c_int,
}

impl Order {
    /// Before all others: mod_log_forensic, mod_security2 and mod_http2 are at APR_HOOK_REALLY_FIRST, where the order in which
    /// modules are loaded decides.
    pub(crate) const BEFORE_ALL_OTHERS: Self = Self::at(ffi::APR_HOOK_REALLY_FIRST - 100);
    pub(crate) const MIDDLE: Self = Self::at(ffi::APR_HOOK_MIDDLE as c_int);
    pub(crate) const LAST: Self = Self::at(ffi::APR_HOOK_LAST as c_int);
    pub(crate) const REALLY_LAST: Self = Self::at(ffi::APR_HOOK_REALLY_LAST as c_int);

    const fn at(place: c_int) -> Self {
        Self { after: None, before: None, place }
    }

    pub(crate) const fn after(self, modules: &'static Modules) -> Self {
        Self { after: Some(modules), ..self }
    }

    pub(crate) const fn before(self, modules: &'static Modules) -> Self {
        Self { before: Some(modules), ..self }
    }

    fn lists(self) -> [*const *const c_char; 2] {
        [self.after, self.before].map(|list| list.map_or(ptr::null(), |list| list.0.as_ptr()))
    }
}

/// Where the module registers what it has: httpd asks for it at each start and restart, from one thread. The functions stay
/// mapped (-z nodelete), and lists and names are static.
pub(crate) struct Registrar<'p>(Pool<'p>);

/// A method for a hook of httpd's own: its function, the trait that it is for, and the function that C calls.
macro_rules! hooks {
    ($($hook:ident: $kind:ident => $register:ident($function:ident);)+) => {$(
        pub(crate) fn $hook<H: $kind>(&self, order: Order) {
            let [after, before] = order.lists();
            // SAFETY: see `Registrar`.
            unsafe { ffi::$register(Some($function::<H>), after, before, order.place) };
        }
    )+};
}

impl Registrar<'_> {
    hooks! {
        check_config: ConfigHook => ap_hook_check_config(check_config);
        post_config: ConfigHook => ap_hook_post_config(post_config);
        process_connection: ConnectionHook => ap_hook_process_connection(of_connection);
        post_read_request: RequestHook => ap_hook_post_read_request(of_request);
        post_perdir_config: RequestHook => ap_hook_post_perdir_config(of_request);
        insert_filter: ResponseHook => ap_hook_insert_filter(of_response);
        insert_error_filter: ResponseHook => ap_hook_insert_error_filter(of_response);
    }

    /// The hook that decides, with `Require` and others, who may read what.
    pub(crate) fn check_access<H: RequestHook>(&self, order: Order) {
        let ([after, before], always) = (order.lists(), ffi::AP_AUTH_INTERNAL_PER_CONF as c_int);
        // SAFETY: see `Registrar`.
        unsafe { ffi::ap_hook_check_access(Some(of_request::<H>), after, before, order.place, always) };
    }

    /// The optional functions of mod_ssl and mod_http2 that [`Connection`] and [`Request`] ask.
    pub(crate) fn optional_functions(&self) {
        let [after, before] = Order::MIDDLE.lists();
        // SAFETY: see `Registrar`.
        unsafe {
            ffi::ap_hook_optional_fn_retrieve(
                Some(ffi::tb_retrieve_optional_functions),
                after,
                before,
                Order::MIDDLE.place,
            );
        }
    }

    /// mod_status's hook; without mod_status, nobody calls it.
    pub(crate) fn status_page<H: StatusPage>(&self) {
        type Hook = unsafe extern "C" fn(*mut ffi::request_rec, c_int) -> c_int;
        // SAFETY: mod_status calls the hook `status_hook` with exactly this function's arguments.
        let hook = unsafe { std::mem::transmute::<Hook, AnyHook>(status_page::<H>) };
        // SAFETY: as above.
        unsafe { optional::add(c"status_hook", hook) };
    }

    /// An extension of the TLS handshakes that mod_ssl does; without mod_ssl, there are none.
    pub(crate) fn tls_extension<E: TlsExtension>(&self) {
        ssl::register::<E>();
    }

    pub(crate) fn authz_provider<P: AuthzProvider>(&self) {
        authz::register::<P>(self.0);
    }

    pub(crate) fn expression<F: ExpressionFunction>(&self) {
        expression::register::<F>();
    }

    pub(crate) fn output_filter<F: OutputFilter>(&self) {
        filter::register_output::<F>();
    }

    pub(crate) fn input_filter<F: InputFilter>(&self) {
        filter::register_input::<F>();
    }
}

/// Where the module registers what it needs only because of a directive: httpd sorts its hooks once more when it has read its
/// configuration.
pub(crate) struct LateRegistrar(());

impl LateRegistrar {
    /// For whoever reads httpd's configuration, at a start or a restart.
    pub(super) const fn new() -> Self {
        Self(())
    }

    pub(crate) fn quick_handler<H: QuickHandler>(&self, order: Order) {
        let [after, before] = order.lists();
        // SAFETY: see `Registrar`; httpd reads its configuration in one thread, too.
        unsafe { ffi::ap_hook_quick_handler(Some(quick_handler::<H>), after, before, order.place) };
    }

    pub(crate) fn log_transaction<H: RequestHook>(&self, order: Order) {
        let [after, before] = order.lists();
        // SAFETY: as above.
        unsafe { ffi::ap_hook_log_transaction(Some(of_request::<H>), after, before, order.place) };
    }
}

/// What httpd's record names as the function that registers hooks.
///
/// # Safety
/// `pool` must be httpd's pool for the configuration.
pub(super) unsafe fn register(pool: *mut ffi::apr_pool_t, hooks: fn(&Registrar<'_>)) {
    let is_registered = guard(Site("RegisterHooks"), Sink::PROCESS, false, || {
        // SAFETY: the caller's promise.
        let registrar = Registrar(unsafe { Pool::from_raw(pool) });
        filter::register_refusing();
        hooks(&registrar);
        true
    });
    if !is_registered {
        // httpd takes no answer here, and without the hooks nothing would be refused.
        std::process::exit(1);
    }
}

unsafe extern "C" fn check_config<H: ConfigHook>(
    _pool: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temporary: *mut ffi::apr_pool_t,
    main: *mut ffi::server_rec,
) -> c_int {
    // SAFETY: httpd gives the main server of the configuration it has read.
    unsafe { of_main::<H>(main) }
}

unsafe extern "C" fn post_config<H: ConfigHook>(
    _pool: *mut ffi::apr_pool_t,
    _log: *mut ffi::apr_pool_t,
    _temporary: *mut ffi::apr_pool_t,
    main: *mut ffi::server_rec,
) -> c_int {
    // SAFETY: httpd gives the main server of the configuration it starts with.
    unsafe { of_main::<H>(main) }
}

/// # Safety
/// `main` must be the main server of the configuration.
unsafe fn of_main<H: ConfigHook>(main: *mut ffi::server_rec) -> c_int {
    // SAFETY: the caller's promise.
    let main = unsafe { Server::from_raw(main) };
    guard(H::SITE, main.sink(), REFUSED, || H::run(main).code())
}

unsafe extern "C" fn of_connection<H: ConnectionHook>(connection: *mut ffi::conn_rec) -> c_int {
    // SAFETY: httpd gives the connection that this thread is to process.
    let connection = unsafe { Connection::from_raw(connection) };
    // A fault is not the end of the connection: what it left undone, its requests find out.
    guard(H::SITE, connection.sink(), ffi::DECLINED, || H::run(connection).code())
}

unsafe extern "C" fn of_request<H: RequestHook>(request: *mut ffi::request_rec) -> c_int {
    if !H::is_needed() {
        return ffi::DECLINED;
    }
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(H::SITE, request.sink(), REFUSED, || H::run(request).code())
}

unsafe extern "C" fn quick_handler<H: QuickHandler>(
    request: *mut ffi::request_rec,
    is_lookup: c_int,
) -> c_int {
    // A look-up asks what would be answered, and answers nothing.
    if is_lookup != 0 {
        return ffi::DECLINED;
    }
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(H::SITE, request.sink(), REFUSED, || H::run(request).map_or(ffi::DECLINED, |()| ffi::OK))
}

unsafe extern "C" fn of_response<H: ResponseHook>(request: *mut ffi::request_rec) {
    // SAFETY: httpd gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard_response(H::SITE, request, (), || H::run(request));
}

unsafe extern "C" fn status_page<H: StatusPage>(request: *mut ffi::request_rec, flags: c_int) -> c_int {
    // SAFETY: mod_status gives the request that this thread serves.
    let request = unsafe { Request::from_raw(request) };
    guard(H::SITE, request.sink(), ffi::DECLINED, || {
        match H::text(flags & ffi::AP_STATUS_SHORT as c_int != 0) {
            Some(text) => {
                request.write(&text);
                ffi::OK
            }
            None => ffi::DECLINED,
        }
    })
}
