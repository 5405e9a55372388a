//! What a connection proves: its `Sec-Token-Binding` header, signed once and repeated.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use token_binding::sign::Signer;

use super::load::{Metered, Traffic};
use crate::binding::once::{Bound, Handshake, Once};
use crate::error::Result;
use crate::keys::Key;
use crate::keys::KeyStore;
use crate::tls::TlsConnection;

/// The Token Binding of one connection. It makes headers for this connection and no other.
pub(in crate::agent) struct Binding {
    host: String,
    keys: KeyStore,
    handshake: Arc<Mutex<Handshake>>,
    /// Held while signing, so that requests that come together sign once.
    once: tokio::sync::Mutex<Once>,
    /// The key that the server has seen on this connection.
    shown: Mutex<Option<Arc<Key>>>,
}

impl Binding {
    /// Takes a connection under observation. The stream is for HTTP; the binding stays behind.
    pub(super) fn observe(
        connection: TlsConnection,
        host: &str,
        keys: &KeyStore,
        traffic: Arc<Traffic>,
    ) -> Result<(Self, Observed)> {
        let handshake = Arc::new(Mutex::new(Handshake::of(&connection)?));
        let observed = Observed {
            stream: TokioIo::new(Metered::new(connection, traffic)),
            handshake: Arc::clone(&handshake),
        };
        let binding = Binding {
            host: host.to_owned(),
            keys: keys.clone(),
            handshake,
            once: tokio::sync::Mutex::default(),
            shown: Mutex::default(),
        };
        Ok((binding, observed))
    }

    /// The header for a request on this connection; `None` when Token Binding was not negotiated.
    pub(in crate::agent) async fn header(&self, referred: Option<&Arc<Key>>) -> Result<Option<Bound>> {
        let mut once = self.once.lock().await;
        let handshake = self.handshake.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bound = once.header(&self.keys, &self.host, handshake, referred).await?;
        if let Some(bound) = &bound {
            *self.shown() = Some(Arc::clone(&bound.key));
        }
        Ok(bound)
    }

    /// Whether the key that the server has seen here was deleted since: what still goes out on this connection would be
    /// known by it.
    pub(super) fn key_is_gone(&self) -> bool {
        let Some(shown) = self.shown().clone() else { return false };
        // An error is reported by the next connection, which needs the key.
        let kept = self.keys.existing_key(&self.host, shown.key_parameters()).ok().flatten();
        kept.is_none_or(|kept| !Arc::ptr_eq(&kept, &shown))
    }

    fn shown(&self) -> MutexGuard<'_, Option<Arc<Key>>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that notes when it is renegotiated.
pub(super) struct Observed {
    stream: TokioIo<Metered<TlsConnection>>,
    handshake: Arc<Mutex<Handshake>>,
}

impl Observed {
    /// Only a TLS 1.2 server that renegotiates pays for more than the look at a counter.
    fn look(&self) {
        let connection = self.stream.inner().get_ref();
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
