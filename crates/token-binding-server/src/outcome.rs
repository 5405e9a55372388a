//! Why a request was not taken as bound, and what follows from it: one place for status, log level, tag and words.

use std::fmt;

use token_binding::{ForwardedError, Negotiated};

/// Why a request's Token Binding was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More than one `Sec-Token-Binding` header (RFC 8473 s2: the server MUST answer 400).
    DuplicateHeader,
    /// Token Binding is negotiated on the connection, and the request has no header.
    MissingHeader,
    /// The request has a header, and Token Binding is not negotiated on its connection.
    NotNegotiated,
    /// Negotiated at the handshake's virtual host, but with what the request's virtual host does not accept.
    NotAcceptedHere(Negotiated),
    /// The message itself.
    Message(token_binding::Error),
    /// A trusted proxy's headers.
    Forwarded(ForwardedError),
    /// A trusted proxy sends one of its headers more than once.
    ForwardedTwice,
    /// A trusted proxy speaks for its client on a connection that has Token Binding of its own.
    ForwardedOnBound,
    /// The client's `Connection` header names one of the headers that pass the result on: a proxy would take it out.
    HopByHop,
    /// Our own fault.
    Fault(Fault),
}

/// What can go wrong inside the module or the TLS library. Never a reason to serve a request as "not bound".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A panic was caught while the connection's state was being changed.
    Poisoned,
    /// OpenSSL could not export the keying material.
    Exporter,
    /// The handshake ended without Extended Master Secret although it had begun with it.
    ExtendedMasterSecret,
    /// A request arrived before its connection's keying material was exported.
    Incomplete,
    /// OpenSSL could not make a certificate's fingerprint.
    Certificate,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poisoned => "the connection's state is unknown after an earlier fault",
            Self::Exporter => "OpenSSL could not export keying material",
            Self::ExtendedMasterSecret => "the handshake ended without Extended Master Secret",
            Self::Incomplete => "no keying material was exported after the handshake",
            Self::Certificate => "OpenSSL could not make the fingerprint of the client's certificate",
        })
    }
}

/// What a refusal means for the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// Serve the request, with nothing set.
    Serve,
    /// 400 Bad Request: the client's fault.
    BadRequest,
    /// 500 Internal Server Error: the server's.
    ServerError,
}

/// How loud a line of the error log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Refusal {
    pub fn is_fault(&self) -> bool {
        match self {
            Self::Fault(_) => true,
            Self::Message(error) => error.is_internal(),
            Self::DuplicateHeader
            | Self::MissingHeader
            | Self::NotNegotiated
            | Self::NotAcceptedHere(_)
            | Self::Forwarded(_)
            | Self::ForwardedTwice
            | Self::ForwardedOnBound
            | Self::HopByHop => false,
        }
    }

    pub fn response(&self, strict: bool) -> Response {
        match self {
            _ if self.is_fault() => Response::ServerError,
            // Nor is there a lenient way to read a proxy's headers that are wrong, or a reason to interfere with ours.
            Self::DuplicateHeader
            | Self::Forwarded(_)
            | Self::ForwardedTwice
            | Self::ForwardedOnBound
            | Self::HopByHop => Response::BadRequest,
            _ if strict => Response::BadRequest,
            _ => Response::Serve,
        }
    }

    pub fn level(&self, strict: bool) -> Level {
        match self {
            _ if self.is_fault() => Level::Error,
            // With `TokenBindingStrict Off` this is how a client without Token Binding keys looks: nothing was refused.
            Self::MissingHeader if !strict => Level::Debug,
            _ => Level::Info,
        }
    }

    /// The tag of its log line: never reused for anything else.
    fn tag(&self) -> &'static str {
        match self {
            _ if self.is_fault() => tags::REQUEST_FAULT,
            Self::DuplicateHeader => "TB101",
            Self::MissingHeader => "TB102",
            Self::NotNegotiated => "TB103",
            Self::NotAcceptedHere(_) => "TB104",
            Self::Message(_) | Self::Fault(_) => "TB105",
            Self::Forwarded(_) | Self::ForwardedTwice => "TB107",
            Self::ForwardedOnBound => "TB108",
            Self::HopByHop => "TB110",
        }
    }
}

