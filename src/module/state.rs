//! What the module keeps with servers, directories and requests.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::{CStr, CString};
use std::sync::Arc;

use token_binding_server::bindings::TokenBindings;
use token_binding_server::config::{DirectoryConfig, ServerConfig};
use token_binding_server::cookies::incoming::Upgrade;
use token_binding_server::cookies::settings::{Now, Proved};
use token_binding_server::dbsc::pending::Waiting;
use token_binding_server::dbsc::tokens::{Registered, ShortLived};
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
pub(super) struct CookieState {
    pub(super) kind: ClientKind,
    /// Whether it came with a bound cookie whose seal holds, or with the proof of a device's key.
    pub(super) had_cookie: bool,
    /// Only where DBSC is on, and the client has no Token Binding.
    pub(super) dbsc: Option<Box<DbscState>>,
    /// The `Set-Cookie` lines that were sealed for it: an error page takes them over, and they must not be sealed again.
    pub(super) sealed: RefCell<Lines>,
}

/// What is kept with a request of a client without Token Binding, on a virtual host with DBSC.
pub(super) struct DbscState {
    pub(super) client: DbscClient,
    /// The newest registration that its cookies tell of.
    pub(super) newest: Option<Registered>,
    /// Cookies to set again in the response, sealed to the client's key.
    pub(super) upgrades: Cell<Vec<Upgrade>>,
    /// The header that offers a registration, once it is decided to.
    pub(super) offer: OnceCell<CString>,
}

#[derive(Debug)]
pub(super) enum DbscClient {
    /// Has proved the key of its device, whose thumbprint is here as text, too.
    Proved(Proved, CString),
    /// Has not, at this time.
    Waiting(Waiting, Now),
}

impl DbscState {
    /// The client, by its short-lived cookie.
    pub(super) fn new(short_lived: Option<ShortLived>, newest: Option<Registered>, now: Now) -> Self {
        let client = match short_lived {
            Some(by) if by.is_proved => DbscClient::Proved(Proved { by, now }, by.key_text()),
            Some(by) => DbscClient::Waiting(Waiting::for_registered(by.registered.id), now),
            None => DbscClient::Waiting(Waiting::default(), now),
        };
        let newest = newest.max(short_lived.map(|cookie| cookie.registered));
        Self { client, newest, upgrades: Cell::default(), offer: OnceCell::new() }
    }
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
    /// The thumbprint of the key that the client's device has proved.
    fn device(self) -> Option<&'r CStr>;
    /// Whether the client has proved a key, by Token Binding or by DBSC.
    fn has_key(self) -> bool;
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

    fn device(self) -> Option<&'r CStr> {
        match &self.cookies()?.dbsc.as_ref()?.client {
            DbscClient::Proved(_, thumbprint) => Some(thumbprint),
            DbscClient::Waiting(..) => None,
        }
    }

    fn has_key(self) -> bool {
        self.bindings().is_some() || self.device().is_some()
    }

    fn facts(self) -> Facts<'r> {
        Facts { bindings: self.bindings(), certificate: self.certificate(), device: self.device() }
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
