//! What verification yields. Only [`verify_message`](super::verify_message) makes these, and
//! [`forwarded`](crate::forwarded), where a reverse proxy has verified.

use std::fmt;

use crate::message::TokenBindingId;
use crate::{KeyParameters, TokenBindingType, header};

/// A request's Token Bindings, proven: the client holds these keys, on the connection that the EKM is of. That
/// connection is the server's own, or that of a reverse proxy which the server trusts to have verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedBindings {
    provided: VerifiedId,
    /// A server keeps these for as long as a connection: few clients have more than one binding.
    further: Option<Box<Further>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Further {
    referred: Option<VerifiedId>,
    others: Vec<VerifiedOther>,
    others_header_value: Option<Box<str>>,
}

impl VerifiedBindings {
    pub(crate) fn new(
        provided: VerifiedId,
        referred: Option<VerifiedId>,
        others: Vec<VerifiedOther>,
    ) -> Self {
        if referred.is_none() && others.is_empty() {
            return Self { provided, further: None };
        }
        let elements: Vec<String> = others
            .iter()
            .map(|other| header::other_element(other.tokenbinding_type, &other.id.base64url))
            .collect();
        let others_header_value = (!elements.is_empty()).then(|| elements.join(",").into());
        Self { provided, further: Some(Box::new(Further { referred, others, others_header_value })) }
    }

    /// The key that the client uses with this server.
    #[must_use]
    pub const fn provided(&self) -> &VerifiedId {
        &self.provided
    }

    /// The key that the client uses with another server, which it wants a token for.
    #[must_use]
    pub fn referred(&self) -> Option<&VerifiedId> {
        self.further.as_ref()?.referred.as_ref()
    }

    /// Keys proven with bindings of types that this crate doesn't know, in the client's order.
    #[must_use]
    pub fn others(&self) -> &[VerifiedOther] {
        self.further.as_ref().map_or(&[], |further| &further.others)
    }

    /// The value of `Sec-Other-Token-Binding-ID`: base64url(type) "." base64url(ID) for each of
    /// [`others`](Self::others), with commas between. `None` when there are none.
    #[must_use]
    pub fn others_header_value(&self) -> Option<&str> {
        self.further.as_ref()?.others_header_value.as_deref()
    }
}

/// A Token Binding ID whose key the client has proven to hold.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedId {
    bytes: Box<[u8]>,
    base64url: Box<str>,
    key_parameters: KeyParameters,
}

impl VerifiedId {
    pub(crate) fn new(id: TokenBindingId<'_>) -> Self {
        Self {
            bytes: id.as_bytes().into(),
            base64url: header::encode(id.as_bytes()).into(),
            key_parameters: id.key_parameters(),
        }
    }

    /// The `TokenBindingID`, opaque to applications.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The `TokenBindingID` in base64url without padding.
    #[must_use]
    pub fn base64url(&self) -> &str {
        &self.base64url
    }

    /// The algorithm that the key was proven with.
    #[must_use]
    pub const fn key_parameters(&self) -> KeyParameters {
        self.key_parameters
    }
}

impl fmt::Debug for VerifiedId {
    /// Leaves out the key: an ID follows its user about, and has no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedId").field("key_parameters", &self.key_parameters).finish_non_exhaustive()
    }
}

/// A proven binding of a type that this crate doesn't know. What it means is the application's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedOther {
    tokenbinding_type: TokenBindingType,
    id: VerifiedId,
}

impl VerifiedOther {
    pub(crate) const fn new(tokenbinding_type: TokenBindingType, id: VerifiedId) -> Self {
        Self { tokenbinding_type, id }
    }

    /// The type's number.
    #[must_use]
    pub const fn token_binding_type(&self) -> TokenBindingType {
        self.tokenbinding_type
    }

    /// The key.
    #[must_use]
    pub const fn id(&self) -> &VerifiedId {
        &self.id
    }
}
