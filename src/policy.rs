//! From configuration and facts to what happens: whether a request's message is to be verified, and which variables
//! the request gets. Pure: the same input gives the same answer, and nothing here has heard of httpd's pointers.

use std::borrow::Cow;
use std::ffi::CStr;

use token_binding::Negotiated;

use crate::channel::Binding;
use crate::config::ServerConfig;
use crate::headers::Field;
use crate::outcome::Refusal;

/// What the module tells the application about a request's Token Binding (draft-ietf-tokbind-ttrp s2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable {
    /// base64url of the provided Token Binding ID: the key that the client uses with this server.
    Provided,
    /// base64url of the referred Token Binding ID: the key that the client uses with another server.
    Referred,
    /// `base64url(type) "." base64url(ID)`, comma-separated, for bindings of other types.
    Other,
    /// base64url of protocol version, key parameters and EKM, for those who verify messages themselves.
    Context,
}

impl Variable {
    pub(crate) const ALL: [Self; 4] = [Self::Provided, Self::Referred, Self::Other, Self::Context];

    /// The request header, and unless configured otherwise the environment variable.
    pub(crate) const fn header_name(self) -> &'static CStr {
        match self {
            Self::Provided => c"Sec-Provided-Token-Binding-ID",
            Self::Referred => c"Sec-Referred-Token-Binding-ID",
            Self::Other => c"Sec-Other-Token-Binding-ID",
            Self::Context => c"Sec-Token-Binding-Context",
        }
    }

    /// The word for it in `TokenBindingPassVar`.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Provided => "provided",
            Self::Referred => "referred",
            Self::Other => "other",
            Self::Context => "context",
        }
    }

    /// The directive that names its environment variable.
    pub(crate) const fn env_directive(self) -> &'static str {
        match self {
            Self::Provided => "TokenBindingProvidedEnvVar",
            Self::Referred => "TokenBindingReferredEnvVar",
            Self::Other => "TokenBindingOtherEnvVar",
            Self::Context => "TokenBindingContextEnvVar",
        }
    }

    /// Its value for a request with this verified binding, if it has one.
    pub(crate) fn value(self, binding: &Binding) -> Option<Cow<'_, str>> {
        let message = binding.message();
        match self {
            Self::Provided => Some(message.provided().base64url().into()),
            Self::Referred => message.referred().map(|id| id.base64url().into()),
            Self::Other => message.others_header_value().map(Cow::Borrowed),
            Self::Context => Some(Cow::Owned(binding.context().to_string())),
        }
    }
}

/// How the connection that a request came on stands with Token Binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Negotiated, in the handshake that is in force.
    Negotiated(Negotiated),
    /// Not negotiated, or not TLS at all.
    NotNegotiated,
}

/// What is to be done with a request, before any signature is looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement<'a> {
    /// Serve it without Token Binding.
    Unbound,
    /// Verify this header value, and serve or refuse accordingly.
    Verify(&'a [u8]),
    /// The request broke a rule.
    Refuse(Refusal),
}

/// Judges a request by its header and its connection (RFC 8473 s2).
///
/// `pushed`: the request is one that the server made itself, for an HTTP/2 push.
pub(crate) fn judge<'a>(
    config: &ServerConfig,
    standing: Standing,
    field: Field<'a>,
    pushed: impl FnOnce() -> bool,
) -> Judgement<'a> {
    match (field, standing) {
        (Field::Several, _) => Judgement::Refuse(Refusal::DuplicateHeader),
        (Field::Absent, Standing::NotNegotiated) => Judgement::Unbound,
        (Field::One(_), Standing::NotNegotiated) => Judgement::Refuse(Refusal::NotNegotiated),
        // An HTTP/2 connection may have been negotiated by a virtual host that accepts more than this one does.
        (field, Standing::Negotiated(negotiated)) if !accepts(config, negotiated) => match field {
            Field::Absent => Judgement::Unbound,
            _ => Judgement::Refuse(Refusal::NotAcceptedHere(negotiated)),
        },
        (Field::Absent, Standing::Negotiated(_)) if pushed() => Judgement::Unbound,
        (Field::Absent, Standing::Negotiated(_)) => Judgement::Refuse(Refusal::MissingHeader),
        (Field::One(value), Standing::Negotiated(_)) => Judgement::Verify(value),
    }
}

fn accepts(config: &ServerConfig, negotiated: Negotiated) -> bool {
    negotiated.version >= config.min_version() && config.key_parameters().contains(&negotiated.key_parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use token_binding::{KeyParameters, ProtocolVersion};

    const NEGOTIATED: Negotiated = Negotiated {
        version: ProtocolVersion { major: 0, minor: 16 },
        key_parameters: KeyParameters::ECDSAP256,
    };

    fn judged<'a>(config: &ServerConfig, standing: Standing, field: Field<'a>) -> Judgement<'a> {
        judge(config, standing, field, || false)
    }

    #[test]
    fn every_row_of_the_table() {
        let config = ServerConfig::default();
        let negotiated = Standing::Negotiated(NEGOTIATED);
        assert_eq!(judged(&config, Standing::NotNegotiated, Field::Absent), Judgement::Unbound);
        assert_eq!(
            judged(&config, Standing::NotNegotiated, Field::One(b"x")),
            Judgement::Refuse(Refusal::NotNegotiated)
        );
        assert_eq!(judged(&config, negotiated, Field::Absent), Judgement::Refuse(Refusal::MissingHeader));
        assert_eq!(judged(&config, negotiated, Field::One(b"x")), Judgement::Verify(b"x"));
        for standing in [negotiated, Standing::NotNegotiated] {
            assert_eq!(
                judged(&config, standing, Field::Several),
                Judgement::Refuse(Refusal::DuplicateHeader)
            );
        }
    }

    #[test]
    fn a_push_needs_no_header() {
        let standing = Standing::Negotiated(NEGOTIATED);
        assert_eq!(judge(&ServerConfig::default(), standing, Field::Absent, || true), Judgement::Unbound);
    }

    #[test]
    fn a_virtual_host_that_accepts_less_than_was_negotiated_refuses_the_message() {
        let standing = Standing::Negotiated(NEGOTIATED);
        let newer = ServerConfig { min_version: Some(ProtocolVersion::V1_0), ..ServerConfig::default() };
        let rsa = ServerConfig {
            key_parameters: Some(vec![KeyParameters::RSA2048_PSS]),
            ..ServerConfig::default()
        };
        for config in [newer, rsa] {
            assert_eq!(
                judged(&config, standing, Field::One(b"x")),
                Judgement::Refuse(Refusal::NotAcceptedHere(NEGOTIATED))
            );
            assert_eq!(judged(&config, standing, Field::Absent), Judgement::Unbound);
        }
    }
}
