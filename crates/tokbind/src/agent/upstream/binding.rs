//! What a connection proves: its `Sec-Token-Binding` header, signed once and repeated.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::HeaderValue;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

use crate::error::{Error, Result};
use crate::tls::TlsConnection;
use crate::{Ekm, KeyStore, Negotiated, PrivateKey, binding};

/// The Token Binding of one connection. It makes headers for this connection and no other.
pub(in crate::agent) struct Binding {
    host: String,
    keys: KeyStore,
    handshake: Arc<Mutex<Handshake>>,
    /// Held while signing, so that requests that come together sign once.
    signed: tokio::sync::Mutex<Option<Signed>>,
}

/// What the latest handshake came to. A TLS 1.2 server may renegotiate, and the old result is void then.
#[derive(Clone)]
struct Handshake {
    negotiated: Option<Negotiated>,
    ekm: Ekm,
}

impl Handshake {
    fn of(connection: &TlsConnection) -> Result<Self> {
        Ok(Handshake { negotiated: connection.negotiated(), ekm: connection.ekm()? })
    }

    fn is(&self, other: &Self) -> bool {
        self.negotiated == other.negotiated && self.ekm.as_bytes() == other.ekm.as_bytes()
    }
}

/// A header, and what it was made for.
struct Signed {
    handshake: Handshake,
    referred: Option<Arc<PrivateKey>>,
    provided: Provided,
}

/// A header's value, and the key of its provided binding.
#[derive(Clone)]
pub(in crate::agent) struct Provided {
    pub(in crate::agent) value: HeaderValue,
    pub(in crate::agent) key: Arc<PrivateKey>,
}

impl Binding {
    /// Takes a connection under observation. The stream is for HTTP; the binding stays behind.
    pub(super) fn observe(
        connection: TlsConnection,
        host: &str,
        keys: &KeyStore,
    ) -> Result<(Self, Observed)> {
        let handshake = Arc::new(Mutex::new(Handshake::of(&connection)?));
        let observed = Observed { stream: TokioIo::new(connection), handshake: Arc::clone(&handshake) };
        let binding = Binding {
            host: host.to_owned(),
            keys: keys.clone(),
            handshake,
            signed: tokio::sync::Mutex::default(),
        };
        Ok((binding, observed))
    }

    /// The header for a request on this connection; `None` when Token Binding was not negotiated.
    pub(in crate::agent) async fn header(
        &self,
        referred: Option<&Arc<PrivateKey>>,
    ) -> Result<Option<Provided>> {
        let mut signed = self.signed.lock().await;
        let handshake = self.handshake.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(negotiated) = handshake.negotiated else { return Ok(None) };
        if let Some(signed) = &*signed
            && signed.handshake.is(&handshake)
            && same(signed.referred.as_ref(), referred)
        {
            return Ok(Some(signed.provided.clone()));
        }

        let (keys, host, referred) = (self.keys.clone(), self.host.clone(), referred.cloned());
        // The key store may wait for the disk, and an RSA key takes its time.
        let work = tokio::task::spawn_blocking(move || {
            let key = keys.key(&host, negotiated.key_parameters)?;
            let referred_key = referred.as_deref().map(|key| key as &dyn binding::Signer);
            let value = binding::header(&handshake.ekm, &*key, referred_key)?;
            let value = HeaderValue::from_str(&value).map_err(http::Error::from)?;
            Ok::<_, Error>(Signed { handshake, referred, provided: Provided { value, key } })
        });
        let made =
            work.await.map_err(|error| Error::Io { doing: "signing", source: io::Error::other(error) })??;
        let provided = made.provided.clone();
        // A referred binding is for one request. What is worth keeping is the header without.
        if made.referred.is_none() {
            *signed = Some(made);
        }
        Ok(Some(provided))
    }
}

fn same(a: Option<&Arc<PrivateKey>>, b: Option<&Arc<PrivateKey>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

/// A connection that notes when it is renegotiated.
pub(super) struct Observed {
    stream: TokioIo<TlsConnection>,
    handshake: Arc<Mutex<Handshake>>,
}

impl Observed {
    /// Only a TLS 1.2 server that renegotiates pays for more than the look at a counter.
    fn look(&self) {
        let connection = self.stream.inner();
        // OpenSSL can't tell about the Extended Master Secret in the middle of a handshake: nothing else is right then.
        if connection.renegotiations() == 0 || connection.ssl().extms_support().is_none() {
            return;
        }
        if let Ok(now) = Handshake::of(connection) {
            *self.handshake.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
    }
}

impl Read for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.look();
        read
    }
}

impl Write for Observed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.look();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
