//! The client's side of the `token_binding` extension: what is sent in each ClientHello, and which answers are refused.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{ExtensionContext, Ssl, SslAlert, SslContextBuilder, SslRef};
use token_binding::negotiate::{EXTENSION_TYPE, TokenBindingParameters, accept_answer};

use super::fault::AnswerFault;
use super::options::{ConnectOptions, Offer};
use crate::{Negotiated, ProtocolVersion};

/// The handshake message in which an answer stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// ServerHello of TLS 1.2: the right place there.
    Tls12ServerHello,
    /// EncryptedExtensions of TLS 1.3: the right place there.
    EncryptedExtensions,
    /// ServerHello of TLS 1.3: wrong, and fatal to a client that is not lenient (RFC 8446 section 4.2).
    Tls13ServerHello,
}

/// The server's `token_binding` extension as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Where it stood.
    pub location: Location,
    /// Its body.
    pub body: Vec<u8>,
}

/// What one connection offers and what it was answered; hangs off its `Ssl`.
pub(crate) struct Negotiation {
    offer: Option<Vec<u8>>,
    renegotiation_offer: Option<Vec<u8>>,
    oldest_version: ProtocolVersion,
    lenient: bool,
    extended_master_secret: bool,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// The first handshake is over, so another ClientHello is a renegotiation's (before, a HelloRetryRequest's).
    established: bool,
    renegotiations: u32,
    sent: Option<Vec<u8>>,
    answer: Option<Answer>,
    negotiated: Option<Negotiated>,
    fault: Option<AnswerFault>,
    /// The answer of a TLS 1.2 handshake awaits the check that only a finished handshake allows.
    unchecked: bool,
}

impl Negotiation {
    pub(crate) fn new(options: &ConnectOptions) -> Result<Self, token_binding::Error> {
        Ok(Negotiation {
            offer: options.offer.encode()?,
            renegotiation_offer: options.renegotiation_offer.as_ref().unwrap_or(&options.offer).encode()?,
            oldest_version: options.oldest_version,
            lenient: options.lenient,
            extended_master_secret: options.extended_master_secret,
            progress: Mutex::default(),
        })
    }

    /// Nothing that holds this lock can panic half-way through a change, so a poisoned one is as good as new.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn answer(&self) -> Option<Answer> {
        self.progress().answer.clone()
    }

    pub(crate) fn negotiated(&self) -> Option<Negotiated> {
        self.progress().negotiated
    }

    pub(crate) fn renegotiations(&self) -> u32 {
        self.progress().renegotiations
    }

    pub(crate) fn take_fault(&self) -> Option<AnswerFault> {
        self.progress().fault.take()
    }

    /// The first handshake is over.
    pub(crate) fn established(&self) {
        self.progress().established = true;
    }

    /// What OpenSSL can't tell until the handshake is over. Renegotiation indication needs no look: OpenSSL refuses a
    /// TLS 1.2 server that doesn't send it, unless `SSL_OP_LEGACY_SERVER_CONNECT` is set, which the connector clears.
    pub(crate) fn check_finished(&self, ssl: &SslRef) -> Result<(), AnswerFault> {
        let mut progress = self.progress();
        if !progress.unchecked {
            return Ok(());
        }
        // None while a handshake is going on.
        let Some(extended_master_secret) = ssl.extms_support() else { return Ok(()) };
        progress.unchecked = false;
        if extended_master_secret {
            return Ok(());
        }
        progress.negotiated = None;
        if self.lenient { Ok(()) } else { Err(AnswerFault::NoExtendedMasterSecret) }
    }

    fn client_hello(&self) -> Option<Vec<u8>> {
        let mut progress = self.progress();
        let offer = if progress.established {
            progress.renegotiations = progress.renegotiations.saturating_add(1);
            &self.renegotiation_offer
        } else {
            &self.offer
        };
        // Each handshake negotiates anew: the old result is void (RFC 8472 section 4).
        progress.answer = None;
        progress.negotiated = None;
        progress.unchecked = false;
        progress.sent = offer.clone();
        progress.sent.clone()
    }

    fn server_answer(&self, location: Location, body: &[u8]) -> Result<(), SslAlert> {
        let mut progress = self.progress();
        progress.answer = Some(Answer { location, body: body.to_vec() });
        progress.unchecked = location == Location::Tls12ServerHello;
        match self.judge(progress.sent.as_deref(), location, body) {
            Ok(negotiated) => {
                progress.negotiated = negotiated;
                Ok(())
            }
            Err(_) if self.lenient => Ok(()),
            Err(fault) => {
                let alert = fault.alert();
                progress.fault = Some(fault);
                Err(alert)
            }
        }
    }

    fn judge(
        &self,
        sent: Option<&[u8]>,
        location: Location,
        body: &[u8],
    ) -> Result<Option<Negotiated>, AnswerFault> {
        if location == Location::Tls12ServerHello && !self.extended_master_secret {
            return Err(AnswerFault::NoExtendedMasterSecret);
        }
        let offer = sent.and_then(|sent| TokenBindingParameters::parse(sent).ok());
        let offer = offer.ok_or(AnswerFault::Unanswerable)?;
        Ok(accept_answer(&offer, self.oldest_version, body)?)
    }
}

