//! A ClientHello written byte by byte, and a look at the answer: what a TLS library's client can't be talked into.
//!
//! OpenSSL's client sends each extension once, always indicates secure renegotiation, and never shows a ServerHello that
//! it refuses. A server has to do the right thing with all of that, so here is a client that offers what it is told to,
//! on TLS 1.2, and goes no further than the ServerHello.
//!
//! ```no_run
//! use tokbind::probe::{ClientHello, EXTENDED_MASTER_SECRET, Reply, probe};
//!
//! # async fn ask() -> Result<(), tokbind::Error> {
//! // RFC 8472 section 3: no answer without the Extended Master Secret.
//! let hello = ClientHello::tls12()?.token_binding(&[1, 0, 1, 2]).without(EXTENDED_MASTER_SECRET);
//! if let Reply::ServerHello(answer) = probe("localhost:443", &hello).await? {
//!     assert_eq!(answer.token_binding(), None);
//! }
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use token_binding::negotiate::EXTENSION_TYPE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};

use crate::error::{Error, Result};
use crate::timeout::{self, within};

/// `server_name` (RFC 6066 section 3).
pub const SERVER_NAME: u16 = 0;
/// `supported_groups` (RFC 8422 section 5.1.1).
pub const SUPPORTED_GROUPS: u16 = 10;
/// `ec_point_formats` (RFC 8422 section 5.1.2).
pub const EC_POINT_FORMATS: u16 = 11;
/// `signature_algorithms` (RFC 5246 section 7.4.1.4.1).
pub const SIGNATURE_ALGORITHMS: u16 = 13;
/// `extended_master_secret` (RFC 7627).
pub const EXTENDED_MASTER_SECRET: u16 = 23;
/// `session_ticket` (RFC 5077).
pub const SESSION_TICKET: u16 = 35;
/// `renegotiation_info` (RFC 5746).
pub const RENEGOTIATION_INFO: u16 = 0xff01;

/// The cipher suite that stands for an empty `renegotiation_info` (RFC 5746 section 3.3).
pub const EMPTY_RENEGOTIATION_INFO_SCSV: u16 = 0x00ff;

/// A server's first flight comes in records; this much of it may come before the ServerHello is complete.
const MAX_ANSWER: usize = 64 * 1024;
/// A record's content, before encryption (RFC 5246 section 6.2.1).
const MAX_RECORD: usize = 1 << 14;

const TLS_1_2: u16 = 0x0303;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const WARNING: u8 = 1;
const CLOSE_NOTIFY: u8 = 0;

/// ECDHE with either kind of certificate, then plain RSA, all with AES-GCM.
const CIPHER_SUITES: [u16; 6] = [0xc02b, 0xc02f, 0xc02c, 0xc030, 0x009c, 0x009d];

/// A ClientHello (RFC 5246 section 7.4.1.2). Any field may be set to anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The newest TLS version.
    pub version: u16,
    /// The client's random.
    pub random: [u8; 32],
    /// The session to resume.
    pub session_id: Vec<u8>,
    /// Cipher suites, the preferred ones first.
    pub cipher_suites: Vec<u16>,
    /// Types and bodies of the extensions, in order. A type may stand twice.
    pub extensions: Vec<(u16, Vec<u8>)>,
}

impl ClientHello {
    /// A ClientHello as today's clients would send it on TLS 1.2: with Extended Master Secret and renegotiation
    /// indication, without a server name and without Token Binding.
    pub fn tls12() -> Result<Self> {
        let mut random = [0; 32];
        openssl::rand::rand_bytes(&mut random).map_err(Error::openssl("drawing a random number"))?;
        Ok(ClientHello {
            version: TLS_1_2,
            random,
            session_id: Vec::new(),
            cipher_suites: CIPHER_SUITES.to_vec(),
            extensions: vec![
                // x25519, secp256r1, secp384r1
                (SUPPORTED_GROUPS, vec![0, 6, 0, 29, 0, 23, 0, 24]),
                (EC_POINT_FORMATS, vec![1, 0]),
                // ECDSA, RSA-PSS, RSA PKCS #1, each with SHA-256 and SHA-384
                (SIGNATURE_ALGORITHMS, vec![0, 12, 4, 3, 5, 3, 8, 4, 8, 5, 4, 1, 5, 1]),
                (EXTENDED_MASTER_SECRET, Vec::new()),
                (RENEGOTIATION_INFO, vec![0]),
            ],
        })
    }

