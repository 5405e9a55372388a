//! What a TLS-terminating reverse proxy says of its client, in the headers of the request that it passes on
//! (draft-ietf-tokbind-ttrp section 2).
//!
//! Nothing in these headers can be verified here: they are worth what their sender is. A server must know that they
//! come from a proxy which it trusts, and which removes those that its clients send.

use crate::header::{
    SEC_OTHER_TOKEN_BINDING_ID, SEC_PROVIDED_TOKEN_BINDING_ID, SEC_REFERRED_TOKEN_BINDING_ID, decode,
    read_other_element,
};
use crate::key::PublicKey;
use crate::message::{MAX_BINDINGS, TokenBindingId};
use crate::verify::{VerifiedBindings, VerifiedId, VerifiedOther};
use crate::{Error, TokenBindingType};

/// The values of a request's headers, one for each name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwardedHeaders<'a> {
    /// `Sec-Provided-Token-Binding-ID`: base64url(ID).
    pub provided: Option<&'a [u8]>,
    /// `Sec-Referred-Token-Binding-ID`: base64url(ID).
    pub referred: Option<&'a [u8]>,
    /// `Sec-Other-Token-Binding-ID`: a comma-separated list of base64url(type) "." base64url(ID).
    pub other: Option<&'a [u8]>,
}

impl ForwardedHeaders<'_> {
    /// Whether there is none of the headers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self { provided: None, referred: None, other: None })
    }

    /// Takes the proxy's word: `None` when it says nothing, which means that its client is unbound.
    ///
    /// The IDs must be well-formed, and so must be keys whose key parameters are known. A proxy may know more of them.
    ///
    /// # Errors
    /// Which header is wrong, and how.
    pub fn bindings(&self) -> Result<Option<VerifiedBindings>, ForwardedError> {
        let Some(provided) = self.provided else {
            return match self {
                Self { referred: Some(_), .. } => {
                    Err(ForwardedError::NoProvided { header: SEC_REFERRED_TOKEN_BINDING_ID })
                }
                Self { other: Some(_), .. } => {
                    Err(ForwardedError::NoProvided { header: SEC_OTHER_TOKEN_BINDING_ID })
                }
                _ => Ok(None),
            };
        };
        let one = |header, value: &[u8]| {
            decode(value)
                .and_then(|bytes| id(&bytes))
                .map_err(|cause| ForwardedError::Malformed { header, cause })
        };
        let provided = one(SEC_PROVIDED_TOKEN_BINDING_ID, provided)?;
        let referred = self.referred.map(|value| one(SEC_REFERRED_TOKEN_BINDING_ID, value)).transpose()?;
        let others = self.other.map_or_else(|| Ok(Vec::new()), others)?;
        Ok(Some(VerifiedBindings::new(provided, referred, others)))
    }
}

fn id(bytes: &[u8]) -> Result<VerifiedId, Error> {
    let id = TokenBindingId::parse(bytes)?;
    if id.key_parameters().is_known() {
        PublicKey::parse(id.key_parameters(), id.public_key())?;
    }
    Ok(VerifiedId::new(id))
}

fn others(list: &[u8]) -> Result<Vec<VerifiedOther>, ForwardedError> {
    let malformed = |cause| ForwardedError::Malformed { header: SEC_OTHER_TOKEN_BINDING_ID, cause };
    let mut others = Vec::new();
    for element in list.split(|byte| *byte == b',') {
        if others.len() == MAX_BINDINGS {
            return Err(malformed(Error::TooManyBindings));
        }
        let (tokenbinding_type, bytes) = read_other_element(element.trim_ascii()).map_err(malformed)?;
        if matches!(tokenbinding_type, TokenBindingType::PROVIDED | TokenBindingType::REFERRED) {
            return Err(ForwardedError::NotOther { tokenbinding_type });
        }
        others.push(VerifiedOther::new(tokenbinding_type, id(&bytes).map_err(malformed)?));
    }
    Ok(others)
}

