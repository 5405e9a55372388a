//! Verified bindings as text.

use std::ffi::{CStr, CString};

use token_binding::verify::VerifiedBindings;

/// Verified bindings, and their texts as C has them: made once, and handed to httpd's tables with each request.
#[derive(Debug)]
pub struct Texted {
    pub verified: VerifiedBindings,
    pub texts: Texts,
}

/// The values of the variables.
#[derive(Debug)]
pub struct Texts {
    pub provided: Box<CStr>,
    pub referred: Option<Box<CStr>>,
    pub others: Option<Box<CStr>>,
}

impl Texted {
    pub fn new(verified: VerifiedBindings) -> Self {
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
