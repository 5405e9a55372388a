//! mod_ssl's handshakes, and OpenSSL's `SSL` objects.
//!
//! An extension is registered with every `SSL_CTX` for clients, also those of virtual hosts that want nothing of it, whose
//! callbacks then answer nothing. It has to be: mod_ssl switches to the virtual host's `SSL_CTX` in OpenSSL's ClientHello
//! callback, when OpenSSL has sized its list of received extensions by the first `SSL_CTX`'s custom extensions, and goes
//! through it by the second's. With more of them in the second it would read past the list's end.

use std::ffi::{c_char, c_int, c_uchar, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::OnceLock;

use ::openssl::error::ErrorStack;
use ::openssl::x509::{X509, X509Ref};
use foreign_types::ForeignTypeRef as _;
use openssl_sys::{self as openssl, SSL, SSL_CTX};

use super::connection::Connection;
use super::ffi;
use super::guard::{Site, guard};
use super::optional::{self, AnyHook};
use super::server::Server;
use super::slot::OfConnection;
use super::status::{REFUSED, Status};

const EXTENSION_CONTEXT: c_uint = openssl::SSL_EXT_CLIENT_HELLO
    | openssl::SSL_EXT_TLS1_2_SERVER_HELLO
    | openssl::SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS;

/// Why a handshake ends (RFC 8446 s6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alert {
    DecodeError = 50,
    InternalError = 80,
}

/// A TLS extension that a client offers in its ClientHello, and the server answers in ServerHello (TLS 1.2) or
/// EncryptedExtensions (TLS 1.3).
pub(crate) trait TlsExtension {
    const TYPE: u16;

    /// mod_ssl sets up the TLS of a virtual host, and the extension was registered with it, or could not be.
    fn set_up(server: Server<'_>, context: Context<'_>, registered: Result<(), ErrorStack>) -> Status;

    /// A handshake is about to begin, and the connection was noted with its SSL object, or could not be. Returns what to
    /// keep with the connection; `None` refuses the handshake.
    fn begin(connection: Connection<'_>, handle: Result<Handle, ErrorStack>) -> Option<OfConnection>;

    /// A client offers it, to the virtual host that its ClientHello names.
    fn offered(
        server: Server<'_>,
        connection: Connection<'_>,
        ssl: Ssl<'_>,
        body: &[u8],
    ) -> Result<(), Alert>;

    /// What the server answers, if anything.
    fn answer(
        server: Server<'_>,
        connection: Connection<'_>,
    ) -> Result<Option<impl AsRef<[u8]> + use<Self>>, Alert>;
}

/// An `SSL_CTX` that mod_ssl sets up.
#[derive(Clone, Copy)]
pub(crate) struct Context<'s> {
    raw: *mut SSL_CTX,
    lifetime: PhantomData<&'s ()>,
}

impl Context<'_> {
    /// Whether it has authorities that clients' certificates are verified with (SSLCACertificateFile, SSLCACertificatePath).
    pub(crate) fn has_client_authorities(self) -> bool {
        // SAFETY: the SSL_CTX is mod_ssl's, being set up.
        unsafe { ffi::tb_ssl_client_authorities(self.raw) > 0 }
    }
}

/// The SSL object of a connection, to be kept with it.
#[derive(Debug)]
pub(crate) struct Handle {
    connection: *const ffi::conn_rec,
    ssl: *mut SSL,
}

// SAFETY: `get` alone uses the pointers, and gives the SSL object to the thread of its connection only.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// The SSL object of this very connection, while mod_ssl has one.
    pub(crate) fn get<'c>(&self, connection: Connection<'c>) -> Option<Ssl<'c>> {
        if connection.as_ptr().cast_const() != self.connection || !connection.has_ssl() {
            return None;
        }
        // SAFETY: mod_ssl has just said that the connection's SSL object is there, and this is the connection's own thread.
        Some(unsafe { Ssl::from_raw(self.ssl) })
    }
}

/// Registers with mod_ssl's hooks; without mod_ssl, nobody calls them.
pub(super) fn register<E: TlsExtension>() {
    type InitServer =
        unsafe extern "C" fn(*mut ffi::server_rec, *mut ffi::apr_pool_t, c_int, *mut SSL_CTX) -> c_int;
    type PreHandshake = unsafe extern "C" fn(*mut ffi::conn_rec, *mut SSL, c_int) -> c_int;
    // SAFETY: mod_ssl calls the hook `init_server` with exactly this function's arguments.
    let init = unsafe { std::mem::transmute::<InitServer, AnyHook>(init_server::<E>) };
    // SAFETY: as above.
    unsafe { optional::add(c"init_server", init) };
    // SAFETY: mod_ssl calls the hook `pre_handshake` with exactly this function's arguments.
    let pre = unsafe { std::mem::transmute::<PreHandshake, AnyHook>(pre_handshake::<E>) };
    // SAFETY: as above.
    unsafe { optional::add(c"pre_handshake", pre) };
}

