//! What a connection proves: its `Sec-Token-Binding` header, signed once and repeated.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

use crate::PrivateKey;
use crate::binding::once::{Bound, Handshake, Once};
use crate::error::Result;
use crate::keys::KeyStore;
use crate::tls::TlsConnection;

/// The Token Binding of one connection. It makes headers for this connection and no other.
pub(in crate::agent) struct Binding {
    host: String,
    keys: KeyStore,
    handshake: Arc<Mutex<Handshake>>,
    /// Held while signing, so that requests that come together sign once.
    once: tokio::sync::Mutex<Once>,
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
            once: tokio::sync::Mutex::default(),
        };
        Ok((binding, observed))
    }

    /// The header for a request on this connection; `None` when Token Binding was not negotiated.
    pub(in crate::agent) async fn header(&self, referred: Option<&Arc<PrivateKey>>) -> Result<Option<Bound>> {
        let mut once = self.once.lock().await;
        let handshake = self.handshake.lock().unwrap_or_else(PoisonError::into_inner).clone();
        once.header(&self.keys, &self.host, handshake, referred).await
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
