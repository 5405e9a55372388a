//! A request and what the module keeps with it.

use std::cell::OnceCell;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;

use super::connection::Connection;
use super::cookies::CookieState;
use super::ffi;
use super::pool::Pool;
use super::record;
use super::server::Server;
use super::table::Table;
use crate::bindings::TokenBindings;
use crate::config::{DirectoryConfig, ServerConfig};
use crate::policy::Variable;

/// mod_http2's name for the variable that says whether a stream was pushed.
const PUSHED: &CStr = c"H2_PUSHED";

/// What is kept with a request from the moment something is known of it: with an unbound request that has to do with no
/// bound cookie, nothing.
#[derive(Default)]
pub(super) struct RequestState {
    bindings: Option<TokenBindings>,
    cookies: OnceCell<CookieState>,
}

/// A `request_rec` that lives at least as long as `'r`, used by one thread.
#[derive(Clone, Copy)]
pub(super) struct Request<'r> {
    raw: *mut ffi::request_rec,
    lifetime: PhantomData<&'r ()>,
}

impl<'r> Request<'r> {
    /// # Safety
    /// `raw` must be a `request_rec` that is valid during `'r`, on the thread that serves it.
    pub(super) unsafe fn from_raw(raw: *mut ffi::request_rec) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(super) fn as_ptr(self) -> *mut ffi::request_rec {
        self.raw
    }

