//! What the module keeps with servers, directories and requests.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::CStr;
use std::sync::Arc;

use token_binding_server::bindings::TokenBindings;
use token_binding_server::config::{DirectoryConfig, ServerConfig};
use token_binding_server::variable::{Facts, PassVar};

use crate::httpd::request::Request;
use crate::httpd::server::Server;

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

/// What is kept with a request on a virtual host that binds cookies.
#[derive(Debug)]
pub(super) struct CookieState {
    pub(super) kind: ClientKind,
    /// Whether it came with a bound cookie whose seal holds.
    pub(super) had_cookie: bool,
    /// The `Set-Cookie` lines that were sealed for it: an error page takes them over, and they must not be sealed again.
    pub(super) sealed: RefCell<Lines>,
}

/// Header lines. Most responses have one, which is kept without another allocation.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    pub(super) fn add(&mut self, line: Vec<u8>) {
        if self.0.is_empty() {
            self.0 = line;
        } else {
            self.0.push(b'\n');
            self.0.extend(line);
        }
    }

    pub(super) fn has(&self, line: &[u8]) -> bool {
        !line.is_empty() && (self.0 == line || self.0.split(|byte| *byte == b'\n').any(|one| one == line))
    }
}

/// What is known of the client; which key it has proved, the request's Token Bindings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientKind {
    Bound,
    Unbound,
    Unknown,
    Trace,
}

/// The settings of a server or virtual host; `None` only after a fault when they were made.
pub(super) fn server_config(server: Server<'_>) -> Option<&ServerConfig> {
    server.kept()
}

/// What is known of a request. A request that continues another one (an internal redirect, a sub-request) has what is known of
/// that one, too.
pub(super) trait Known<'r>: Copy {
    /// The settings of the virtual host that it is for; `None` only after a fault at start-up.
    fn server_config(self) -> Option<&'r ServerConfig>;
    /// The settings of the directory that it is for, known from httpd's header_parser hook on.
    fn directory_config(self) -> Option<&'r DirectoryConfig>;
    /// Tells the settings of one directory from those of another.
    fn directory_address(self) -> usize;
    /// Whether the server made this request itself, to push the response (RFC 7540 s8.2).
    fn is_pushed(self) -> bool;
    /// Whether anything is known.
    fn is_known(self) -> bool;
    fn bindings(self) -> Option<&'r TokenBindings>;
    fn cookies(self) -> Option<&'r CookieState>;
    /// The fingerprint of the client's certificate.
    fn certificate(self) -> Option<&'r CStr>;
    fn facts(self) -> Facts<'r>;
    /// What was passed on last, and for which directory's settings.
    fn passed(self) -> Option<(PassVar, usize)>;
    /// Whether the answer depends on what somebody asked of the client's Token Binding.
    fn is_asked(self) -> bool;
    /// Whether the filters of this very request's response were put together.
    fn is_prepared(self) -> bool;

    fn keep_bindings(self, bindings: TokenBindings) -> Option<&'r TokenBindings>;
    fn keep_cookies(self, cookies: CookieState);
    fn keep_certificate(self, fingerprint: Arc<CStr>);
    /// Remembers what was passed on.
    fn note_passed(self, pass: PassVar);
    /// Remembers that the answer depends on it: of this request, and of those which it continues.
    fn note_asked(self);
    /// Remembers that the filters were put together, of a request that something is known of.
    fn note_prepared(self);
}

/// mod_http2's name for the variable that says whether a stream was pushed.
const PUSHED: &CStr = c"H2_PUSHED";

fn state<'r>(request: Request<'r>) -> Option<&'r RequestState> {
    request.kept()
}

#[cold]
fn new_state(request: Request<'_>) -> &RequestState {
    request.keep(RequestState::default())
}

fn own_state(request: Request<'_>) -> &RequestState {
    state(request).unwrap_or_else(|| new_state(request))
}

/// What a request has, or the one which it continues.
fn inherited<'r, T>(mut request: Request<'r>, get: impl Fn(&'r RequestState) -> Option<T>) -> Option<T> {
    loop {
        match state(request).and_then(&get) {
            None => request = request.origin()?,
            found => return found,
        }
    }
}

impl<'r> Known<'r> for Request<'r> {
    fn server_config(self) -> Option<&'r ServerConfig> {
        server_config(self.server())
    }

    fn directory_config(self) -> Option<&'r DirectoryConfig> {
        self.kept_by_directory()
    }

    fn directory_address(self) -> usize {
        self.directory_config().map_or(0, |directory| std::ptr::from_ref(directory).addr())
    }

    fn is_pushed(self) -> bool {
        self.connection().is_secondary() && self.http2_variable(PUSHED).is_some_and(|value| !value.is_empty())
    }

    fn is_known(self) -> bool {
        inherited(self, |_| Some(())).is_some()
    }

    fn bindings(self) -> Option<&'r TokenBindings> {
        inherited(self, |state| state.bindings.as_ref())
    }

    fn cookies(self) -> Option<&'r CookieState> {
        inherited(self, |state| state.cookies.get())
    }

    fn certificate(self) -> Option<&'r CStr> {
        inherited(self, |state| state.certificate.get()).map(|fingerprint| &**fingerprint)
    }

    fn facts(self) -> Facts<'r> {
        Facts { bindings: self.bindings(), certificate: self.certificate() }
    }

    fn passed(self) -> Option<(PassVar, usize)> {
        inherited(self, |state| state.passed.get())
    }

    fn is_asked(self) -> bool {
        inherited(self, |state| state.is_asked.get().then_some(())).is_some()
    }

    fn is_prepared(self) -> bool {
        state(self).is_some_and(|state| state.is_prepared.get())
    }

    fn keep_bindings(self, bindings: TokenBindings) -> Option<&'r TokenBindings> {
        self.keep(RequestState { bindings: Some(bindings), ..RequestState::default() }).bindings.as_ref()
    }

    fn keep_cookies(self, cookies: CookieState) {
        // Known once, and then for good.
        let _ = own_state(self).cookies.set(cookies);
    }

    fn keep_certificate(self, fingerprint: Arc<CStr>) {
        // Asked for once in a request; one that httpd redirects to has a place of its own.
        let _ = own_state(self).certificate.set(fingerprint);
    }

    fn note_passed(self, pass: PassVar) {
        own_state(self).passed.set(Some((pass, self.directory_address())));
    }

    fn note_asked(self) {
        own_state(self).is_asked.set(true);
        if let Some(origin) = self.origin() {
            origin.note_asked();
        }
    }

    fn note_prepared(self) {
        if let Some(state) = state(self) {
            state.is_prepared.set(true);
        }
    }
}