/// The version of the OpenSSL that is linked at run time.
pub(crate) fn openssl_version() -> &'static str {
    ::openssl::version::version()
}

/// Where an `SSL` keeps the `conn_rec` it belongs to: an index that OpenSSL gives out for the life of the process. The
/// module stays mapped through restarts (-z nodelete), and so is given one once. No callback is registered with it.
fn connection_index() -> c_int {
    static INDEX: OnceLock<c_int> = OnceLock::new();
    // SAFETY: no argument and no callback: OpenSSL only counts up.
    *INDEX.get_or_init(|| unsafe { openssl::SSL_get_ex_new_index(0, ptr::null_mut(), None, None, None) })
}

/// mod_ssl's hook `init_server`: each SSL_CTX, at start-up.
unsafe extern "C" fn init_server<E: TlsExtension>(
    server: *mut ffi::server_rec,
    _pool: *mut ffi::apr_pool_t,
    is_proxy: c_int,
    context: *mut SSL_CTX,
) -> c_int {
    // SAFETY: mod_ssl calls the hook with a virtual host of the configuration being set up.
    let server = unsafe { Server::from_raw(server) };
    guard(Site("InitServer"), server.sink(), REFUSED, || {
        if is_proxy != 0 {
            return ffi::OK;
        }
        let argument = server.as_ptr().cast::<c_void>();
        // SAFETY: the SSL_CTX is mod_ssl's, being set up. The callbacks stay mapped (-z nodelete), and their argument, the
        // server, lives as long as the configuration, as do the SSL_CTX and all that may call them.
        let added = unsafe {
            openssl::SSL_CTX_add_custom_ext(
                context,
                E::TYPE.into(),
                EXTENSION_CONTEXT,
                Some(add_extension::<E>),
                None,
                argument,
                Some(parse_extension::<E>),
                argument,
            )
        };
        let registered = if added == 1 && connection_index() >= 0 { Ok(()) } else { Err(ErrorStack::get()) };
        E::set_up(server, Context { raw: context, lifetime: PhantomData }, registered).code()
    })
}

/// mod_ssl's hook `pre_handshake`: notes which connection an `SSL` belongs to.
unsafe extern "C" fn pre_handshake<E: TlsExtension>(
    raw: *mut ffi::conn_rec,
    ssl: *mut SSL,
    is_proxy: c_int,
) -> c_int {
    // SAFETY: mod_ssl calls the hook with the connection it has just made the SSL object for.
    let connection = unsafe { Connection::from_raw(raw) };
    guard(Site("PreHandshake"), connection.sink(), REFUSED, || {
        if is_proxy != 0 {
            return ffi::OK;
        }
        // SAFETY: the SSL object is mod_ssl's, just made; mod_ssl frees it before the connection.
        let stored = unsafe { openssl::SSL_set_ex_data(ssl, connection_index(), raw.cast()) };
        let handle = if stored == 1 { Ok(Handle { connection: raw, ssl }) } else { Err(ErrorStack::get()) };
        match E::begin(connection, handle) {
            Some(kept) => {
                connection.keep(kept);
                ffi::OK
            }
            None => REFUSED,
        }
    })
}

/// OpenSSL has found the extension in a ClientHello. 1: go on; 0: end the handshake with the alert.
unsafe extern "C" fn parse_extension<E: TlsExtension>(
    ssl: *mut SSL,
    _type: c_uint,
    _context: c_uint,
    body: *const c_uchar,
    length: usize,
    _x: *mut openssl::X509,
    _chain_index: usize,
    alert: *mut c_int,
    server: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL calls back with the SSL object of the handshake, on the connection's thread.
    let ssl = unsafe { Ssl::from_raw(ssl) };
    let Some(connection) = ssl.connection() else { return 1 };
    let result = guard(Site("ParseExtension"), connection.sink(), Err(Alert::InternalError), || {
        // SAFETY: the argument given to SSL_CTX_add_custom_ext in `init_server`.
        let server = unsafe { Server::from_raw(server.cast()) };
        let body = if length == 0 {
            &[]
        } else {
            // SAFETY: OpenSSL gives the extension's `length` bytes, valid during the callback.
            unsafe { std::slice::from_raw_parts(body, length) }
        };
        E::offered(server, connection, ssl, body)
    });
    if let Err(description) = result {
        // SAFETY: OpenSSL's place for the alert, valid during the callback.
        unsafe { *alert = description as c_int };
    }
    result.is_ok().into()
}