/// Why a proxy's headers were not taken. The text is one sentence for a server's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardedError {
    /// A value is not what its header's format allows.
    #[error("{header} is malformed: {cause}")]
    Malformed {
        /// The header's name.
        header: &'static str,
        /// What is wrong with it.
        cause: Error,
    },
    /// A client without a provided binding has no others.
    #[error("{header} comes without {SEC_PROVIDED_TOKEN_BINDING_ID}")]
    NoProvided {
        /// The header's name.
        header: &'static str,
    },
    /// `Sec-Other-Token-Binding-ID` names a type that has a header of its own.
    #[error(
        "{SEC_OTHER_TOKEN_BINDING_ID} has an ID of type {tokenbinding_type}, which has a header of its own"
    )]
    NotOther {
        /// The type.
        tokenbinding_type: TokenBindingType,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::encode;
    use crate::{KeyError, KeyParameters};

    fn ec_id(fill: u8) -> Vec<u8> {
        [&[2, 0, 65, 64][..], &[fill; 64]].concat()
    }

    fn text(id: &[u8]) -> Vec<u8> {
        encode(id).into_bytes()
    }

    fn refused(value: &[u8]) -> Error {
        let headers = ForwardedHeaders { provided: Some(value), ..ForwardedHeaders::default() };
        match headers.bindings() {
            Err(ForwardedError::Malformed { header: SEC_PROVIDED_TOKEN_BINDING_ID, cause }) => cause,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_header_is_an_unbound_client() {
        assert_eq!(ForwardedHeaders::default().bindings(), Ok(None));
        assert!(ForwardedHeaders::default().is_empty());
    }

    #[test]
    fn the_ids_are_taken_over() {
        let (provided, referred) = (text(&ec_id(1)), text(&ec_id(2)));
        let other = [b"TQ.".as_slice(), &text(&ec_id(3)), b" ,\tTg.", &text(&ec_id(4))].concat();
        let headers =
            ForwardedHeaders { provided: Some(&provided), referred: Some(&referred), other: Some(&other) };
        let bindings = headers.bindings().unwrap().unwrap();
        assert_eq!(bindings.provided().as_bytes(), ec_id(1));
        assert_eq!(bindings.provided().base64url().as_bytes(), provided);
        assert_eq!(bindings.provided().key_parameters(), KeyParameters::ECDSAP256);
        assert_eq!(bindings.referred().unwrap().as_bytes(), ec_id(2));
        let [first, second] = bindings.others() else { panic!("{bindings:?}") };
        assert_eq!((first.token_binding_type().0, first.id().as_bytes()), (77, &ec_id(3)[..]));
        assert_eq!((second.token_binding_type().0, second.id().as_bytes()), (78, &ec_id(4)[..]));
        let expected = format!("TQ.{},Tg.{}", encode(&ec_id(3)), encode(&ec_id(4)));
        assert_eq!(bindings.others_header_value(), Some(expected.as_str()));
    }

    #[test]
    fn a_proxy_may_know_other_key_parameters() {
        let unknown = text(&[88, 0, 3, 1, 2, 3]);
        let headers = ForwardedHeaders { provided: Some(&unknown), ..ForwardedHeaders::default() };
        assert_eq!(headers.bindings().unwrap().unwrap().provided().base64url().as_bytes(), unknown);
    }

    #[test]
    fn others_need_a_provided_one() {
        let value = text(&ec_id(1));
        let referred = ForwardedHeaders { referred: Some(&value), ..ForwardedHeaders::default() };
        let header = SEC_REFERRED_TOKEN_BINDING_ID;
        assert_eq!(referred.bindings(), Err(ForwardedError::NoProvided { header }));
        let other = ForwardedHeaders { other: Some(b"TQ.AA"), ..ForwardedHeaders::default() };
        let header = SEC_OTHER_TOKEN_BINDING_ID;
        assert_eq!(other.bindings(), Err(ForwardedError::NoProvided { header }));
    }

    #[test]
    fn malformed_values_are_refused() {
        assert_eq!(refused(b""), Error::Truncated { field: "TokenBindingID.key_parameters" });
        assert_eq!(refused(b"AgBBQJ5d"), Error::Truncated { field: "TokenBindingID.key_length" });
        for value in [&b"AgB=="[..], b"Ag BB", b"A", b"\xff", b"AB"] {
            assert_eq!(refused(value), Error::HeaderEncoding, "{value:?}");
        }
        let two = [text(&ec_id(1)), text(&ec_id(2))].join(&b',');
        assert_eq!(refused(&two), Error::HeaderEncoding);
        let longer = [ec_id(1), vec![0]].concat();
        assert_eq!(refused(&text(&longer)), Error::TrailingBytes { field: "TokenBindingID" });
        assert_eq!(refused(&text(&[2, 0, 2, 1, 1])), Error::InvalidKey(KeyError::PointSize));
        let long = vec![b'A'; crate::header::MAX_HEADER_LENGTH + 1];
        assert_eq!(refused(&long), Error::HeaderTooLong { length: long.len() });
        for length in 0..ec_id(1).len() {
            let cut = ec_id(1).into_iter().take(length).collect::<Vec<u8>>();
            assert!(matches!(refused(&text(&cut)), Error::Truncated { .. }), "{length}");
        }
    }

    #[test]
    fn a_malformed_list_of_others_is_refused() {
        let provided = text(&ec_id(1));
        let with = |other: &[u8]| {
            let headers = ForwardedHeaders { provided: Some(&provided), referred: None, other: Some(other) };
            headers.bindings().map(drop)
        };
        let header = SEC_OTHER_TOKEN_BINDING_ID;
        let element = |first: &str| [first.as_bytes(), b".", &text(&ec_id(1))].concat();
        assert_eq!(with(&element("TQ")), Ok(()));
        for list in [
            Vec::new(),
            b",".to_vec(),
            b"TQ".to_vec(),
            element(""),
            element("TU0"),
            element("4d"),
            element("TQ.TQ"),
            [element("TQ"), b",".to_vec()].concat(),
        ] {
            let cause = Error::HeaderEncoding;
            assert_eq!(with(&list), Err(ForwardedError::Malformed { header, cause }), "{list:?}");
        }
        for tokenbinding_type in [TokenBindingType::PROVIDED, TokenBindingType::REFERRED] {
            let list = element(&encode(&[tokenbinding_type.0]));
            assert_eq!(with(&list), Err(ForwardedError::NotOther { tokenbinding_type }));
        }
        let many = vec![element("TQ"); MAX_BINDINGS + 1].join(&b',');
        assert_eq!(with(&many), Err(ForwardedError::Malformed { header, cause: Error::TooManyBindings }));
    }
}
