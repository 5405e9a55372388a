//! A request and what the module keeps with it.

use std::cell::{Cell, OnceCell};
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use crate::httpd::connection::Connection;
use crate::httpd::ffi;
use crate::httpd::pool::Pool;
use crate::httpd::server::Server;
use crate::httpd::slot;
use crate::httpd::table::{MessageEntry, Table};
use crate::module::cookies::CookieState;
use token_binding_server::bindings::TokenBindings;
use token_binding_server::config::{DirectoryConfig, ServerConfig};
use token_binding_server::variable::{Facts, PassVar, Value, Variable};

/// mod_http2's name for the variable that says whether a stream was pushed.
const PUSHED: &CStr = c"H2_PUSHED";

/// What is kept with a request from the moment something is known of it: with an unbound request that has to do with no
/// bound cookie, nothing.
#[derive(Default)]
pub(crate) struct RequestState {
    bindings: Option<TokenBindings>,
    cookies: OnceCell<CookieState>,
    /// The fingerprint of the client's certificate.
    certificate: OnceCell<Arc<CStr>>,
    /// What was passed on last, and the directory's settings that it was for, by their address.
    passed: Cell<Option<(PassVar, usize)>>,
    /// Whether the answer depends on what somebody asked of the client's Token Binding.
    is_asked: Cell<bool>,
    /// Whether the response's filters were put together.
    is_prepared: Cell<bool>,
}

/// A `request_rec` that lives at least as long as `'r`, used by one thread.
#[derive(Clone, Copy)]
pub(crate) struct Request<'r> {
    raw: *mut ffi::request_rec,
    lifetime: PhantomData<&'r ()>,
}

impl<'r> Request<'r> {
    /// # Safety
    /// `raw` must be a `request_rec` that is valid during `'r`, on the thread that serves it.
    pub(crate) unsafe fn from_raw(raw: *mut ffi::request_rec) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut ffi::request_rec {
        self.raw
    }