impl AnswerFault {
    fn alert(&self) -> SslAlert {
        match self {
            AnswerFault::Parameters(token_binding::Error::UnsupportedExtension(_))
            | AnswerFault::Unanswerable
            | AnswerFault::NoExtendedMasterSecret => SslAlert::UNSUPPORTED_EXTENSION,
            // Not even an answer.
            AnswerFault::Parameters(_) => SslAlert::DECODE_ERROR,
        }
    }
}

impl Offer {
    fn encode(&self) -> Result<Option<Vec<u8>>, token_binding::Error> {
        match self {
            Offer::None => Ok(None),
            Offer::Parameters { version, key_parameters } => {
                let numbers: Vec<u8> = key_parameters.iter().map(|parameters| parameters.0).collect();
                Ok(Some(TokenBindingParameters::new(*version, &numbers)?.encode()))
            }
            Offer::Raw(body) => Ok(Some(body.clone())),
        }
    }
}

/// Where the connection's [`Negotiation`] hangs off its `Ssl`.
pub(crate) fn index() -> Result<Index<Ssl, Arc<Negotiation>>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, Arc<Negotiation>>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    // Two threads may both get here; the second's index is then left unused.
    let index = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| index))
}

/// Registers the extension. Also for connections that offer nothing: OpenSSL then answers an unsolicited extension with
/// the fatal `unsupported_extension` of RFC 8472 section 4, where it would ignore one that nobody registered.
pub(crate) fn register(context: &mut SslContextBuilder, lenient: bool) -> Result<(), ErrorStack> {
    let index = index()?;
    let mut messages = ExtensionContext::CLIENT_HELLO
        | ExtensionContext::TLS1_2_SERVER_HELLO
        | ExtensionContext::TLS1_3_ENCRYPTED_EXTENSIONS;
    if lenient {
        messages |= ExtensionContext::TLS1_3_SERVER_HELLO;
    }
    context.add_custom_ext(
        EXTENSION_TYPE,
        messages,
        move |ssl, _, _| Ok(ssl.ex_data(index).and_then(|negotiation| negotiation.client_hello())),
        move |ssl, message, body, _| {
            let location = if message.contains(ExtensionContext::TLS1_3_ENCRYPTED_EXTENSIONS) {
                Location::EncryptedExtensions
            } else if message.contains(ExtensionContext::TLS1_3_SERVER_HELLO) {
                Location::Tls13ServerHello
            } else {
                Location::Tls12ServerHello
            };
            let negotiation = ssl.ex_data(index).ok_or(SslAlert::INTERNAL_ERROR)?;
            negotiation.server_answer(location, body)
        },
    )
}
