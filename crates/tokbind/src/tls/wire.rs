//! The TCP connection under TLS, which notes how it ended.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection. OpenSSL reads no more after a `close_notify`, so an end that it reads came without one.
#[derive(Debug)]
pub(super) struct Wire {
    tcp: TcpStream,
    truncated: bool,
}

impl Wire {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Wire { tcp, truncated: false }
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Whether the peer closed TCP without closing TLS first. Anybody on the way can do that (RFC 8446 section 6.1).
    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        let read = Pin::new(&mut self.tcp).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) && room > 0 && buffer.remaining() == room {
            self.truncated = true;
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        self.tcp.connected()
    }
}
