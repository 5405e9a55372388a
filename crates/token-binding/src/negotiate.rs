//! The `token_binding` TLS extension (RFC 8472; draft-ietf-tokbind-tls13 for TLS 1.3).

use crate::codec::Reader;
use crate::{AnswerError, Error, KeyParameters, ProtocolVersion};

/// The extension's number, `ExtensionType.token_binding`.
pub const EXTENSION_TYPE: u16 = 24;

const KEY_PARAMETERS_LIST: &str = "TokenBindingParameters.key_parameters_list";

/// `TokenBindingParameters`: the extension's body, a client's offer or a server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBindingParameters<'a> {
    /// An offer's highest version, or the version a server chose.
    pub version: ProtocolVersion,
    key_parameters: &'a [u8],
}

impl<'a> TokenBindingParameters<'a> {
    /// Puts an offer together from the numbers of its key parameters, in descending order of preference.
    ///
    /// # Errors
    /// [`Error::LengthMismatch`] unless there are 1 to 255 of them.
    pub const fn new(version: ProtocolVersion, key_parameters: &'a [u8]) -> Result<Self, Error> {
        if key_parameters.is_empty() || key_parameters.len() > u8::MAX as usize {
            return Err(Error::LengthMismatch { field: KEY_PARAMETERS_LIST });
        }
        Ok(Self { version, key_parameters })
    }

    /// Reads an extension's body, which must fill `bytes`.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::TrailingBytes`] or [`Error::LengthMismatch`] when a length is wrong or the list
    /// is empty. The handshake then ends with a fatal `decode_error`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Reader::read_all(bytes, "TokenBindingParameters", |reader| {
            let [major, minor] = reader.array("TokenBindingParameters.token_binding_version")?;
            Self::new(ProtocolVersion { major, minor }, reader.opaque8(KEY_PARAMETERS_LIST)?)
        })
    }

    /// The key parameters, in descending order of preference. Some may be unknown, and some may be there twice.
    pub fn key_parameters(&self) -> impl Iterator<Item = KeyParameters> + use<'a> {
        self.key_parameters.iter().copied().map(KeyParameters)
    }

    /// The extension's body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Both constructors see to it that the length fits in a byte.
        let mut body = vec![self.version.major, self.version.minor, self.key_parameters.len() as u8];
        body.extend_from_slice(self.key_parameters);
        body
    }
}

/// What client and server settled for one connection. A new handshake on it, resumed or renegotiated, settles it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The protocol version.
    pub version: ProtocolVersion,
    /// The key parameters that provided bindings must have.
    pub key_parameters: KeyParameters,
}

impl Negotiated {
    /// The server's extension body, in ServerHello before TLS 1.3 and in EncryptedExtensions from then on.
    #[must_use]
    pub const fn extension_body(&self) -> [u8; 4] {
        [self.version.major, self.version.minor, 1, self.key_parameters.0]
    }
}

/// What a server accepts.
#[derive(Clone, Copy, Debug)]
pub struct ServerPreferences<'a> {
    /// The oldest version it speaks, usually [`ProtocolVersion::OLDEST`]. The newest is always 1.0.
    pub min_version: ProtocolVersion,
    /// The key parameters it accepts, the most preferred first.
    pub key_parameters: &'a [KeyParameters],
}

impl ServerPreferences<'_> {
    /// Answers an offer (RFC 8472 sections 3 and 4). `None` means: leave the extension out and go on without.
    ///
    /// One condition is the caller's to check, because it takes the state of the TLS connection: on TLS 1.2 and older,
    /// Extended Master Secret and Renegotiation Indication must both be negotiated, or the extension stays out.
    #[must_use]
    pub fn select(&self, offer: &TokenBindingParameters<'_>) -> Option<Negotiated> {
        let version = offer.version.min(ProtocolVersion::V1_0);
        let offered = |wanted: &KeyParameters| offer.key_parameters().any(|offered| offered == *wanted);
        let key_parameters = self.key_parameters.iter().copied().find(offered)?;
        (version >= self.min_version).then_some(Negotiated { version, key_parameters })
    }
}

/// A client's reading of the server's answer (RFC 8472 section 4). `oldest_spoken` is the lowest version that the client
/// speaks, up to the one it offered. `Ok(None)` means: the server chose a lower one, go on without Token Binding.
///
/// Two conditions are the caller's to check, and fatal (`unsupported_extension`) as well: the client did send an offer,
/// and on TLS 1.2 and older Extended Master Secret and Renegotiation Indication are both negotiated.
///
/// # Errors
/// [`Error::UnsupportedExtension`] when the answer breaks a rule: the handshake ends with a fatal
/// `unsupported_extension`. Any other error is a malformed body: a fatal `decode_error`.
pub fn accept_answer(
    offer: &TokenBindingParameters<'_>,
    oldest_spoken: ProtocolVersion,
    answer: &[u8],
) -> Result<Option<Negotiated>, Error> {
    let answer = TokenBindingParameters::parse(answer)?;
    let &[key_parameters] = answer.key_parameters else {
        return Err(AnswerError::SeveralKeyParameters.into());
    };
    let negotiated = Negotiated { version: answer.version, key_parameters: KeyParameters(key_parameters) };
    if negotiated.version > offer.version {
        return Err(AnswerError::VersionTooHigh { offered: offer.version, answered: answer.version }.into());
    }
    if !offer.key_parameters().any(|offered| offered == negotiated.key_parameters) {
        return Err(AnswerError::KeyParametersNotOffered(negotiated.key_parameters).into());
    }
    Ok((negotiated.version >= oldest_spoken).then_some(negotiated))
}

#[cfg(test)]
mod tests;