/// The line for the error log.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.tag())?;
        match self {
            Self::DuplicateHeader => f.write_str("more than one Sec-Token-Binding header"),
            Self::MissingHeader => f.write_str(
                "no Sec-Token-Binding header, though Token Binding is negotiated on the connection",
            ),
            Self::NotNegotiated => f.write_str(
                "Sec-Token-Binding header, though Token Binding is not negotiated on the connection",
            ),
            Self::NotAcceptedHere(negotiated) => write!(
                f,
                "the connection's Token Binding ({}, version {}) is not accepted by this virtual host",
                negotiated.key_parameters, negotiated.version
            ),
            Self::Message(error) => write!(f, "Sec-Token-Binding not accepted: {error}"),
            Self::Forwarded(error) => write!(f, "the trusted proxy's headers are not accepted: {error}"),
            Self::ForwardedTwice => f.write_str(
                "the trusted proxy's headers are not accepted: one of the Sec-...-Token-Binding-ID headers is there \
                 more than once (it must replace those that its clients send)",
            ),
            Self::ForwardedOnBound => f.write_str(
                "the trusted proxy sends Sec-...-Token-Binding-ID headers on a connection with Token Binding of its own: \
                 whose key counts is not clear",
            ),
            Self::HopByHop => f.write_str(
                "the Connection header names a header that passes Token Bindings on, so that a proxy would leave it out",
            ),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

/// The tags of the lines that don't come from a [`Refusal`].
pub mod tags {
    pub const STARTED: &str = "TB001";
    pub const NO_TLS: &str = "TB002";
    pub const CONFIGURATION: &str = "TB003";
    pub const NOT_REGISTERED: &str = "TB004";
    pub const SECRET: &str = "TB005";
    pub const NO_MEMORY: &str = "TB006";
    pub const SHARED_REALM: &str = "TB007";
    pub const REQUEST_FAULT: &str = "TB106";
    pub const NOT_TRUSTED: &str = "TB109";
    pub const MALFORMED_EXTENSION: &str = "TB201";
    pub const UNSAFE_HANDSHAKE: &str = "TB202";
    pub const HANDSHAKE_FAULT: &str = "TB203";
    pub const COOKIE_REFUSED: &str = "TB301";
    pub const COOKIE_WITHHELD: &str = "TB302";
    pub const COOKIE_TOO_LONG: &str = "TB303";
    pub const COOKIE_FAULT: &str = "TB304";
    pub const PANIC: &str = "TB901";
}

#[cfg(test)]
mod tests {
    use super::*;
    use token_binding::{Error, KeyParameters, ProtocolVersion};

    fn every_refusal() -> Vec<Refusal> {
        vec![
            Refusal::DuplicateHeader,
            Refusal::MissingHeader,
            Refusal::NotNegotiated,
            Refusal::NotAcceptedHere(Negotiated {
                version: ProtocolVersion::V1_0,
                key_parameters: KeyParameters::ECDSAP256,
            }),
            Refusal::Message(Error::NoProvided),
            Refusal::Forwarded(ForwardedError::NoProvided { header: "Sec-Referred-Token-Binding-ID" }),
            Refusal::ForwardedOnBound,
            Refusal::HopByHop,
            Refusal::Fault(Fault::Exporter),
        ]
    }

    #[test]
    fn strict_refuses_every_one_of_them() {
        for refusal in every_refusal() {
            let expected = if matches!(refusal, Refusal::Fault(_)) {
                Response::ServerError
            } else {
                Response::BadRequest
            };
            assert_eq!(refusal.response(true), expected, "{refusal}");
        }
    }

    #[test]
    fn lenient_serves_all_but_duplicates_proxies_errors_and_faults() {
        for refusal in every_refusal() {
            let expected = match refusal {
                Refusal::Fault(_) => Response::ServerError,
                Refusal::DuplicateHeader
                | Refusal::Forwarded(_)
                | Refusal::ForwardedOnBound
                | Refusal::HopByHop => Response::BadRequest,
                _ => Response::Serve,
            };
            assert_eq!(refusal.response(false), expected, "{refusal}");
        }
    }

    #[test]
    fn a_clients_fault_is_info_and_ours_an_error() {
        for refusal in every_refusal() {
            let expected = if matches!(refusal, Refusal::Fault(_)) { Level::Error } else { Level::Info };
            assert_eq!(refusal.level(true), expected, "{refusal}");
        }
    }

    #[test]
    fn each_cause_has_a_tag_of_its_own() {
        let mut tags: Vec<&str> = every_refusal().iter().map(Refusal::tag).collect();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), every_refusal().len());
    }
}
