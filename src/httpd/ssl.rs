//! The TLS side: the `token_binding` extension (RFC 8472) in mod_ssl's handshakes, and the exported keying material.
//!
//! The extension is registered with every `SSL_CTX` for clients, those of virtual hosts with `TokenBindingEnabled Off`
//! too, whose callbacks then answer nothing. It has to be: mod_ssl switches to the virtual host's `SSL_CTX` in OpenSSL's
//! ClientHello callback, when OpenSSL has sized its list of received extensions by the first `SSL_CTX`'s custom
//! extensions, and goes through it by the second's. With more of them in the second it would read past the list's end.

use std::ffi::{c_char, c_int, c_uchar, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ::openssl::x509::X509Ref;
use foreign_types::ForeignTypeRef as _;
use openssl_sys::{self as openssl, SSL, SSL_CTX, X509};
use token_binding::{
    EKM_LENGTH, EXPORTER_LABEL, EXTENSION_TYPE, Ekm, ServerPreferences, TokenBindingParameters,
};

use crate::httpd::connection::Connection;
use crate::httpd::ffi;
use crate::httpd::guard::{Site, guard};
use crate::httpd::log::{Sink, log};
use crate::httpd::server::Server;
use token_binding_server::config::ServerConfig;
use token_binding_server::outcome::{Fault, Level, tags};

const EXTENSION_CONTEXT: c_uint = openssl::SSL_EXT_CLIENT_HELLO
    | openssl::SSL_EXT_TLS1_2_SERVER_HELLO
    | openssl::SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS;
/// RFC 7627.
const EXTENDED_MASTER_SECRET: c_uint = 23;
/// RFC 8446 s6.
const ALERT_DECODE_ERROR: c_int = 50;
const ALERT_INTERNAL_ERROR: c_int = 80;

/// Virtual hosts with TLS and Token Binding that mod_ssl has set up since the configuration was read.
static VIRTUAL_HOSTS: AtomicUsize = AtomicUsize::new(0);

/// Whether any virtual host has authorities that clients' certificates are verified with: mod_ssl has no others.
static VERIFIES_CLIENTS: AtomicBool = AtomicBool::new(false);

pub(crate) fn reset_virtual_hosts() {
    VIRTUAL_HOSTS.store(0, Ordering::Relaxed);
    VERIFIES_CLIENTS.store(false, Ordering::Relaxed);
}

pub(crate) fn verifies_clients() -> bool {
    VERIFIES_CLIENTS.load(Ordering::Relaxed)
}

pub(crate) fn virtual_hosts() -> usize {
    VIRTUAL_HOSTS.load(Ordering::Relaxed)
}

/// Where an `SSL` keeps the `conn_rec` it belongs to: an index that OpenSSL gives out for the life of the process. The
/// module stays mapped through restarts (-z nodelete), and so is given one once. No callback is registered with it.
fn connection_index() -> c_int {
    static INDEX: OnceLock<c_int> = OnceLock::new();
    // SAFETY: no argument and no callback: OpenSSL only counts up.
    *INDEX.get_or_init(|| unsafe { openssl::SSL_get_ex_new_index(0, ptr::null_mut(), None, None, None) })
}

/// mod_ssl's hook `init_server`: each SSL_CTX, at start-up.
pub(crate) unsafe extern "C" fn init_server(
    server: *mut ffi::server_rec,
    _pool: *mut ffi::apr_pool_t,
    is_proxy: c_int,
    context: *mut SSL_CTX,
) -> c_int {
    // SAFETY: mod_ssl calls the hook with a virtual host of the configuration being set up.
    let server = unsafe { Server::from_raw(server) };
    let refused = ffi::HTTP_INTERNAL_SERVER_ERROR as c_int;
    guard(Site::InitServer, Sink::Server(server), refused, || {
        if is_proxy != 0 {
            return ffi::OK;
        }
        let Some(config) = server.config() else { return refused };
        let argument = ptr::from_ref(config).cast_mut().cast::<c_void>();
        // SAFETY: the SSL_CTX is mod_ssl's, being set up. The callbacks stay mapped (-z nodelete), and their argument
        // lives in the configuration's pool, as do the SSL_CTX and all that may call them.
        let added = unsafe {
            openssl::SSL_CTX_add_custom_ext(
                context,
                EXTENSION_TYPE.into(),
                EXTENSION_CONTEXT,
                Some(add_extension),
                None,
                argument,
                Some(parse_extension),
                argument,
            )
        };
        if added != 1 || connection_index() < 0 {
            // SAFETY: clears this thread's own error queue.
            unsafe { openssl::ERR_clear_error() };
            log(
                Sink::Server(server),
                Level::Error,
                format_args!(
                    "{}: the TLS extension token_binding can't be registered: does another module handle it?",
                    tags::NOT_REGISTERED
                ),
            );
            return refused;
        }
        // SAFETY: the SSL_CTX is mod_ssl's, being set up. mod_ssl sets the list with SSLCACertificateFile and SSLCACertificatePath.
        if unsafe { ffi::tb_ssl_client_authorities(context) } > 0 {
            VERIFIES_CLIENTS.store(true, Ordering::Relaxed);
        }
        if config.enabled() {
            VIRTUAL_HOSTS.fetch_add(1, Ordering::Relaxed);
        }
        ffi::OK
    })
}

/// mod_ssl's hook `pre_handshake`: notes which connection an `SSL` belongs to.
pub(crate) unsafe extern "C" fn pre_handshake(
    connection: *mut ffi::conn_rec,
    ssl: *mut SSL,
    is_proxy: c_int,
) -> c_int {
    // SAFETY: mod_ssl calls the hook with the connection it has just made the SSL object for.
    let client = unsafe { Connection::from_raw(connection) };
    let sink = Sink::Connection(client);
    guard(Site::PreHandshake, sink, ffi::HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        if is_proxy != 0 {
            return ffi::OK;
        }
        // SAFETY: the SSL object is mod_ssl's, just made; mod_ssl frees it before the connection.
        let stored = unsafe { openssl::SSL_set_ex_data(ssl, connection_index(), connection.cast()) };
        if stored == 1 {
            client.create_state(ssl);
            return ffi::OK;
        }
        let (tag, cause) = (tags::HANDSHAKE_FAULT, ::openssl::error::ErrorStack::get());
        log(
            sink,
            Level::Error,
            format_args!("{tag}: the connection can't be noted: {cause}; handshake refused"),
        );
        ffi::HTTP_INTERNAL_SERVER_ERROR as c_int
    })
}