    /// Adds an extension, also one that is there already.
    #[must_use]
    pub fn extension(mut self, extension_type: u16, body: impl Into<Vec<u8>>) -> Self {
        self.extensions.push((extension_type, body.into()));
        self
    }

    /// Takes out all extensions of this type.
    #[must_use]
    pub fn without(mut self, extension_type: u16) -> Self {
        self.extensions.retain(|(present, _)| *present != extension_type);
        self
    }

    /// Adds a `token_binding` extension with any body (RFC 8472 section 2).
    #[must_use]
    pub fn token_binding(self, body: &[u8]) -> Self {
        self.extension(EXTENSION_TYPE, body)
    }

    /// Indicates a server name.
    pub fn server_name(self, name: &str) -> Result<Self> {
        let mut entry = vec![0]; // host_name
        put_vector16(&mut entry, name.as_bytes())?;
        let mut list = Vec::new();
        put_vector16(&mut list, &entry)?;
        Ok(self.extension(SERVER_NAME, list))
    }

    /// Adds the cipher suite that indicates secure renegotiation like the extension does.
    #[must_use]
    pub fn scsv(mut self) -> Self {
        self.cipher_suites.push(EMPTY_RENEGOTIATION_INFO_SCSV);
        self
    }

    /// The message in its record.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend_from_slice(&self.random);
        let too_long = |_| Error::TooLarge { what: "the session id", limit: 255 };
        body.push(u8::try_from(self.session_id.len()).map_err(too_long)?);
        body.extend_from_slice(&self.session_id);
        let suites: Vec<u8> = self.cipher_suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        put_vector16(&mut body, &suites)?;
        body.extend_from_slice(&[1, 0]); // no compression
        let mut extensions = Vec::new();
        for (extension_type, content) in &self.extensions {
            extensions.extend_from_slice(&extension_type.to_be_bytes());
            put_vector16(&mut extensions, content)?;
        }
        put_vector16(&mut body, &extensions)?;

        // The message's length has three bytes, of which a message that fits in one record needs two.
        let mut message = vec![CLIENT_HELLO, 0];
        put_vector16(&mut message, &body)?;
        if message.len() > MAX_RECORD {
            return Err(Error::TooLarge { what: "the ClientHello", limit: MAX_RECORD });
        }
        // Records before the ServerHello say TLS 1.0, for servers that know no more (RFC 5246 appendix E.1).
        let mut record = vec![HANDSHAKE, 3, 1];
        put_vector16(&mut record, &message)?;
        Ok(record)
    }
}

/// What a server sends first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// It goes on with the handshake.
    ServerHello(ServerHello),
    /// It does not, and says why.
    Alert(Alert),
    /// It closes the connection without a word.
    Closed,
}

impl Reply {
    /// The ServerHello, if it is one.
    pub fn server_hello(&self) -> Option<&ServerHello> {
        match self {
            Reply::ServerHello(hello) => Some(hello),
            _ => None,
        }
    }
}

/// An alert (RFC 5246 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alert {
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// The reason.
    pub description: u8,
}

/// A ServerHello (RFC 5246 section 7.4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerHello {
    /// The version that the server chose.
    pub version: u16,
    /// The server's random.
    pub random: [u8; 32],
    /// The session; the one that was asked for when it is resumed.
    pub session_id: Vec<u8>,
    /// The cipher suite that the server chose.
    pub cipher_suite: u16,
    /// Types and bodies of the extensions, in order.
    pub extensions: Vec<(u16, Vec<u8>)>,
}

impl ServerHello {
    /// The body of the first extension of this type.
    pub fn extension(&self, extension_type: u16) -> Option<&[u8]> {
        self.extensions
            .iter()
            .find(|(present, _)| *present == extension_type)
            .map(|(_, body)| body.as_slice())
    }

    /// The server's answer to the `token_binding` extension.
    pub fn token_binding(&self) -> Option<&[u8]> {
        self.extension(EXTENSION_TYPE)
    }

    /// Reads the message's body, which must fill `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { rest: bytes };
        let version = u16::from_be_bytes(reader.array()?);
        let random = reader.array()?;
        let session_id_length = u8::from_be_bytes(reader.array()?);
        let session_id = reader.take(session_id_length.into())?.to_vec();
        let cipher_suite = u16::from_be_bytes(reader.array()?);
        let [_compression] = reader.array()?;
        let mut extensions = Vec::new();
        // A server that has no extensions leaves their length out too.
        if !reader.rest.is_empty() {
            let mut list = Reader { rest: reader.vector16()? };
            while !list.rest.is_empty() {
                extensions.push((u16::from_be_bytes(list.array()?), list.vector16()?.to_vec()));
            }
        }
        if !reader.rest.is_empty() {
            return Err(Error::Tls("bytes after the ServerHello's extensions"));
        }
        Ok(ServerHello { version, random, session_id, cipher_suite, extensions })
    }
}

