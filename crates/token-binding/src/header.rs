//! HTTP: header names, and how bytes become header values (RFC 8473, draft-ietf-tokbind-ttrp).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::negotiate::Negotiated;
use crate::{EKM_LENGTH, Ekm, Error, TokenBindingType};

pub use crate::limits::MAX_HEADER_LENGTH;

/// The request header that carries the message (RFC 8473 section 2).
pub const SEC_TOKEN_BINDING: &str = "Sec-Token-Binding";
/// The response header that asks the client to prove its key to a redirect's target (RFC 8473 section 5.3).
pub const INCLUDE_REFERRED_TOKEN_BINDING_ID: &str = "Include-Referred-Token-Binding-ID";
/// Tells a backend the provided Token Binding ID (ttrp section 2.2).
pub const SEC_PROVIDED_TOKEN_BINDING_ID: &str = "Sec-Provided-Token-Binding-ID";
/// Tells a backend the referred Token Binding ID (ttrp section 2.2).
pub const SEC_REFERRED_TOKEN_BINDING_ID: &str = "Sec-Referred-Token-Binding-ID";
/// Tells a backend the Token Binding IDs of types that this crate doesn't know (ttrp section 2.2).
pub const SEC_OTHER_TOKEN_BINDING_ID: &str = "Sec-Other-Token-Binding-ID";
/// Tells a backend what it needs to verify messages itself (draft-campbell-tokbind-tls-term): see [`context_value`].
pub const SEC_TOKEN_BINDING_CONTEXT: &str = "Sec-Token-Binding-Context";

/// Decodes a `Sec-Token-Binding` value to the bytes of a message.
///
/// # Errors
/// [`Error::HeaderTooLong`] above [`MAX_HEADER_LENGTH`]; [`Error::HeaderEncoding`] for padding, white space, any other
/// character outside the base64url alphabet, or bits set after the last byte.
pub fn decode(header: &[u8]) -> Result<Vec<u8>, Error> {
    if header.len() > MAX_HEADER_LENGTH {
        return Err(Error::HeaderTooLong { length: header.len() });
    }
    URL_SAFE_NO_PAD.decode(header).map_err(|_| Error::HeaderEncoding)
}

/// Encodes bytes as base64url without padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// One element of `Sec-Other-Token-Binding-ID`: base64url(type) "." base64url(ID), the latter as given.
///
/// This is the project's format. The draft writes the type in hex (ttrp section 2.1.2), as in `4d.AgBB...`.
pub(crate) fn other_element(tokenbinding_type: TokenBindingType, id: &str) -> String {
    format!("{}.{id}", encode(&[tokenbinding_type.0]))
}

/// Reads what [`other_element`] wrote: the type, and the ID's bytes.
pub(crate) fn read_other_element(element: &[u8]) -> Result<(TokenBindingType, Vec<u8>), Error> {
    let dot = element.iter().position(|byte| *byte == b'.').ok_or(Error::HeaderEncoding)?;
    let (tokenbinding_type, id) = element.split_at_checked(dot).ok_or(Error::HeaderEncoding)?;
    let id = id.strip_prefix(b".").ok_or(Error::HeaderEncoding)?;
    match decode(tokenbinding_type)?.as_slice() {
        [tokenbinding_type] => Ok((TokenBindingType(*tokenbinding_type), decode(id)?)),
        _ => Err(Error::HeaderEncoding),
    }
}

/// The value of [`SEC_TOKEN_BINDING_CONTEXT`]: base64url of the version's two octets, the key parameters and the EKM.
///
/// It is as secret as the EKM is.
#[must_use]
pub fn context_value(negotiated: Negotiated, ekm: &Ekm) -> Zeroizing<String> {
    let mut context = Zeroizing::new(Vec::with_capacity(3 + EKM_LENGTH));
    context.extend([negotiated.version.major, negotiated.version.minor, negotiated.key_parameters.0]);
    context.extend(ekm.as_bytes());
    Zeroizing::new(encode(&context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyParameters, ProtocolVersion};

    #[test]
    fn a_context_is_version_key_parameters_and_ekm() {
        let version = ProtocolVersion { major: 0, minor: 16 };
        let negotiated = Negotiated { version, key_parameters: KeyParameters::ECDSAP256 };
        let context = context_value(negotiated, &Ekm::new([0xff; EKM_LENGTH]));
        assert_eq!(decode(context.as_bytes()), Ok([&[0, 16, 2][..], &[0xff; EKM_LENGTH]].concat()));
    }
}
