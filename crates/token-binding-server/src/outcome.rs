//! Why a request was not taken as bound, and what follows from it: one place for status, log level, tag and words.

use thiserror::Error;
use token_binding::forwarded::ForwardedError;
use token_binding::negotiate::Negotiated;

use crate::counters::Count;

/// Why a request's Token Binding was not accepted. Its words are for the error log.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// RFC 8473 s2: the server MUST answer 400.
    #[error("more than one Sec-Token-Binding header")]
    DuplicateHeader,
    #[error("no Sec-Token-Binding header, though Token Binding is negotiated on the connection")]
    MissingHeader,
    #[error("Sec-Token-Binding header, though Token Binding is not negotiated on the connection")]
    NotNegotiated,
    /// Negotiated at the handshake's virtual host, but with what the request's virtual host does not accept.
    #[error(
        "the connection's Token Binding ({}, version {}) is not accepted by this virtual host",
        .0.key_parameters,
        .0.version
    )]
    NotAcceptedHere(Negotiated),
    #[error("Sec-Token-Binding not accepted: {0}")]
    Message(token_binding::Error),
    #[error("the trusted proxy's headers are not accepted: {0}")]
    Forwarded(ForwardedError),
    #[error(
        "the trusted proxy's headers are not accepted: one of the Sec-...-Token-Binding-ID headers is there more than once (it \
         must replace those that its clients send)"
    )]
    ForwardedTwice,
    #[error(
        "the trusted proxy sends Sec-...-Token-Binding-ID headers on a connection with Token Binding of its own: whose key \
         counts is not clear"
    )]
    ForwardedOnBound,
    #[error(
        "the Connection header names a header that passes Token Bindings or a certificate's fingerprint on, so that a proxy would leave it out"
    )]
    HopByHop,
    #[error(transparent)]
    Fault(Fault),
}

/// What can go wrong inside the module or the TLS library. Never a reason to serve a request as "not bound".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// A panic was caught while the connection's state was being changed.
    #[error("the connection's state is unknown after an earlier fault")]
    Poisoned,
    #[error("OpenSSL could not export keying material")]
    Exporter,
    #[error("the handshake ended without Extended Master Secret")]
    ExtendedMasterSecret,
    /// A request arrived before its connection's keying material was exported.
    #[error("no keying material was exported after the handshake")]
    Incomplete,
    #[error("OpenSSL could not make the fingerprint of the client's certificate")]
    Certificate,
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
    /// 503 Service Unavailable: the client should try again.
    Unavailable,
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

/// What follows from a refusal.
struct Row {
    /// Never reused for anything else.
    tag: &'static str,
    /// The response with `TokenBindingStrict Off`. With `On`, `Serve` becomes `BadRequest`.
    lenient: Response,
    level: Level,
    count: Count,
    /// What it counts as where it is served all the same.
    would: Count,
}

impl Refusal {
    /// One row a refusal.
    #[rustfmt::skip]
    fn row(&self) -> Row {
        use Response::{BadRequest, Serve, ServerError};
        let row = |tag, lenient, level, count| Row { tag, lenient, level, count, would: count };
        let served = |tag, count, would| Row { tag, lenient: Serve, level: Level::Info, count, would };
        match self {
            Self::DuplicateHeader => row("TB101", BadRequest, Level::Info, Count::DuplicateHeader),
            Self::MissingHeader => served("TB102", Count::MissingHeader, Count::WouldRefuseMissingHeader),
            Self::NotNegotiated => served("TB103", Count::HeaderNotNegotiated, Count::WouldRefuseNotNegotiated),
            Self::NotAcceptedHere(_) => served("TB104", Count::NotAcceptedHere, Count::WouldRefuseNotAcceptedHere),
            Self::Message(error) if error.is_internal() => row(tags::REQUEST_FAULT, ServerError, Level::Error, Count::Fault),
            Self::Message(_) => served("TB105", Count::WrongMessage, Count::WouldRefuseWrongMessage),
            // Refused with `TokenBindingStrict Off`, too: a proxy's wrong headers have no lenient reading, and no honest client
            // sends what `HopByHop` is about.
            Self::Forwarded(_) | Self::ForwardedTwice => row("TB107", BadRequest, Level::Info, Count::Forwarded),
            Self::ForwardedOnBound => row("TB108", BadRequest, Level::Info, Count::Forwarded),
            Self::HopByHop => row("TB110", BadRequest, Level::Info, Count::HopByHop),
            Self::Fault(_) => row(tags::REQUEST_FAULT, ServerError, Level::Error, Count::Fault),
        }
    }

