//! Every hook of the module, in the order in which a request meets them.

use std::sync::atomic::{AtomicBool, Ordering};

use token_binding_server::config::ServerConfig;

use crate::httpd::hook::{LateRegistrar, Modules, Order, Registrar};

use super::authz::RequireTokenBinding;
use super::connection::ProcessConnection;
use super::cookies::{CleanUnread, SealCookies, TellCaches};
use super::endpoints::Endpoints;
use super::expression::TokenBindingFunction;
use super::handshake::TokenBindingExtension;
use super::receive::{CheckAccess, PostPerdirConfig, PostReadRequest};
use super::response::{FinishResponse, InsertErrorFilter, InsertFilter};
use super::startup::{CheckConfig, PostConfig};
use super::status::Counters;
use super::trailers::CleanTrailers;

static MOD_SSL: Modules = Modules::one(c"mod_ssl.c");
static MOD_HTTP2: Modules = Modules::one(c"mod_http2.c");

/// Whether the hooks for DBSC are registered, in the configuration that httpd reads.
static HAS_DBSC: AtomicBool = AtomicBool::new(false);

/// Registers what only some configurations need: others don't pay for it.
pub(super) fn register_for(server: &ServerConfig, registrar: &LateRegistrar) {
    if server.cookies.dbsc.is_on() && !HAS_DBSC.swap(true, Ordering::Relaxed) {
        // Before mod_cache's, which answers out of its store there.
        registrar.quick_handler::<Endpoints>(Order::BEFORE_ALL_OTHERS);
        // Before anything that logs the headers of a request which httpd has refused before any other hook.
        registrar.log_transaction::<CleanUnread>(Order::BEFORE_ALL_OTHERS);
    }
}

/// Registers every other hook. httpd calls it at each start and restart, before it reads its configuration.
pub(super) fn register(registrar: &Registrar<'_>) {
    HAS_DBSC.store(false, Ordering::Relaxed);
    // What no single directive can see.
    registrar.check_config::<CheckConfig>(Order::MIDDLE);
    // After mod_ssl, whose post_config makes the SSL_CTXs that we then count.
    registrar.post_config::<PostConfig>(Order::LAST.after(&MOD_SSL));
    registrar.optional_functions();
    registrar.tls_extension::<TokenBindingExtension>();
    // Between mod_ssl, which does the handshake there, and mod_http2, which starts its workers there.
    registrar.process_connection::<ProcessConnection>(Order::MIDDLE.after(&MOD_SSL).before(&MOD_HTTP2));
    // Before anything that looks at the headers, logs them or decides on them.
    registrar.post_read_request::<PostReadRequest>(Order::BEFORE_ALL_OTHERS);
    registrar.input_filter::<CleanTrailers>();
    // The first hook that knows the directory's settings, before access control and authentication; it runs for
    // sub-requests, too.
    registrar.post_perdir_config::<PostPerdirConfig>(Order::BEFORE_ALL_OTHERS);
    // After mod_ssl, which asks for a directory's certificate there, and before authentication and authorization.
    registrar.check_access::<CheckAccess>(Order::MIDDLE.after(&MOD_SSL));
    registrar.authz_provider::<RequireTokenBinding>();
    registrar.expression::<TokenBindingFunction>();
    // After mod_headers (APR_HOOK_LAST): filters of one type run in the order in which they were inserted.
    registrar.insert_filter::<InsertFilter>(Order::REALLY_LAST);
    // An error response discards the filters; add them again.
    registrar.insert_error_filter::<InsertErrorFilter>(Order::REALLY_LAST);
    registrar.output_filter::<TellCaches>();
    registrar.output_filter::<SealCookies>();
    registrar.output_filter::<FinishResponse>();
    registrar.status_page::<Counters>();
}