/// OpenSSL has found the extension in a ClientHello. 1: go on; 0: end the handshake with the alert.
unsafe extern "C" fn parse_extension(
    ssl: *mut SSL,
    _type: c_uint,
    _context: c_uint,
    body: *const c_uchar,
    length: usize,
    _x: *mut X509,
    _chain_index: usize,
    alert: *mut c_int,
    config: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL calls back with the SSL object of the handshake, on the connection's thread.
    let ssl = unsafe { Ssl::from_raw(ssl) };
    let Some(connection) = ssl.connection() else { return 1 };
    let result = guard(Site::ParseExtension, Sink::Connection(connection), Err(ALERT_INTERNAL_ERROR), || {
        // SAFETY: the argument given to SSL_CTX_add_custom_ext in `init_server`.
        let config = unsafe { &*config.cast::<ServerConfig>() };
        let body = if length == 0 {
            &[]
        } else {
            // SAFETY: OpenSSL gives the extension's `length` bytes, valid during the callback.
            unsafe { std::slice::from_raw_parts(body, length) }
        };
        offered(config, ssl, connection, body)
    });
    if let Err(description) = result {
        // SAFETY: OpenSSL's place for the alert, valid during the callback.
        unsafe { *alert = description };
    }
    result.is_ok().into()
}

/// Decides on a client's offer; the error is the alert's description.
fn offered(
    config: &ServerConfig,
    ssl: Ssl<'_>,
    connection: Connection<'_>,
    body: &[u8],
) -> Result<(), c_int> {
    if !config.enabled() {
        return Ok(());
    }
    let sink = Sink::Connection(connection);
    let offer = TokenBindingParameters::parse(body).map_err(|error| {
        let tag = tags::MALFORMED_EXTENSION;
        log(
            sink,
            Level::Info,
            format_args!("{tag}: TLS extension token_binding is malformed, handshake refused: {error}"),
        );
        ALERT_DECODE_ERROR
    })?;
    let preferences =
        ServerPreferences { min_version: config.min_version(), key_parameters: config.key_parameters() };
    let agreed = preferences.select(&offer).filter(|_| match ssl.unsafe_for_token_binding() {
        None => true,
        Some(missing) => {
            let tag = tags::UNSAFE_HANDSHAKE;
            log(
                sink,
                Level::Debug,
                format_args!("{tag}: Token Binding not negotiated: no {missing} on this connection"),
            );
            false
        }
    });
    let state = connection.state().ok_or(ALERT_INTERNAL_ERROR)?;
    state.note_offer(agreed.is_some());
    let mut handshake = state.handshake().map_err(|fault| {
        log(sink, Level::Error, format_args!("{}: {fault}; handshake refused", tags::HANDSHAKE_FAULT));
        ALERT_INTERNAL_ERROR
    })?;
    handshake.offered(agreed, ssl.renegotiations());
    Ok(())
}

