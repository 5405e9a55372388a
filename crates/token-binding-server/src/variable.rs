//! What the module tells the application about a request: each variable's names, and its value.

use std::ffi::CStr;

use zeroize::Zeroizing;

use crate::bindings::TokenBindings;

/// A variable: an entry of the request's environment, and a request header for backends (draft-ietf-tokbind-ttrp s2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// base64url of the provided Token Binding ID: the key that the client uses with this server.
    Provided,
    /// base64url of the referred Token Binding ID: the key that the client uses with another server.
    Referred,
    /// `base64url(type) "." base64url(ID)`, comma-separated, for bindings of other types.
    Other,
    /// base64url of protocol version, key parameters and EKM, for those who verify messages themselves.
    Context,
    /// base64url(SHA-256(DER)) of the client's TLS certificate: `x5t#S256` (RFC 8705 s3.1).
    Certificate,
    /// The key that a device has proved (DBSC): base64url of its thumbprint (RFC 7638, SHA-256).
    Device,
}

impl Variable {
    pub const ALL: [Self; 6] =
        [Self::Provided, Self::Referred, Self::Other, Self::Context, Self::Certificate, Self::Device];

    /// The environment variable, unless configured otherwise.
    pub const fn default_env_name(self) -> &'static CStr {
        let [name, ..] = self.header_names() else { return c"" };
        name
    }

    /// The request headers. That of the certificate has two names: the C module's, and one that most backends don't drop.
    pub const fn header_names(self) -> &'static [&'static CStr] {
        match self {
            Self::Provided => &[c"Sec-Provided-Token-Binding-ID"],
            Self::Referred => &[c"Sec-Referred-Token-Binding-ID"],
            Self::Other => &[c"Sec-Other-Token-Binding-ID"],
            Self::Context => &[c"Sec-Token-Binding-Context"],
            Self::Certificate => &[c"TB_SSL_CLIENT_CERT_FINGERPRINT", c"TB-SSL-Client-Cert-Fingerprint"],
            Self::Device => &[c"Sec-Device-Bound-Session-Key"],
        }
    }

    /// The header's name in a CGI program's environment, which mod_include makes too, and earlier.
    pub const fn cgi_name(self) -> &'static CStr {
        match self {
            Self::Provided => c"HTTP_SEC_PROVIDED_TOKEN_BINDING_ID",
            Self::Referred => c"HTTP_SEC_REFERRED_TOKEN_BINDING_ID",
            Self::Other => c"HTTP_SEC_OTHER_TOKEN_BINDING_ID",
            Self::Context => c"HTTP_SEC_TOKEN_BINDING_CONTEXT",
            Self::Certificate => c"HTTP_TB_SSL_CLIENT_CERT_FINGERPRINT",
            Self::Device => c"HTTP_SEC_DEVICE_BOUND_SESSION_KEY",
        }
    }

    /// The name under which httpd hands an environment variable on in an internal redirect.
    pub fn redirected(name: &CStr) -> Vec<u8> {
        [b"REDIRECT_", name.to_bytes()].concat()
    }

    /// The word for it in `TokenBindingPassVar`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Provided => "provided",
            Self::Referred => "referred",
            Self::Other => "other",
            Self::Context => "context",
            Self::Certificate => "certificate",
            Self::Device => "device",
        }
    }

    /// The directive that names its environment variable, if it can have another name.
    pub const fn env_directive(self) -> Option<&'static str> {
        match self {
            Self::Provided => Some("TokenBindingProvidedEnvVar"),
            Self::Referred => Some("TokenBindingReferredEnvVar"),
            Self::Other => Some("TokenBindingOtherEnvVar"),
            Self::Context => Some("TokenBindingContextEnvVar"),
            Self::Certificate => None,
            Self::Device => Some("TokenBindingDeviceEnvVar"),
        }
    }
}

/// One value for each variable.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct PerVariable<T>([T; Variable::ALL.len()]);

impl<T> PerVariable<T> {
    pub fn each(of: impl FnMut(Variable) -> T) -> Self {
        Self(Variable::ALL.map(of))
    }

    pub fn get(&self, variable: Variable) -> &T {
        let Self([provided, referred, other, context, certificate, device]) = self;
        match variable {
            Variable::Provided => provided,
            Variable::Referred => referred,
            Variable::Other => other,
            Variable::Context => context,
            Variable::Certificate => certificate,
            Variable::Device => device,
        }
    }