    pub(super) fn pool(self) -> Pool<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let pool = unsafe { (*self.raw).pool };
        // SAFETY: a request's pool lives as long as the request and is used by the thread that serves it.
        unsafe { Pool::from_raw(pool) }
    }

    pub(super) fn connection(self) -> Connection<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let connection = unsafe { (*self.raw).connection };
        // SAFETY: a request's connection outlives it.
        unsafe { Connection::from_raw(connection) }
    }

    /// The settings of the virtual host that the request is for; `None` only after a fault at start-up.
    pub(super) fn server_config(self) -> Option<&'r ServerConfig> {
        // SAFETY: the request_rec is valid (from_raw).
        let server = unsafe { (*self.raw).server };
        // SAFETY: a request's virtual host outlives it.
        unsafe { Server::from_raw(server) }.config()
    }

    /// The settings of the directory that the request is for, known from httpd's header_parser hook on.
    pub(super) fn directory_config(self) -> Option<&'r DirectoryConfig> {
        // SAFETY: the request_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).per_dir_config };
        // SAFETY: per_dir_config is the request's vector, the module record is ours.
        let config = unsafe { ffi::ap_get_module_config(configs, record::module()) };
        // SAFETY: our slot holds what `create_directory_config` or the merge made, which outlives the request.
        unsafe { config.cast::<DirectoryConfig>().as_ref() }
    }

    /// The request that this one continues: the one it was redirected from internally, or is a part of.
    pub(super) fn origin(self) -> Option<Self> {
        // SAFETY: the request_rec is valid (from_raw).
        let request = unsafe { &*self.raw };
        let origin = if request.prev.is_null() { request.main } else { request.prev };
        // SAFETY: httpd keeps the request that another one continues until both are done.
        (!origin.is_null()).then(|| unsafe { Self::from_raw(origin) })
    }

    /// Is it a part of another request (SSI's `include`, a look-up)? Then it has no response of its own.
    pub(super) fn is_sub_request(self) -> bool {
        // SAFETY: the request_rec is valid (from_raw).
        !unsafe { (*self.raw).main }.is_null()
    }

    pub(super) fn headers(self) -> Table<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).headers_in };
        // SAFETY: a request's tables live in its pool.
        unsafe { Table::from_raw(table) }
    }

    /// The response's headers, and those that it also has when an error document takes its place.
    pub(super) fn response_headers(self) -> [Table<'r>; 2] {
        // SAFETY: the request_rec is valid (from_raw).
        let request = unsafe { &*self.raw };
        // SAFETY: a request's tables live in its pool.
        [request.headers_out, request.err_headers_out].map(|table| unsafe { Table::from_raw(table) })
    }

    /// The response's status code.
    pub(super) fn status(self) -> u16 {
        // SAFETY: the request_rec is valid (from_raw).
        u16::try_from(unsafe { (*self.raw).status }).unwrap_or(0)
    }

    /// Identifies the header table, to see whether httpd has put another in its place.
    pub(super) fn headers_identity(self) -> usize {
        // SAFETY: the request_rec is valid (from_raw).
        unsafe { (*self.raw).headers_in }.addr()
    }

    pub(super) fn trailers(self) -> Option<Table<'r>> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).trailers_in };
        // SAFETY: a request's tables live in its pool.
        (!table.is_null()).then(|| unsafe { Table::from_raw(table) })
    }

    pub(super) fn environment(self) -> Table<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).subprocess_env };
        // SAFETY: a request's tables live in its pool.
        unsafe { Table::from_raw(table) }
    }

    /// Did the server make this request itself, to push the response (RFC 7540 s8.2)?
    pub(super) fn is_pushed(self) -> bool {
        if !self.connection().is_secondary() {
            return false;
        }
        // SAFETY: the request_rec is valid (from_raw); mod_http2 only reads the name.
        let value = unsafe { ffi::tb_http2_variable(self.raw, PUSHED.as_ptr()) };
        // SAFETY: mod_http2 answers with a C string, or NULL.
        !value.is_null() && !unsafe { CStr::from_ptr(value) }.is_empty()
    }

    /// The request's Token Bindings, or those of the request which it continues.
    pub(super) fn bindings(self) -> Option<&'r TokenBindings> {
        let own = self.state().and_then(|state| state.bindings.as_ref());
        own.or_else(|| self.origin().and_then(Self::bindings))
    }

    /// What is known of the request's cookies, or of those of the request which it continues.
    pub(super) fn cookies(self) -> Option<&'r CookieState> {
        let own = self.state().and_then(|state| state.cookies.get());
        own.or_else(|| self.origin().and_then(Self::cookies))
    }

    fn state(self) -> Option<&'r RequestState> {
        // SAFETY: the request_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).request_config };
        // SAFETY: request_config is the request's vector, the module record is ours.
        let state = unsafe { ffi::ap_get_module_config(configs, record::module()) };
        // SAFETY: our slot holds nothing or what `keep` put there, which lives as long as the request.
        unsafe { state.cast::<RequestState>().as_ref() }
    }

    /// Keeps the Token Bindings with the request.
    pub(super) fn keep(self, bindings: TokenBindings) -> Option<&'r TokenBindings> {
        self.keep_state(RequestState { bindings: Some(bindings), ..RequestState::default() })
            .bindings
            .as_ref()
    }

    /// Keeps what is known of the request's cookies.
    pub(super) fn keep_cookies(self, cookies: CookieState) {
        let state = self.state().unwrap_or_else(|| self.keep_state(RequestState::default()));
        // Known once, and then for good.
        let _ = state.cookies.set(cookies);
    }

    fn keep_state(self, state: RequestState) -> &'r RequestState {
        let state = self.pool().place(state);
        // SAFETY: the request_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).request_config };
        // SAFETY: request_config is the request's vector, the module record is ours; the state lives in the
        // request's pool, as long as the vector.
        unsafe { ffi::ap_set_module_config(configs, record::module(), ptr::from_mut(state).cast()) };
        state
    }

    /// Passes the bindings on, before anything is known of the directory. The request's headers have just been cleared of
    /// the names that are set.
    pub(super) fn pass_on_first(self, bindings: &TokenBindings, config: &'r ServerConfig) {
        let (environment, headers) = (self.environment(), self.headers());
        if !environment.is_empty() {
            return self.pass_on(bindings, config, None);
        }
        let pass = config.pass(None);
        for variable in Variable::ALL.into_iter().filter(|variable| pass.includes(*variable)) {
            let Some(value) = variable.value(bindings) else { continue };
            let value = self.pool().copy_text(&value);
            environment.add(config.env_name(variable), value);
            if config.pass_headers() {
                headers.add(variable.header_name(), value);
            }
        }
    }

    /// Passes the bindings on: sets the variables that the directory's settings name and takes back the others, in the
    /// environment and, if so configured, in the request's headers.
    pub(super) fn pass_on(
        self,
        bindings: &TokenBindings,
        config: &'r ServerConfig,
        directory: Option<&DirectoryConfig>,
    ) {
        let pass = config.pass(directory);
        for variable in Variable::ALL {
            let value = if pass.includes(variable) { variable.value(bindings) } else { None };
            let value = value.map(|value| self.pool().copy_text(&value));
            let put = |table: Table<'r>, name: &'r CStr| match value {
                Some(value) => table.set(name, value),
                None => table.unset(name),
            };
            put(self.environment(), config.env_name(variable));
            if config.pass_headers() {
                put(self.headers(), variable.header_name());
            }
        }
    }
}
