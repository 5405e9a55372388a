//! What a client wants to speak inside of TLS, from the first bytes that it sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tls_parser::{
    TlsExtension, TlsMessage, TlsMessageHandshake, TlsRecordType, parse_tls_client_hello_extensions,
    parse_tls_message_handshake, parse_tls_raw_record,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// The largest ClientHello to wait for. With the key shares of post-quantum algorithms they are some kilobytes.
const MAX_HELLO: usize = 64 * 1024;
/// Ports of protocols with TLS of their own, whose older clients do not say what they speak: mail, news, directories, DNS,
/// FTP, Telnet, IRC, XMPP, SIP, AMQP, MQTT.
const NOT_HTTP: [u16; 19] =
    [465, 563, 587, 636, 853, 989, 990, 992, 993, 994, 995, 3269, 5061, 5223, 5269, 5270, 5671, 6697, 8883];

/// What a client wants of a tunnel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// TLS with HTTP inside, as far as it says.
    Https,
    /// Something else, which is none of the agent's business.
    Other,
    /// Nothing: it left without a word.
    Nothing,
}

/// Reads until it is clear what the client wants. The stream that comes back begins with what was read.
pub(super) async fn listen<S: AsyncRead + Unpin>(
    mut stream: S,
    port: u16,
) -> io::Result<(Wants, Rewound<S>)> {
    let mut read = BytesMut::new();
    let wants = loop {
        if stream.read_buf(&mut read).await? == 0 {
            break if read.is_empty() { Wants::Nothing } else { Wants::Other };
        }
        match wants(&read, port) {
            Some(wants) => break wants,
            None if read.len() >= MAX_HELLO => break Wants::Other,
            None => {}
        }
    };
    Ok((wants, Rewound { read, stream }))
}

/// `None`: there is more to come.
fn wants(read: &[u8], port: u16) -> Option<Wants> {
    let (mut message, mut rest) = (Vec::new(), read);
    loop {
        match parse_tls_raw_record(rest) {
            Ok((behind, record)) if record.hdr.record_type == TlsRecordType::Handshake => {
                message.extend_from_slice(record.data);
                rest = behind;
            }
            Err(error) if error.is_incomplete() && may_be_tls(rest) => return None,
            Ok(_) | Err(_) => return Some(Wants::Other),
        }
        match parse_tls_message_handshake(&message) {
            Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)))) => {
                let protocols = protocols(hello.ext.unwrap_or_default());
                let https = speaks_http(protocols.as_deref(), port);
                return Some(if https { Wants::Https } else { Wants::Other });
            }
            Err(error) if error.is_incomplete() => {}
            Ok(_) | Err(_) => return Some(Wants::Other),
        }
    }
}

/// A record of type handshake begins so.
fn may_be_tls(bytes: &[u8]) -> bool {
    bytes.iter().zip([22, 3]).all(|(byte, expected)| *byte == expected)
}

/// The application protocols that are offered (RFC 7301).
fn protocols(extensions: &[u8]) -> Option<Vec<&[u8]>> {
    let (_, extensions) = parse_tls_client_hello_extensions(extensions).ok()?;
    extensions.into_iter().find_map(|extension| match extension {
        TlsExtension::ALPN(protocols) => Some(protocols),
        _ => None,
    })
}

fn speaks_http(protocols: Option<&[&[u8]]>, port: u16) -> bool {
    match protocols {
        Some(protocols) => {
            protocols.iter().any(|protocol| *protocol == b"h2" || protocol.starts_with(b"http/"))
        }
        None => !NOT_HTTP.contains(&port),
    }
}

/// A stream that begins with what was read of it before.
pub(super) struct Rewound<S> {
    read: BytesMut,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.read.len().min(buffer.remaining());
        buffer.put_slice(self.read.get(..count).unwrap_or_default());
        self.read.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use openssl::ssl::{Ssl, SslContext, SslMethod, SslStream};

    use super::*;

    /// What OpenSSL's client sends first.
    fn hello(protocols: &[u8]) -> Vec<u8> {
        struct Wire(Vec<u8>);
        impl io::Read for Wire {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
        impl io::Write for Wire {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
        if !protocols.is_empty() {
            context.set_alpn_protos(protocols).unwrap();
        }
        let mut stream = SslStream::new(Ssl::new(&context.build()).unwrap(), Wire(Vec::new())).unwrap();
        stream.connect().unwrap_err();
        stream.get_ref().0.clone()
    }

    #[test]
    fn a_client_says_what_it_speaks_or_its_port_does() {
        for (protocols, port, expected) in [
            (&b"\x02h2\x08http/1.1"[..], 443, Wants::Https),
            (b"\x08http/1.1", 993, Wants::Https),
            (b"\x04imap", 443, Wants::Other),
            (b"\x04mqtt", 8883, Wants::Other),
            (b"", 443, Wants::Https),
            (b"", 8443, Wants::Https),
            (b"", 993, Wants::Other),
        ] {
            assert_eq!(wants(&hello(protocols), port), Some(expected), "{protocols:?} {port}");
        }
    }

    #[test]
    fn a_hello_may_come_in_pieces() {
        let hello = hello(b"\x04imap");
        for end in 1..hello.len() {
            assert_eq!(wants(&hello[..end], 443), None, "{end}");
        }
        // In records of 10 bytes each.
        let mut fragments = Vec::new();
        for piece in hello[5..].chunks(10) {
            fragments.extend_from_slice(&[22, 3, 1, 0, u8::try_from(piece.len()).unwrap()]);
            fragments.extend_from_slice(piece);
        }
        assert_eq!(wants(&fragments, 443), Some(Wants::Other));
        assert_eq!(wants(&fragments[..fragments.len() - 1], 443), None);
    }

    #[test]
    fn what_is_not_tls_is_something_else() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x02", b"\x15\x03\x03\0\x02\x01\0", b"S"] {
            assert_eq!(wants(bytes, 443), Some(Wants::Other), "{bytes:?}");
        }
        assert_eq!(wants(b"\x16", 443), None);
    }

    #[tokio::test]
    async fn what_was_read_is_read_again() {
        let hello = hello(b"\x02h2");
        let bytes: Vec<u8> = hello.iter().copied().chain(*b"more").collect();
        let (wants, mut rewound) = listen(&bytes[..], 443).await.unwrap();
        assert_eq!(wants, Wants::Https);
        let mut all = Vec::new();
        rewound.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, bytes);
        assert_eq!(listen(&b""[..], 443).await.unwrap().0, Wants::Nothing);
    }
}