/// OpenSSL asks for the extension in ServerHello or EncryptedExtensions. 1: add it; 0: leave it out; -1: end the
/// handshake with the alert.
unsafe extern "C" fn add_extension(
    ssl: *mut SSL,
    _type: c_uint,
    _context: c_uint,
    out: *mut *const c_uchar,
    length: *mut usize,
    _x: *mut X509,
    _chain_index: usize,
    alert: *mut c_int,
    config: *mut c_void,
) -> c_int {
    // SAFETY: OpenSSL calls back with the SSL object of the handshake, on the connection's thread.
    let ssl = unsafe { Ssl::from_raw(ssl) };
    let Some(connection) = ssl.connection() else { return 0 };
    let body = guard(Site::AddExtension, Sink::Connection(connection), Err(()), || {
        // SAFETY: the argument given to SSL_CTX_add_custom_ext in `init_server`.
        let config = unsafe { &*config.cast::<ServerConfig>() };
        match connection.state() {
            Some(state) if config.enabled() => Ok(state.handshake().map_err(|_| ())?.answer()),
            _ => Ok(None),
        }
    });
    match body {
        Ok(Some(negotiated)) => {
            let body = negotiated.extension_body();
            // SAFETY: OpenSSL's places for the body, valid during the callback; the copy lives with the connection.
            unsafe { *out = connection.pool().copy(&body).cast() };
            // SAFETY: as above.
            unsafe { *length = body.len() };
            1
        }
        Ok(None) => 0,
        Err(()) => {
            // SAFETY: OpenSSL's place for the alert, valid during the callback.
            unsafe { *alert = ALERT_INTERNAL_ERROR };
            -1
        }
    }
}

/// An `SSL` object, on the thread of the connection it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Ssl<'s> {
    raw: *mut SSL,
    lifetime: PhantomData<&'s ()>,
}

impl<'s> Ssl<'s> {
    /// # Safety
    /// `raw` must be an `SSL` that is valid during `'s`, and this thread that of its connection.
    pub(crate) unsafe fn from_raw(raw: *mut SSL) -> Self {
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
    pub(crate) fn peer_certificate(self) -> Option<::openssl::x509::X509> {
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

    /// What is missing in the ClientHello being parsed, so that Token Binding must not be negotiated (RFC 8472 s6): on
    /// TLS 1.2 and older, without Extended Master Secret and Renegotiation Indication, the triple handshake attack
    /// gives two connections the same EKM.
    fn unsafe_for_token_binding(self) -> Option<&'static str> {
        if self.is_tls13_or_newer() {
            return None;
        }
        let (mut body, mut length): (*const c_uchar, usize) = (ptr::null(), 0);
        // SAFETY: the SSL object is valid (from_raw), and its ClientHello is there while its extensions are parsed.
        let offered = unsafe {
            openssl::SSL_client_hello_get0_ext(
                self.raw,
                EXTENDED_MASTER_SECRET,
                &raw mut body,
                &raw mut length,
            )
        };
        // SAFETY: the SSL object is valid (from_raw).
        let forbidden = unsafe { ffi::tb_ssl_forbids_extended_master_secret(self.raw) };
        if offered != 1 || forbidden != 0 {
            return Some("Extended Master Secret");
        }
        // SAFETY: the SSL object is valid (from_raw).
        if unsafe { ffi::tb_ssl_secure_renegotiation(self.raw) } == 0 {
            return Some("Renegotiation Indication");
        }
        None
    }

    /// The exported keying material of a finished handshake (RFC 8471 s3.3).
    pub(crate) fn export(self) -> Result<Ekm, Fault> {
        if !self.is_handshake_over() {
            return Err(Fault::Incomplete);
        }
        // SAFETY: the SSL object is valid (from_raw).
        if !self.is_tls13_or_newer() && unsafe { ffi::tb_ssl_extended_master_secret(self.raw) } != 1 {
            return Err(Fault::ExtendedMasterSecret);
        }
        let mut ekm = [0; EKM_LENGTH];
        // SAFETY: the SSL object is valid (from_raw); buffer and label are given with their lengths, no context.
        let exported = unsafe {
            openssl::SSL_export_keying_material(
                self.raw,
                ekm.as_mut_ptr(),
                ekm.len(),
                EXPORTER_LABEL.as_ptr().cast::<c_char>(),
                EXPORTER_LABEL.len(),
                ptr::null(),
                0,
                0,
            )
        };
        if exported != 1 {
            // SAFETY: clears this thread's own error queue.
            unsafe { openssl::ERR_clear_error() };
            return Err(Fault::Exporter);
        }
        Ok(Ekm::new(ekm))
    }
}
