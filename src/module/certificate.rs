//! The client's TLS certificate (RFC 8705): its fingerprint, for those who bind tokens to it.

use std::ffi::{CStr, CString};
use std::sync::Arc;

use foreign_types::ForeignTypeRef as _;
use openssl::hash::MessageDigest;
use openssl::x509::X509;

use token_binding_server::outcome::Fault;

/// A certificate that a client has shown.
pub(super) struct Certificate {
    /// Kept, so that no other certificate has its address.
    shown: X509,
    fingerprint: Option<Arc<CStr>>,
}

impl Certificate {
    /// base64url(SHA-256(DER)) of a certificate that verified; of one that did not, nothing is passed on.
    pub(super) fn new(shown: X509, is_verified: bool) -> Result<Self, Fault> {
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
    pub(super) fn is(&self, other: &X509) -> bool {
        self.shown.as_ptr() == other.as_ptr()
    }

    pub(super) fn fingerprint(&self) -> Option<Arc<CStr>> {
        self.fingerprint.clone()
    }
}