    pub fn set(&mut self, variable: Variable, value: T) {
        let Self([provided, referred, other, context, certificate, device]) = self;
        *match variable {
            Variable::Provided => provided,
            Variable::Referred => referred,
            Variable::Other => other,
            Variable::Context => context,
            Variable::Certificate => certificate,
            Variable::Device => device,
        } = value;
    }
}

/// The variables that `TokenBindingPassVar` passes on: a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassVar(u8);

impl PassVar {
    pub const NONE: Self = Self(0);
    /// The default: all but the context, which holds keying material.
    pub const DEFAULT: Self = Self::NONE
        .with(Variable::Provided)
        .with(Variable::Referred)
        .with(Variable::Other)
        .with(Variable::Certificate)
        .with(Variable::Device);

    #[inline]
    pub const fn includes(self, variable: Variable) -> bool {
        self.0 & Self::bit(variable) != 0
    }

    #[must_use]
    pub const fn with(self, variable: Variable) -> Self {
        Self(self.0 | Self::bit(variable))
    }

    const fn bit(variable: Variable) -> u8 {
        1 << variable as u8
    }
}

/// What is known of a request's client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    pub bindings: Option<&'a TokenBindings>,
    /// The value of [`Variable::Certificate`].
    pub certificate: Option<&'a CStr>,
    /// The value of [`Variable::Device`].
    pub device: Option<&'a CStr>,
}

/// A variable's value.
pub enum Value<'a> {
    /// Text that is kept with the request.
    Kept(&'a CStr),
    /// Text made for this request, as secret as a key.
    Made(Zeroizing<String>),
}

impl<'a> Facts<'a> {
    #[inline]
    pub fn value(self, variable: Variable) -> Option<Value<'a>> {
        let texts = self.bindings.map(TokenBindings::texts);
        let kept = match variable {
            Variable::Provided => Some(&*texts?.provided),
            Variable::Referred => texts?.referred.as_deref(),
            Variable::Other => texts?.others.as_deref(),
            Variable::Context => return self.bindings?.context().map(Value::Made),
            Variable::Certificate => self.certificate,
            Variable::Device => self.device,
        };
        kept.map(Value::Kept)
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        matches!(self, Self { bindings: None, certificate: None, device: None })
    }

    /// The value of [`Variable::Provided`], if no other one of `pass` has a value. Most clients prove one key.
    #[inline]
    pub fn only_provided(self, pass: PassVar) -> Option<&'a CStr> {
        let texts = self.bindings?.texts();
        let is_simple = self.certificate.is_none()
            && self.device.is_none()
            && texts.referred.is_none()
            && texts.others.is_none()
            && pass.includes(Variable::Provided)
            && !pass.includes(Variable::Context);
        is_simple.then_some(&*texts.provided)
    }
}

#[cfg(test)]
mod tests {
    use token_binding::header;

    use super::*;

    #[test]
    fn each_variable_has_a_place_of_its_own() {
        let mut places = PerVariable::each(Variable::word);
        for variable in Variable::ALL {
            assert_eq!(*places.get(variable), variable.word());
            places.set(variable, "changed");
            assert_eq!(*places.get(variable), "changed");
            places.set(variable, variable.word());
        }
    }

    /// httpd wants them as C strings, so that they stand here again.
    #[test]
    fn header_names_are_the_protocols() {
        for (variable, name) in [
            (Variable::Provided, header::SEC_PROVIDED_TOKEN_BINDING_ID),
            (Variable::Referred, header::SEC_REFERRED_TOKEN_BINDING_ID),
            (Variable::Other, header::SEC_OTHER_TOKEN_BINDING_ID),
            (Variable::Context, header::SEC_TOKEN_BINDING_CONTEXT),
        ] {
            assert_eq!(variable.default_env_name().to_str(), Ok(name));
        }
        for variable in Variable::ALL {
            let is_reserved = |name: &&CStr| crate::headers::reserved(name.to_bytes()).is_some();
            assert!(variable.header_names().iter().all(is_reserved), "{variable:?}");
        }
    }

    #[test]
    fn cgi_makes_its_names_of_the_headers() {
        for variable in Variable::ALL {
            for name in variable.header_names() {
                let folded = name.to_str().unwrap().to_ascii_uppercase().replace('-', "_");
                assert_eq!(variable.cgi_name().to_str().unwrap(), format!("HTTP_{folded}"));
            }
        }
    }

    #[test]
    fn keying_material_is_asked_for() {
        let pass = PassVar::DEFAULT;
        for variable in Variable::ALL {
            assert_eq!(pass.includes(variable), variable != Variable::Context, "{variable:?}");
            assert!(!PassVar::NONE.includes(variable) && PassVar::NONE.with(variable).includes(variable));
        }
    }
}