    pub(crate) fn pool(self) -> Pool<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let pool = unsafe { (*self.raw).pool };
        // SAFETY: a request's pool lives as long as the request and is used by the thread that serves it.
        unsafe { Pool::from_raw(pool) }
    }

    pub(crate) fn connection(self) -> Connection<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let connection = unsafe { (*self.raw).connection };
        // SAFETY: a request's connection outlives it.
        unsafe { Connection::from_raw(connection) }
    }

    /// The settings of the virtual host that the request is for; `None` only after a fault at start-up.
    pub(crate) fn server_config(self) -> Option<&'r ServerConfig> {
        // SAFETY: the request_rec is valid (from_raw).
        let server = unsafe { (*self.raw).server };
        // SAFETY: a request's virtual host outlives it.
        unsafe { Server::from_raw(server) }.config()
    }

    /// The settings of the directory that the request is for, known from httpd's header_parser hook on.
    pub(crate) fn directory_config(self) -> Option<&'r DirectoryConfig> {
        // SAFETY: the request_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).per_dir_config };
        // SAFETY: per_dir_config is the request's vector.
        let config: *mut DirectoryConfig = unsafe { slot::get(configs) };
        // SAFETY: our slot holds what `create_directory_config` or the merge made, which outlives the request.
        unsafe { config.as_ref() }
    }

    /// The request that this one continues: the one it was redirected from internally, or is a part of.
    pub(crate) fn origin(self) -> Option<Self> {
        // SAFETY: the request_rec is valid (from_raw).
        let request = unsafe { &*self.raw };
        let origin = if request.prev.is_null() { request.main } else { request.prev };
        // SAFETY: httpd keeps the request that another one continues until both are done.
        (!origin.is_null()).then(|| unsafe { Self::from_raw(origin) })
    }

    /// Is it a part of another request (SSI's `include`, a look-up)? Then it has no response of its own.
    pub(crate) fn is_sub_request(self) -> bool {
        // SAFETY: the request_rec is valid (from_raw).
        !unsafe { (*self.raw).main }.is_null()
    }

    /// The request that this one is a part of, directly or through others; or itself.
    pub(crate) fn whole(self) -> Self {
        // SAFETY: the request_rec is valid (from_raw).
        let main = unsafe { (*self.raw).main };
        // SAFETY: httpd keeps the request that another one is a part of until both are done.
        if main.is_null() { self } else { unsafe { Self::from_raw(main) }.whole() }
    }

    pub(crate) fn headers(self) -> Table<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).headers_in };
        // SAFETY: a request's tables live in its pool.
        unsafe { Table::from_raw(table) }
    }

    /// The response's headers, and those that it also has when an error document takes its place.
    pub(crate) fn response_headers(self) -> [Table<'r>; 2] {
        // SAFETY: the request_rec is valid (from_raw).
        let request = unsafe { &*self.raw };
        // SAFETY: a request's tables live in its pool.
        [request.headers_out, request.err_headers_out].map(|table| unsafe { Table::from_raw(table) })
    }

    /// The response's status code.
    pub(crate) fn status(self) -> u16 {
        // SAFETY: the request_rec is valid (from_raw).
        u16::try_from(unsafe { (*self.raw).status }).unwrap_or(0)
    }

    /// Puts another table in the place of the request's headers.
    pub(crate) fn set_headers(self, headers: Table<'r>) {
        // SAFETY: the request_rec is valid (from_raw), and the table lives as long.
        unsafe { (*self.raw).headers_in = headers.as_ptr() };
    }

    /// Whether the answer shows the request as it has arrived (RFC 9110 s9.3.8).
    pub(crate) fn is_trace(self) -> bool {
        // SAFETY: the request_rec is valid (from_raw).
        unsafe { (*self.raw).method_number == ffi::M_TRACE as c_int }
    }

    pub(crate) fn trailers(self) -> Option<Table<'r>> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).trailers_in };
        // SAFETY: a request's tables live in its pool.
        (!table.is_null()).then(|| unsafe { Table::from_raw(table) })
    }

    pub(crate) fn environment(self) -> Table<'r> {
        // SAFETY: the request_rec is valid (from_raw).
        let table = unsafe { (*self.raw).subprocess_env };
        // SAFETY: a request's tables live in its pool.
        unsafe { Table::from_raw(table) }
    }

    /// Did the server make this request itself, to push the response (RFC 7540 s8.2)?
    pub(crate) fn is_pushed(self) -> bool {
        if !self.connection().is_secondary() {
            return false;
        }
        // SAFETY: the request_rec is valid (from_raw); mod_http2 only reads the name.
        let value = unsafe { ffi::tb_http2_variable(self.raw, PUSHED.as_ptr()) };
        // SAFETY: mod_http2 answers with a C string, or NULL.
        !value.is_null() && !unsafe { CStr::from_ptr(value) }.is_empty()
    }

    /// The request's Token Bindings, or those of the request which it continues.
    pub(crate) fn bindings(self) -> Option<&'r TokenBindings> {
        let own = self.state().and_then(|state| state.bindings.as_ref());
        own.or_else(|| self.origin().and_then(Self::bindings))
    }

    /// What is known of the request's cookies, or of those of the request which it continues.
    pub(crate) fn cookies(self) -> Option<&'r CookieState> {
        let own = self.state().and_then(|state| state.cookies.get());
        own.or_else(|| self.origin().and_then(Self::cookies))
    }

    /// Whether something is known of this request, or of the one which it continues.
    pub(crate) fn is_known(self) -> bool {
        self.state().is_some() || self.origin().is_some_and(Self::is_known)
    }

    fn state(self) -> Option<&'r RequestState> {
        // SAFETY: the request_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).request_config };
        // SAFETY: request_config is the request's vector.
        let state: *mut RequestState = unsafe { slot::get(configs) };
        // SAFETY: our slot holds nothing or what `keep` put there, which lives as long as the request.
        unsafe { state.as_ref() }
    }

    /// What is known of the client of this request, or of the one which it continues.
    pub(crate) fn facts(self) -> Facts<'r> {
        Facts { bindings: self.bindings(), certificate: self.certificate() }
    }

    fn certificate(self) -> Option<&'r CStr> {
        let own = self.state().and_then(|state| state.certificate.get());
        own.map(|fingerprint| &**fingerprint).or_else(|| self.origin().and_then(Self::certificate))
    }

    /// Whether the answer depends on what somebody asked of the client's Token Binding, or that to the request which this
    /// one continues.
    pub(crate) fn is_asked(self) -> bool {
        self.state().is_some_and(|state| state.is_asked.get()) || self.origin().is_some_and(Self::is_asked)
    }

    /// Remembers that it does: of this request, and of those which it is a part of.
    pub(crate) fn note_asked(self) {
        self.own_state().is_asked.set(true);
        if let Some(origin) = self.origin() {
            origin.note_asked();
        }
    }

    /// Remembers that the response's filters were put together, of a request that something is known of.
    pub(crate) fn note_prepared(self) {
        if let Some(state) = self.state() {
            state.is_prepared.set(true);
        }
    }

    pub(crate) fn is_prepared(self) -> bool {
        self.state().is_some_and(|state| state.is_prepared.get())
    }

    /// Keeps the Token Bindings with the request.
    pub(crate) fn keep(self, bindings: TokenBindings) -> Option<&'r TokenBindings> {
        self.keep_state(RequestState { bindings: Some(bindings), ..RequestState::default() })
            .bindings
            .as_ref()
    }

    /// Keeps what is known of the request's cookies.
    pub(crate) fn keep_cookies(self, cookies: CookieState) {
        // Known once, and then for good.
        let _ = self.own_state().cookies.set(cookies);
    }

    /// Keeps the fingerprint of the client's certificate.
    pub(crate) fn keep_certificate(self, fingerprint: Arc<CStr>) {
        // Asked for once in a request; one that httpd redirects to has a place of its own.
        let _ = self.own_state().certificate.set(fingerprint);
    }

    fn own_state(self) -> &'r RequestState {
        self.state().unwrap_or_else(|| self.keep_state(RequestState::default()))
    }

    fn keep_state(self, state: RequestState) -> &'r RequestState {
        let state = self.pool().place(state);
        // SAFETY: the request_rec is valid (from_raw).
        let configs = unsafe { (*self.raw).request_config };
        // SAFETY: request_config is the request's vector; the state lives in the
        // request's pool, as long as the vector.
        unsafe { slot::set(configs, ptr::from_mut(state)) };
        state
    }

    /// What was passed on last, in this request or in the one which it continues, and for which directory's settings.
    pub(crate) fn passed(self) -> Option<(PassVar, usize)> {
        let own = self.state().and_then(|state| state.passed.get());
        own.or_else(|| self.origin().and_then(Self::passed))
    }

    /// Passes the facts on, before anything is known of the directory. The request's headers have just been cleared of the
    /// names that are set, but for the message itself.
    pub(crate) fn pass_on_first(
        self,
        facts: Facts<'r>,
        config: &'r ServerConfig,
        mut message: Option<MessageEntry<'r>>,
    ) {
        let pass = config.pass(None);
        if !self.environment().is_empty() {
            return self.pass_on(facts, config, pass);
        }
        let (environment, headers) = (self.environment(), self.headers());
        let to_headers = config.pass_headers() && !self.is_trace();
        for &variable in facts.to_pass(pass) {
            let Some(value) = facts.value(variable).filter(|_| pass.includes(variable)) else { continue };
            let value = self.text(value);
            environment.add(config.env_name(variable), value);
            for name in variable.header_names().iter().filter(|_| to_headers) {
                match message.take_if(|_| variable == Variable::Provided) {
                    Some(message) => message.replace(name, value),
                    None => headers.add(name, value),
                }
            }
        }
        self.note_passed(pass);
    }

    /// Passes the facts on: sets the variables of `pass` and takes back the others, in the environment and, if so configured,
    /// in the request's headers.
    pub(crate) fn pass_on(self, facts: Facts<'r>, config: &'r ServerConfig, pass: PassVar) {
        let to_headers = config.pass_headers() && !self.is_trace();
        for variable in Variable::ALL {
            let value = if pass.includes(variable) { facts.value(variable) } else { None };
            let value = value.map(|value| self.text(value));
            let put = |table: Table<'r>, name: &'r CStr| match value {
                Some(value) => table.set(name, value),
                None => table.unset(name),
            };
            put(self.environment(), config.env_name(variable));
            // The header's, which whoever prepared the environment of the request that this one is a part of has left there.
            self.environment().unset(variable.cgi_name());
            for name in variable.header_names().iter().filter(|_| to_headers) {
                put(self.headers(), name);
            }
        }
        self.note_passed(pass);
    }

    pub(crate) fn note_passed(self, pass: PassVar) {
        self.own_state().passed.set(Some((pass, self.directory_address())));
    }

    /// Tells the settings of one directory from those of another.
    pub(crate) fn directory_address(self) -> usize {
        self.directory_config().map_or(0, |directory| ptr::from_ref(directory).addr())
    }

    /// A text that is kept with the request lives as long as its tables, in the same pool.
    fn text(self, value: Value<'r>) -> &'r CStr {
        match value {
            Value::Kept(text) => text,
            Value::Made(text) => self.pool().copy_text(&text),
        }
    }
}
