//! Certificates for the hosts that the browser visits, made when they are needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{AlpnError, Ssl, SslAcceptor, SslContext, SslMethod, select_next_proto};
use openssl::x509::X509;

use super::authority::Authority;
use super::certificate;
use crate::agent::error::{Error, Result};

/// Certificates kept. A browser's page names a few dozen hosts.
const MAX_LEAVES: usize = 512;
/// Both protocols for every host, whatever the server speaks: the agent translates.
const PROTOCOLS: &[u8] = b"\x02h2\x08http/1.1";

/// Answers TLS handshakes in the name of any host.
pub(in crate::agent) struct Leaves {
    authority: Arc<Authority>,
    context: SslContext,
    /// One key for all certificates; it is gone with the process.
    key: PKey<Private>,
    made: Mutex<HashMap<String, (X509, Instant)>>,
}

impl Leaves {
    pub(in crate::agent) fn new(authority: Arc<Authority>) -> Result<Self> {
        let doing = "setting up TLS for the browser's side";
        let context = context().map_err(Error::openssl(doing))?;
        let key = certificate::key().map_err(Error::openssl(doing))?;
        Ok(Leaves { authority, context, key, made: Mutex::default() })
    }

    /// The server's side of a handshake in this host's name.
    pub(in crate::agent) fn ssl(&self, host: &str) -> Result<Ssl> {
        self.try_ssl(host).map_err(Error::openssl("making a certificate"))
    }

    fn try_ssl(&self, host: &str) -> Result<Ssl, ErrorStack> {
        let certificate = self.certificate(host, Instant::now())?;
        let mut ssl = Ssl::new(&self.context)?;
        ssl.set_certificate(&certificate)?;
        ssl.set_private_key(&self.key)?;
        Ok(ssl)
    }

    pub(super) fn certificate(&self, host: &str, now: Instant) -> Result<X509, ErrorStack> {
        let half_life = Duration::from_secs(certificate::LEAF_LIFETIME.unsigned_abs() / 2);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((certificate, since)) = made.get(host)
            && now.saturating_duration_since(*since) < half_life
        {
            return Ok(certificate.clone());
        }
        if made.len() >= MAX_LEAVES {
            let oldest = made.iter().min_by_key(|(_, (_, since))| *since).map(|(host, _)| host.clone());
            oldest.map(|oldest| made.remove(&oldest));
        }
        let certificate = certificate::leaf(host, &self.key, &self.authority.pair)?;
        made.insert(host.to_owned(), (certificate.clone(), now));
        Ok(certificate)
    }

    #[cfg(test)]
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.made.lock().unwrap().len()
    }
}

fn context() -> Result<SslContext, ErrorStack> {
    let mut context = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    context.set_session_id_context(b"tokbind agent")?;
    context
        .set_alpn_select_callback(|_, theirs| select_next_proto(PROTOCOLS, theirs).ok_or(AlpnError::NOACK));
    Ok(context.build().into_context())
}