/// Sends the ClientHello on a TCP connection of its own and receives the answer, within 30 seconds.
pub async fn probe(address: impl ToSocketAddrs, hello: &ClientHello) -> Result<Reply> {
    probe_within(timeout::DEFAULT, address, hello).await
}

/// The same, within another time.
pub async fn probe_within(
    limit: Duration,
    address: impl ToSocketAddrs,
    hello: &ClientHello,
) -> Result<Reply> {
    within(limit, "the probe", async {
        let mut tcp = TcpStream::connect(address).await.map_err(Error::io("connecting"))?;
        tcp.write_all(&hello.encode()?).await.map_err(Error::io("sending the ClientHello"))?;
        let mut received = Vec::new();
        loop {
            if let Some(reply) = parse_reply(&received)? {
                return Ok(reply);
            }
            let mut buffer = [0; 4 * 1024];
            match tcp.read(&mut buffer).await {
                Ok(0) => return Ok(Reply::Closed),
                Ok(count) => received.extend(buffer.iter().take(count)),
                // What a server does that closes with some of the ClientHello unread.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Ok(Reply::Closed);
                }
                Err(error) => return Err(Error::io("receiving the ServerHello")(error)),
            }
        }
    })
    .await
}

/// The reply at the start of what the server sent: `None` when there is more to come.
fn parse_reply(received: &[u8]) -> Result<Option<Reply>> {
    let mut records = Reader { rest: received };
    let mut handshake = Vec::new();
    while let Some((content_type, content)) = records.record()? {
        match content_type {
            ALERT => {
                let &[level, description] = content else {
                    return Err(Error::Tls("an alert of a wrong size"));
                };
                // A warning, that the server name is unknown for instance, ends nothing.
                if level != WARNING || description == CLOSE_NOTIFY {
                    return Ok(Some(Reply::Alert(Alert { level, description })));
                }
            }
            HANDSHAKE if content.is_empty() => return Err(Error::Tls("an empty handshake record")),
            HANDSHAKE => handshake.extend_from_slice(content),
            _ => return Err(Error::Tls("a record that is neither handshake nor alert")),
        }
        if let Some(hello) = parse_handshake(&handshake)? {
            return Ok(Some(Reply::ServerHello(hello)));
        }
    }
    if received.len() > MAX_ANSWER {
        return Err(Error::TooLarge { what: "the server's answer", limit: MAX_ANSWER });
    }
    Ok(None)
}

/// The ServerHello at the start of the handshake messages: `None` when there is more to come.
fn parse_handshake(messages: &[u8]) -> Result<Option<ServerHello>> {
    let Some((header, rest)) = messages.split_first_chunk::<4>() else { return Ok(None) };
    let &[message_type, high, middle, low] = header;
    if message_type != SERVER_HELLO {
        return Err(Error::Tls("the first handshake message is not a ServerHello"));
    }
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    if length > MAX_ANSWER {
        return Err(Error::TooLarge { what: "the ServerHello", limit: MAX_ANSWER });
    }
    rest.get(..length).map(ServerHello::parse).transpose()
}

fn put_vector16(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let limit = usize::from(u16::MAX);
    let length = u16::try_from(bytes.len())
        .map_err(|_| Error::TooLarge { what: "a part of the ClientHello", limit })?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// A cursor that can't run past its end.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(Error::Tls("the ServerHello ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Error::Tls("the ServerHello ends early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn vector16(&mut self) -> Result<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        self.take(length.into())
    }

    /// The next record's type and content: `None` when it has not come completely.
    fn record(&mut self) -> Result<Option<(u8, &'a [u8])>> {
        let Some((&[content_type, major, _, high, low], rest)) = self.rest.split_first_chunk::<5>() else {
            return Ok(None);
        };
        if major != 3 {
            return Err(Error::Tls("not a TLS record"));
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_RECORD {
            return Err(Error::Tls("a record that is too long"));
        }
        let Some((content, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        self.rest = rest;
        Ok(Some((content_type, content)))
    }
}

#[cfg(test)]
mod tests;
