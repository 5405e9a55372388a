//! From configuration and facts to what happens: whether a request's message is to be verified, and which variables
//! the request gets. Pure: the same input gives the same answer, and nothing here has heard of httpd's pointers.

use token_binding::forwarded::ForwardedHeaders;
use token_binding::negotiate::Negotiated;

use crate::config::ServerConfig;
use crate::headers::{Field, Taken};
use crate::outcome::Refusal;

/// How the connection that a request came on stands with Token Binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Negotiated, in the handshake that is in force.
    Negotiated(Negotiated),
    /// Not negotiated, or not TLS at all.
    NotNegotiated,
}

/// What is to be done with a request, before any signature is looked at.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement<'a> {
    /// Serve it without Token Binding.
    Unbound,
    /// Verify this header value, and serve or refuse accordingly.
    Verify(&'a [u8]),
    /// Believe what the trusted proxy says, if it is well-formed.
    TakeOver(ForwardedHeaders<'a>),
    /// The request broke a rule.
    Refuse(Refusal),
}

/// Judges a request by its headers and its connection (RFC 8473 s2).
///
/// `trusted`: does the connection come from a trusted proxy? Asked only where it matters.
/// `pushed`: the request is one that the server made itself, for an HTTP/2 push.
pub fn judge<'a>(
    config: &ServerConfig,
    standing: Standing,
    taken: &Taken<'a>,
    trusted: impl FnOnce() -> bool,
    pushed: impl FnOnce() -> bool,
) -> Judgement<'a> {
    // `Channel::verify` detects a list itself; the other paths need this.
    let refuse =
        |refusal| Judgement::Refuse(if taken.message.is_list() { Refusal::DuplicateHeader } else { refusal });
    match (taken.message, standing) {
        (Field::Several, _) => Judgement::Refuse(Refusal::DuplicateHeader),
        (Field::One(_), Standing::NotNegotiated) => refuse(Refusal::NotNegotiated),
        (_, standing) if !taken.forwarded.is_empty() && trusted() => match standing {
            // It could be the client's key or the proxy's own.
            Standing::Negotiated(_) => refuse(Refusal::ForwardedOnBound),
            Standing::NotNegotiated if taken.forwarded_twice => Judgement::Refuse(Refusal::ForwardedTwice),
            Standing::NotNegotiated => Judgement::TakeOver(taken.forwarded),
        },
        (Field::Absent, Standing::NotNegotiated) => Judgement::Unbound,
        // An HTTP/2 connection may have been negotiated by a virtual host that accepts more than this one does.
        (field, Standing::Negotiated(negotiated)) if !accepts(config, negotiated) => match field {
            Field::Absent => Judgement::Unbound,
            _ => refuse(Refusal::NotAcceptedHere(negotiated)),
        },
        (Field::Absent, Standing::Negotiated(_)) if pushed() => Judgement::Unbound,
        (Field::Absent, Standing::Negotiated(_)) => Judgement::Refuse(Refusal::MissingHeader),
        (Field::One(value), Standing::Negotiated(_)) => Judgement::Verify(value),
    }
}

#[inline]
fn accepts(config: &ServerConfig, negotiated: Negotiated) -> bool {
    negotiated.version >= config.min_version() && config.key_parameters().contains(&negotiated.key_parameters)
}

/// Whether this response asks the client to prove its key to the redirect's target too (RFC 8473 s5.3). Only a redirect does:
/// not a 304, nor a 300 that leaves the choice to the client.
pub fn asks_for_referred(status: u16, has_location: bool) -> bool {
    (300..400).contains(&status) && has_location
}

#[cfg(test)]
mod tests {
    use super::*;
    use token_binding::{KeyParameters, ProtocolVersion};

    const NEGOTIATED: Negotiated = Negotiated {
        version: ProtocolVersion { major: 0, minor: 16 },
        key_parameters: KeyParameters::ECDSAP256,
    };
    const FORWARDED: ForwardedHeaders<'_> =
        ForwardedHeaders { provided: Some(b"P"), referred: None, other: None };

