//! Showing one server the key that another knows (RFC 8473 section 5).
//!
//! A server that sends its user elsewhere for a token asks, with `Include-Referred-Token-Binding-ID: true`, that the
//! client prove to the other server the key it uses here, so that the token can be bound to that key. It is the one way
//! for two servers to learn of the same key, so the rules are narrow and all of them are here.

use crate::Response;
use crate::binding::INCLUDE_REFERRED_TOKEN_BINDING_ID;

/// Whether a response asks for a referred binding in the request that follows it (RFC 8473 section 5.3).
///
/// - The request had a `Sec-Token-Binding` header with a provided binding, or there is nothing to refer to.
/// - The status is a redirection's, 300 to 399.
/// - There is one header line, and its value is `true` in any case. Anything else is not in the grammar, and what is
///   not understood reveals nothing.
pub fn is_asked_for<V: AsRef<[u8]>>(
    request_was_bound: bool,
    status: u16,
    values: impl IntoIterator<Item = V>,
) -> bool {
    let mut values = values.into_iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    request_was_bound
        && (300..400).contains(&status)
        && value.as_ref().trim_ascii().eq_ignore_ascii_case(b"true")
}

/// The key to refer to in a chain of requests and redirects. `K` is whatever stands for a key.
///
/// ```
/// use tokbind::federation::Referral;
///
/// let mut referral = Referral::default();
/// referral.answered(Some("the shop's key"), 302, ["true"]);
/// // The browser is sent to the identity provider, and shows the shop's key there,
/// assert_eq!(referral.take(true), Some("the shop's key"));
/// // but nowhere after that.
/// referral.answered(Some("the identity provider's key"), 302, [""; 0]);
/// assert_eq!(referral.take(true), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral<K>(Option<K>);

impl<K> Default for Referral<K> {
    fn default() -> Self {
        Referral(None)
    }
}

impl<K> Referral<K> {
    /// Notes a response. `provided` is the key that its request proved to the server, if it did; `values` are those of
    /// the response's `Include-Referred-Token-Binding-ID` lines. What an earlier response asked for is void: it was for
    /// one request only.
    pub fn answered<V: AsRef<[u8]>>(
        &mut self,
        provided: Option<K>,
        status: u16,
        values: impl IntoIterator<Item = V>,
    ) {
        self.0 = provided.filter(|_| is_asked_for(true, status, values));
    }

    /// [`answered`](Self::answered) with the values from a [`Response`].
    pub fn response(&mut self, provided: Option<K>, response: &Response) {
        self.answered(provided, response.status, response.headers_named(INCLUDE_REFERRED_TOKEN_BINDING_ID));
    }

    /// The key to refer to in the request that is about to be sent, the one that the noted response redirects to. The
    /// next request gets none. Nor does one without TLS (`https` is `false`), where there are no bindings at all.
    ///
    /// It must be signed with the key's own parameters, whatever this connection has negotiated (RFC 8473 section 5.4),
    /// and goes beside the provided binding even if both are of the same key.
    pub fn take(&mut self, https: bool) -> Option<K> {
        self.0.take().filter(|_| https)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(provided: Option<&'static str>, status: u16, values: &[&str]) -> Option<&'static str> {
        let mut referral = Referral::default();
        referral.answered(provided, status, values);
        referral.take(true)
    }

    #[test]
    fn a_redirect_can_ask() {
        for status in [300, 301, 302, 303, 307, 308, 399] {
            assert_eq!(after(Some("key"), status, &["true"]), Some("key"), "{status}");
        }
        for value in ["TRUE", "True", " true\t"] {
            assert_eq!(after(Some("key"), 302, &[value]), Some("key"), "{value:?}");
        }
    }

    #[test]
    fn no_other_status_can() {
        for status in [100, 200, 201, 299, 400, 401, 500] {
            assert_eq!(after(Some("key"), status, &["true"]), None, "{status}");
        }
    }

    #[test]
    fn only_true_asks() {
        let values: [&[&str]; 9] = [
            &[],
            &[""],
            &["false"],
            &["1"],
            &["truest"],
            &["true, true"],
            &["true;q=1"],
            &["true", "true"],
            &["false", "true"],
        ];
        for values in values {
            assert_eq!(after(Some("key"), 302, values), None, "{values:?}");
        }
    }

    #[test]
    fn an_unbound_request_has_nothing_to_refer_to() {
        assert_eq!(after(None, 302, &["true"]), None);
        assert!(!is_asked_for(false, 302, ["true"]));
    }

    #[test]
    fn it_is_for_one_request() {
        let mut referral = Referral::default();
        referral.answered(Some("a"), 302, ["true"]);
        assert_eq!((referral.take(true), referral.take(true)), (Some("a"), None));
        // Asked for, but the chain goes on elsewhere before the request is made.
        referral.answered(Some("a"), 302, ["true"]);
        referral.answered(Some("b"), 302, [""; 0]);
        assert_eq!(referral.take(true), None);
    }

    #[test]
    fn plain_http_gets_nothing_and_uses_it_up() {
        let mut referral = Referral::default();
        referral.answered(Some("a"), 302, ["true"]);
        assert_eq!((referral.take(false), referral.take(true)), (None, None));
    }

    #[test]
    fn each_server_of_a_chain_refers_to_itself() {
        let mut referral = Referral::default();
        referral.answered(Some("consumer"), 302, ["true"]);
        assert_eq!(referral.take(true), Some("consumer"));
        referral.answered(Some("first provider"), 303, ["true"]);
        assert_eq!(referral.take(true), Some("first provider"));
        referral.answered(Some("second provider"), 302, ["no"]);
        assert_eq!(referral.take(true), None);
    }

    #[test]
    fn it_is_read_from_a_response() {
        let mut referral = Referral::default();
        let headers = vec![("include-referred-token-binding-id".to_owned(), b"true".to_vec())];
        referral.response(Some("key"), &Response { status: 307, headers, ..Response::default() });
        assert_eq!(referral.take(true), Some("key"));
        referral.response(Some("key"), &Response { status: 307, ..Response::default() });
        assert_eq!(referral.take(true), None);
    }
}
