//! A request's Token Bindings, and who says so.

use token_binding::{VerifiedBindings, VerifiedId};
use zeroize::Zeroizing;

use crate::channel::Binding;

/// The keys that a request's client holds.
#[derive(Debug)]
pub(crate) enum TokenBindings {
    /// The client proved it on this connection.
    Proved(Binding),
    /// A trusted proxy says that the client proved it on its connection with the proxy.
    Forwarded(VerifiedBindings),
}

impl TokenBindings {
    fn verified(&self) -> &VerifiedBindings {
        match self {
            Self::Proved(binding) => binding.verified(),
            Self::Forwarded(verified) => verified,
        }
    }

    /// The key that the client uses with this server.
    pub(crate) fn provided(&self) -> &VerifiedId {
        self.verified().provided()
    }

    /// The key that the client uses with another server, which it wants a token for.
    pub(crate) fn referred(&self) -> Option<&VerifiedId> {
        self.verified().referred()
    }

    /// The keys of bindings of other types, as `Sec-Other-Token-Binding-ID` has them.
    pub(crate) fn others(&self) -> Option<&str> {
        self.verified().others_header_value()
    }

    /// base64url of version, key parameters and EKM: only for bindings that were proved on this very connection.
    pub(crate) fn context(&self) -> Option<Zeroizing<String>> {
        match self {
            Self::Proved(binding) => Some(binding.context()),
            Self::Forwarded(_) => None,
        }
    }
}