    pub fn response(&self, strict: bool) -> Response {
        match self.row().lenient {
            Response::Serve if strict => Response::BadRequest,
            response => response,
        }
    }

    pub fn level(&self) -> Level {
        self.row().level
    }

    /// The tag of its log line.
    pub fn tag(&self) -> &'static str {
        self.row().tag
    }

    /// What it counts as.
    pub fn count(&self, strict: bool) -> Count {
        match self.response(strict) {
            Response::Serve => self.row().would,
            _ => self.row().count,
        }
    }

    /// Its line in the log.
    pub fn line(&self, strict: bool) -> String {
        let served = match self.response(strict) {
            Response::Serve => "served unbound (TokenBindingStrict On would refuse it): ",
            _ => "",
        };
        format!("{}: {served}{self}", self.tag())
    }
}

/// What a visitor is told who gets a page that says "Bad Request": no more than helps the helpdesk to find the line in the log.
pub fn note(tag: &str) -> String {
    format!(
        "It could not be confirmed that the request comes from the device that the session belongs to. Please close the browser \
         and try again; if that does not help, tell the helpdesk this code: {tag}."
    )
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
    pub const PLAIN: &str = "TB008";
    pub const REQUEST_FAULT: &str = "TB106";
    pub const NOT_TRUSTED: &str = "TB109";
    pub const MALFORMED_EXTENSION: &str = "TB201";
    pub const UNSAFE_HANDSHAKE: &str = "TB202";
    pub const HANDSHAKE_FAULT: &str = "TB203";
    pub const COOKIE_REFUSED: &str = "TB301";
    pub const COOKIE_WITHHELD: &str = "TB302";
    pub const COOKIE_TOO_LONG: &str = "TB303";
    pub const COOKIE_FAULT: &str = "TB304";
    pub const COOKIE_REPORTED: &str = "TB305";
    pub const DBSC_REGISTRATION: &str = "TB401";
    pub const DBSC_REFRESH: &str = "TB402";
    pub const DBSC_FAULT: &str = "TB403";
    pub const DBSC_ENDED: &str = "TB404";
    pub const DBSC_PUT_OFF: &str = "TB405";
    pub const DBSC_CONFIGURATION: &str = "TB406";
    pub const PANIC: &str = "TB901";
}

#[cfg(test)]
mod tests {
    use super::*;
    use token_binding::header::SEC_REFERRED_TOKEN_BINDING_ID;
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
            Refusal::Forwarded(ForwardedError::NoProvided { header: SEC_REFERRED_TOKEN_BINDING_ID }),
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
            assert_eq!(refusal.level(), expected, "{refusal}");
        }
    }

    #[test]
    fn what_is_served_all_the_same_has_words_and_a_counter_of_its_own() {
        for refusal in every_refusal() {
            let is_served = refusal.response(false) == Response::Serve;
            assert_eq!(refusal.count(true) != refusal.count(false), is_served, "{refusal}");
            assert_eq!(refusal.line(false).contains("TokenBindingStrict On would refuse it"), is_served);
            assert!(
                !refusal.line(true).contains("would refuse it")
                    && refusal.line(true).starts_with(refusal.tag())
            );
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
