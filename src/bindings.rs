//! A request's Token Bindings, and who says so.

use std::ffi::{CStr, CString};

use token_binding::{VerifiedBindings, VerifiedId};
use zeroize::Zeroizing;

use crate::channel::Binding;

/// The keys that a request's client holds.
#[derive(Debug)]
pub(crate) enum TokenBindings {
    /// The client proved it on this connection.
    Proved(Binding),
    /// A trusted proxy says that the client proved it on its connection with the proxy.
    Forwarded(Box<Texted>),
}

/// Verified bindings, and their texts as C has them: made once, and handed to httpd's tables with each request.
#[derive(Debug)]
pub(crate) struct Texted {
    pub(crate) verified: VerifiedBindings,
    pub(crate) texts: Texts,
}

/// The values of the variables.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) provided: Box<CStr>,
    pub(crate) referred: Option<Box<CStr>>,
    pub(crate) others: Option<Box<CStr>>,
}

impl Texted {
    pub(crate) fn new(verified: VerifiedBindings) -> Self {
        // base64url, commas and dots: there is no NUL to cut a text at.
        let text = |text: &str| CString::new(text).unwrap_or_default().into_boxed_c_str();
        let texts = Texts {
            provided: text(verified.provided().base64url()),
            referred: verified.referred().map(|id| text(id.base64url())),
            others: verified.others_header_value().map(text),
        };
        Self { verified, texts }
    }
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
    pub(crate) fn texts(&self) -> &Texts {
        &self.texted().texts
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
