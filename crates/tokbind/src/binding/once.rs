//! A connection's header, signed once a handshake and repeated.
//!
//! It stays the same until a renegotiation, so that servers know it again and HTTP/2 compresses it.

use std::io;
use std::sync::Arc;

use http::HeaderValue;

use super::{Signer, header};
use crate::error::{Error, Result};
use crate::keys::Key;
use crate::keys::KeyStore;
use crate::tls::TlsConnection;
use crate::{Ekm, Negotiated};

/// What a handshake came to. A TLS 1.2 server may renegotiate, and the old result is void then.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    negotiated: Option<Negotiated>,
    ekm: Ekm,
}

impl Handshake {
    pub(crate) fn new(negotiated: Option<Negotiated>, ekm: Ekm) -> Self {
        Handshake { negotiated, ekm }
    }

    /// The latest handshake of a connection.
    pub(crate) fn of(connection: &TlsConnection) -> Result<Self> {
        Ok(Handshake::new(connection.negotiated(), connection.ekm()?))
    }

    fn is(&self, other: &Self) -> bool {
        self.negotiated == other.negotiated && self.ekm.as_bytes() == other.ekm.as_bytes()
    }
}

/// A header's value, and the key of its provided binding.
#[derive(Clone)]
pub(crate) struct Bound {
    pub(crate) value: HeaderValue,
    pub(crate) key: Arc<Key>,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The header that was signed last, and the handshake that it was made for.
#[derive(Debug, Default)]
pub(crate) struct Once(Option<(Handshake, Bound)>);

impl Once {
    /// The header for a request to `host` after this handshake; `None` when it did not negotiate Token Binding.
    pub(crate) async fn header(
        &mut self,
        keys: &KeyStore,
        host: &str,
        handshake: Handshake,
        referred: Option<&Arc<Key>>,
    ) -> Result<Option<Bound>> {
        let Some(negotiated) = handshake.negotiated else { return Ok(None) };
        let signed = self.0.as_ref().filter(|(made_for, _)| made_for.is(&handshake)).map(|(_, bound)| bound);
        if let (Some(bound), None) = (signed, referred) {
            return Ok(Some(bound.clone()));
        }
        let key = signed.map(|bound| Arc::clone(&bound.key));
        let (keys, host, ekm, also) =
            (keys.clone(), host.to_owned(), handshake.ekm.clone(), referred.cloned());
        // The key store may wait for the disk, and an RSA key takes its time.
        let work = tokio::task::spawn_blocking(move || {
            let key = key.map_or_else(|| keys.key(&host, negotiated.key_parameters), Ok)?;
            let value = header(&ekm, &*key, also.as_deref().map(|key| key as &dyn Signer))?;
            let value = HeaderValue::try_from(value).map_err(http::Error::from)?;
            Ok::<_, Error>(Bound { value, key })
        });
        let bound =
            work.await.map_err(|error| Error::Io { doing: "signing", source: io::Error::other(error) })??;
        // A referred binding is for one request. What is worth keeping is the header without.
        if referred.is_none() {
            self.0 = Some((handshake, bound.clone()));
        }
        Ok(Some(bound))
    }
}
