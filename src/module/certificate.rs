//! The client's TLS certificate (RFC 8705): its fingerprint, for those who bind tokens to it.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use foreign_types::ForeignTypeRef as _;
use openssl::hash::MessageDigest;
use openssl::x509::X509;

use crate::httpd::connection::Connection;
use crate::httpd::log::{Sink, log};
use crate::httpd::request::Request;
use crate::module::receive;
use token_binding_server::outcome::{Fault, Level, Refusal, Response, tags};

/// A certificate that a client has shown.
pub(crate) struct Certificate {
    /// Kept, so that no other certificate has its address.
    shown: X509,
    fingerprint: Option<Arc<CStr>>,
}

impl Certificate {
    /// base64url(SHA-256(DER)) of a certificate that verified; of one that did not, nothing is passed on.
    pub(crate) fn new(shown: X509, is_verified: bool) -> Result<Self, Fault> {
        let fingerprint = if is_verified {
            let digest = shown.digest(MessageDigest::sha256()).map_err(|_| Fault::Certificate)?;
            let text =
                CString::new(token_binding::header::encode(&digest)).map_err(|_| Fault::Certificate)?;
            Some(text.into())
        } else {
            None
        };
        Ok(Self { shown, fingerprint })
    }

    /// Whether this is the same object: OpenSSL keeps one for each session.
    pub(crate) fn is(&self, other: &X509) -> bool {
        self.shown.as_ptr() == other.as_ptr()
    }

    pub(crate) fn fingerprint(&self) -> Option<Arc<CStr>> {
        self.fingerprint.clone()
    }
}

/// mod_ssl has asked for a certificate, if it was to: passes on what it has found.
pub(crate) fn receive(request: Request<'_>) -> Response {
    let Some(config) = request.server_config() else { return Response::ServerError };
    if !config.enabled() {
        return Response::ServeUnbound;
    }
    let connection: Connection<'_> = request.connection();
    match connection.certificate() {
        Ok(None) => Response::ServeUnbound,
        Ok(Some(_)) if receive::names_our_headers(request) => {
            receive::refuse(request, config, Refusal::HopByHop)
        }
        Ok(Some(fingerprint)) => {
            request.keep_certificate(fingerprint);
            receive::restore(request);
            Response::ServeUnbound
        }
        Err(fault) => {
            log(
                Sink::Request(request),
                Level::Error,
                format_args!("{}: {fault}; refused", tags::REQUEST_FAULT),
            );
            Response::ServerError
        }
    }
}
