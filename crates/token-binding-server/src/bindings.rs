//! A request's Token Bindings, and who verified them.

use token_binding::verify::{VerifiedBindings, VerifiedId};
use zeroize::Zeroizing;

use crate::channel::Binding;
use crate::texts::{Texted, Texts};

/// The keys that a request's client holds.
#[derive(Debug)]
pub enum TokenBindings {
    /// The client proved it on this connection.
    Proved(Binding),
    /// A trusted proxy says that the client proved it on its connection with the proxy.
    Forwarded(Box<Texted>),
}

impl TokenBindings {
    fn texted(&self) -> &Texted {
        match self {
            Self::Proved(binding) => binding.texted(),
            Self::Forwarded(texted) => texted,
        }
    }

    fn verified(&self) -> &VerifiedBindings {
        &self.texted().verified
    }

    /// The values of the variables that tell of the bindings.
    pub fn texts(&self) -> &Texts {
        &self.texted().texts
    }

    /// The key that the client uses with this server.
    pub fn provided(&self) -> &VerifiedId {
        self.verified().provided()
    }

    /// The key that the client uses with another server, which it wants a token for.
    pub fn referred(&self) -> Option<&VerifiedId> {
        self.verified().referred()
    }

    /// The keys of bindings of other types, as `Sec-Other-Token-Binding-ID` has them.
    pub fn others(&self) -> Option<&str> {
        self.verified().others_header_value()
    }

    /// base64url of version, key parameters and EKM: only for bindings that were proved on this very connection.
    pub fn context(&self) -> Option<Zeroizing<String>> {
        match self {
            Self::Proved(binding) => Some(binding.context()),
            Self::Forwarded(_) => None,
        }
    }
}
