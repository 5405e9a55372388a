//! Certificates for the hosts that the browser visits, made when they are needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{AlpnError, Ssl, SslAcceptor, SslContext, SslMethod, select_next_proto};
use openssl::x509::X509;

use super::authority::Authority;
use super::certificate;
use crate::agent::error::{Error, Result};

/// Certificates kept. A browser's page names a few dozen hosts.
const MAX_LEAVES: usize = 512;
/// A certificate is given out for so long.
const HALF_LIFE: Duration = Duration::from_secs(certificate::LEAF_LIFETIME.unsigned_abs() / 2);
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Both protocols for every host, whatever the server speaks: the agent translates.
const PROTOCOLS: &[u8] = b"\x02h2\x08http/1.1";

/// Answers TLS handshakes in the name of any host.
pub(in crate::agent) struct Leaves {
    context: SslContext,
    /// One key for all certificates; it is gone with the process.
    key: PKey<Private>,
    made: Mutex<Made>,
}

/// Times are the wall clock's, as the browser judges them: the clock of [`Instant`](std::time::Instant) stands still while the
/// machine sleeps, and does not go back with the machine's.
struct Made {
    authority: Arc<Authority>,
    leaves: HashMap<String, (X509, SystemTime)>,
    /// When it was last said that the authority is about to end.
    announced: Option<SystemTime>,
}

impl Leaves {
    pub(in crate::agent) fn new(authority: Arc<Authority>) -> Result<Self> {
        let doing = "setting up TLS for the browser's side";
        let context = context().map_err(Error::openssl(doing))?;
        let key = certificate::key().map_err(Error::openssl(doing))?;
        let made = Mutex::new(Made { authority, leaves: HashMap::new(), announced: None });
        Ok(Leaves { context, key, made })
    }

    /// The server's side of a handshake in this host's name.
    pub(in crate::agent) fn ssl(&self, host: &str) -> Result<Ssl> {
        let certificate = self.certificate(host, SystemTime::now())?;
        self.with(&certificate).map_err(Error::openssl("setting up TLS for the browser's side"))
    }

    fn with(&self, certificate: &X509) -> Result<Ssl, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        ssl.set_certificate(certificate)?;
        ssl.set_private_key(&self.key)?;
        Ok(ssl)
    }

    pub(super) fn certificate(&self, host: &str, now: SystemTime) -> Result<X509> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.renew(now)?;
        if let Some((certificate, since)) = made.leaves.get(host)
            && now.duration_since(*since).is_ok_and(|age| age < HALF_LIFE)
        {
            return Ok(certificate.clone());
        }
        if made.leaves.len() >= MAX_LEAVES {
            let oldest = made.leaves.iter().min_by_key(|(_, (_, since))| *since);
            let oldest = oldest.map(|(host, _)| host.clone());
            oldest.map(|oldest| made.leaves.remove(&oldest));
        }
        let certificate = certificate::leaf(host, &self.key, &made.authority.pair, now);
        let certificate = certificate.map_err(Error::openssl("making a certificate"))?;
        made.leaves.insert(host.to_owned(), (certificate.clone(), now));
        Ok(certificate)
    }

    #[cfg(test)]
    pub(super) fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.made.lock().unwrap().authority)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.made.lock().unwrap().leaves.len()
    }
}

impl Made {
    /// Changes to the authority's successor when it is time, and says so some weeks before, once a day.
    fn renew(&mut self, now: SystemTime) -> Result<()> {
        let clock = Error::openssl("looking at the clock");
        if !self.authority.pair.is_due_soon(now).map_err(clock)? {
            return Ok(());
        }
        let end = self.authority.certificate().not_after().to_string();
        let said = self.announced.is_some_and(|said| now.duration_since(said).is_ok_and(|age| age < A_DAY));
        if self.authority.pair.is_due(now).map_err(Error::openssl("looking at the clock"))? {
            match self.authority.successor(now) {
                Ok(successor) => {
                    tracing::warn!(
                        end,
                        "the certificate authority is about to end: from now on the agent uses another one; `tokbind agent ca` says how to make browsers trust it"
                    );
                    self.authority = Arc::new(successor);
                    self.leaves.clear();
                    self.announced = None;
                }
                Err(error) if !said => {
                    tracing::error!(end, %error, "the certificate authority is about to end, and there can be no other");
                    self.announced = Some(now);
                }
                Err(_) => {}
            }
        } else if !said {
            self.announced = Some(now);
            tracing::warn!(
                end,
                "the certificate authority ends soon, and a week before that the agent makes another one, which browsers have to be told to trust"
            );
        }
        Ok(())
    }
}

fn context() -> Result<SslContext, ErrorStack> {
    let mut context = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    context.set_session_id_context(b"tokbind agent")?;
    // Each resumption brings the next.
    context.set_num_tickets(1)?;
    context.set_read_ahead(true);
    context
        .set_alpn_select_callback(|_, theirs| select_next_proto(PROTOCOLS, theirs).ok_or(AlpnError::NOACK));
    Ok(context.build().into_context())
}