/// OpenSSL asks for the extension in ServerHello or EncryptedExtensions. 1: add it; 0: leave it out; -1: end the
/// handshake with the alert.
unsafe extern "C" fn add_extension<E: TlsExtension>(
    ssl: *mut SSL,
    _type: c_uint,
    _context: c_uint,
    out: *mut *const c_uchar,
    length: *mut usize,
    _x: *mut openssl::X509,
    _chain_index: usize,
    alert: *mut c_int,
    server: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL calls back with the SSL object of the handshake, on the connection's thread.
    let ssl = unsafe { Ssl::from_raw(ssl) };
    let Some(connection) = ssl.connection() else { return 0 };
    let body = guard(Site("AddExtension"), connection.sink(), Err(Alert::InternalError), || {
        // SAFETY: the argument given to SSL_CTX_add_custom_ext in `init_server`.
        let server = unsafe { Server::from_raw(server.cast()) };
        E::answer(server, connection)
    });
    match body {
        Ok(Some(body)) => {
            let body = body.as_ref();
            // SAFETY: OpenSSL's places for the body, valid during the callback; the copy lives with the connection.
            unsafe { *out = connection.pool().copy(body).cast() };
            // SAFETY: as above.
            unsafe { *length = body.len() };
            1
        }
        Ok(None) => 0,
        Err(description) => {
            // SAFETY: OpenSSL's place for the alert, valid during the callback.
            unsafe { *alert = description as c_int };
            -1
        }
    }
}

/// RFC 7627.
const EXTENDED_MASTER_SECRET: c_uint = 23;

/// An `SSL` object, on the thread of the connection it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Ssl<'s> {
    raw: *mut SSL,
    lifetime: PhantomData<&'s ()>,
}

impl<'s> Ssl<'s> {
    /// # Safety
    /// `raw` must be an `SSL` that is valid during `'s`, and this thread that of its connection.
    pub(super) unsafe fn from_raw(raw: *mut SSL) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    /// The connection that `pre_handshake` noted.
    fn connection(self) -> Option<Connection<'s>> {
        // SAFETY: the SSL object is valid (from_raw).
        let connection = unsafe { openssl::SSL_get_ex_data(self.raw, connection_index()) };
        // SAFETY: what `pre_handshake` stored; the connection outlives its SSL object.
        (!connection.is_null()).then(|| unsafe { Connection::from_raw(connection.cast()) })
    }

    pub(crate) fn is_tls13_or_newer(self) -> bool {
        // SAFETY: the SSL object is valid (from_raw).
        unsafe { openssl::SSL_version(self.raw) >= openssl::TLS1_3_VERSION }
    }

    pub(crate) fn is_handshake_over(self) -> bool {
        // SAFETY: the SSL object is valid (from_raw).
        unsafe { openssl::SSL_is_init_finished(self.raw) != 0 }
    }

    /// The certificate that the client has shown, in this handshake or in the one that this session began with.
    pub(crate) fn peer_certificate(self) -> Option<X509> {
        // SAFETY: the SSL object is valid (from_raw).
        let certificate = unsafe { ffi::tb_ssl_peer_certificate(self.raw) };
        // SAFETY: OpenSSL's, and alive as long as the session; `to_owned` takes a share of it.
        (!certificate.is_null()).then(|| unsafe { X509Ref::from_ptr(certificate) }.to_owned())
    }

    /// How many renegotiations there were on this connection, the current one included.
    pub(crate) fn renegotiations(self) -> i64 {
        // SAFETY: the SSL object is valid (from_raw).
        unsafe { ffi::tb_ssl_total_renegotiations(self.raw) }
    }

    /// Whether the ClientHello being parsed offers Extended Master Secret (RFC 7627), and mod_ssl does not forbid it.
    pub(crate) fn will_have_extended_master_secret(self) -> bool {
        let (mut body, mut length): (*const c_uchar, usize) = (ptr::null(), 0);
        // SAFETY: the SSL object is valid (from_raw), and OpenSSL answers 0 where there is no ClientHello.
        let offered = unsafe {
            openssl::SSL_client_hello_get0_ext(
                self.raw,
                EXTENDED_MASTER_SECRET,
                &raw mut body,
                &raw mut length,
            )
        };
        // SAFETY: the SSL object is valid (from_raw).
        offered == 1 && unsafe { ffi::tb_ssl_forbids_extended_master_secret(self.raw) == 0 }
    }

    /// Whether the finished handshake has Extended Master Secret.
    pub(crate) fn has_extended_master_secret(self) -> bool {
        // SAFETY: the SSL object is valid (from_raw).
        unsafe { ffi::tb_ssl_extended_master_secret(self.raw) == 1 }
    }

    /// Whether the client has indicated that it renegotiates safely (RFC 5746).
    pub(crate) fn has_secure_renegotiation(self) -> bool {
        // SAFETY: the SSL object is valid (from_raw).
        unsafe { ffi::tb_ssl_secure_renegotiation(self.raw) != 0 }
    }

    /// Exports keying material of a finished handshake, without a context (RFC 5705, RFC 8446 s7.5).
    pub(crate) fn export(self, label: &[u8], material: &mut [u8]) -> Result<(), ErrorStack> {
        // SAFETY: the SSL object is valid (from_raw); buffer and label are given with their lengths, no context.
        let exported = unsafe {
            openssl::SSL_export_keying_material(
                self.raw,
                material.as_mut_ptr(),
                material.len(),
                label.as_ptr().cast::<c_char>(),
                label.len(),
                ptr::null(),
                0,
                0,
            )
        };
        if exported == 1 { Ok(()) } else { Err(ErrorStack::get()) }
    }
}