    fn message(message: Field<'_>) -> Taken<'_> {
        Taken { message, ..Taken::default() }
    }

    fn judged<'a>(config: &ServerConfig, standing: Standing, field: Field<'a>) -> Judgement<'a> {
        judge(config, standing, &message(field), || panic!("nothing to trust"), || false)
    }

    fn judged_forwarded(standing: Standing, taken: Taken<'_>, trusted: bool) -> Judgement<'_> {
        judge(&ServerConfig::default(), standing, &taken, || trusted, || false)
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
    fn a_list_that_is_not_verified_is_several_headers() {
        let rsa = ServerConfig {
            key_parameters: Some(vec![KeyParameters::RSA2048_PSS]),
            ..ServerConfig::default()
        };
        for (config, standing) in
            [(&ServerConfig::default(), Standing::NotNegotiated), (&rsa, Standing::Negotiated(NEGOTIATED))]
        {
            let judgement = judged(config, standing, Field::One(b"A, B"));
            assert_eq!(judgement, Judgement::Refuse(Refusal::DuplicateHeader));
        }
        let taken = Taken { forwarded: FORWARDED, message: Field::One(b"A,B"), forwarded_twice: false };
        assert_eq!(
            judged_forwarded(Standing::Negotiated(NEGOTIATED), taken, true),
            Judgement::Refuse(Refusal::DuplicateHeader)
        );
    }

    #[test]
    fn a_push_needs_no_header() {
        let standing = Standing::Negotiated(NEGOTIATED);
        let config = ServerConfig::default();
        assert_eq!(judge(&config, standing, &Taken::default(), || false, || true), Judgement::Unbound);
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

    #[test]
    fn a_trusted_proxy_is_believed_and_nobody_else() {
        let taken = Taken { forwarded: FORWARDED, ..Taken::default() };
        assert_eq!(judged_forwarded(Standing::NotNegotiated, taken, true), Judgement::TakeOver(FORWARDED));
        assert_eq!(judged_forwarded(Standing::NotNegotiated, taken, false), Judgement::Unbound);
        let twice = Taken { forwarded_twice: true, ..taken };
        assert_eq!(
            judged_forwarded(Standing::NotNegotiated, twice, true),
            Judgement::Refuse(Refusal::ForwardedTwice)
        );
        assert_eq!(judged_forwarded(Standing::NotNegotiated, twice, false), Judgement::Unbound);
    }

    #[test]
    fn a_proxys_word_and_a_message_do_not_go_together() {
        let taken = Taken { forwarded: FORWARDED, message: Field::One(b"x"), forwarded_twice: false };
        let negotiated = Standing::Negotiated(NEGOTIATED);
        let refuse = Judgement::Refuse;
        assert_eq!(judged_forwarded(negotiated, taken, true), refuse(Refusal::ForwardedOnBound));
        assert_eq!(judged_forwarded(negotiated, taken, false), Judgement::Verify(b"x"));
        let silent = Taken { message: Field::Absent, ..taken };
        assert_eq!(judged_forwarded(negotiated, silent, true), refuse(Refusal::ForwardedOnBound));
        assert_eq!(judged_forwarded(negotiated, silent, false), refuse(Refusal::MissingHeader));
        for trusted in [true, false] {
            let judgement = judged_forwarded(Standing::NotNegotiated, taken, trusted);
            assert_eq!(judgement, refuse(Refusal::NotNegotiated));
            let several = Taken { message: Field::Several, ..taken };
            let judgement = judged_forwarded(Standing::NotNegotiated, several, trusted);
            assert_eq!(judgement, refuse(Refusal::DuplicateHeader));
        }
    }

    #[test]
    fn only_redirects_ask_for_a_referred_binding() {
        for status in [301, 302, 303, 307, 308] {
            assert!(asks_for_referred(status, true) && !asks_for_referred(status, false), "{status}");
        }
        assert!(
            !asks_for_referred(200, true) && !asks_for_referred(201, true) && !asks_for_referred(401, true)
        );
    }
}
