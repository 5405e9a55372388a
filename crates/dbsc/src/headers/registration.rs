//! `Secure-Session-Registration`.

use std::fmt;

use sfv::{BareItem, InnerList, ListEntry, ListSerializer, TokenRef};

use super::field::{NotAString, key, parameter, parse_list, string};
use crate::{Algorithm, HeaderError};

/// Sharing a key with another site's session. A client that can't do that has to leave such an offer alone (the draft's
/// "Create session key pair").
const PROVIDER: [&str; 3] = ["provider_key", "provider_session_id", "provider_url"];

/// One member of `Secure-Session-Registration`: a server asks a browser to make a key and to register it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistrationOffer {
    /// The algorithms that the server takes, the best one first.
    pub algorithms: Vec<Algorithm>,
    /// Where to register: a URL, which may be relative to that of the response.
    pub path: String,
    /// What the proof has to answer (`jti`). Without one, and without `authorization`, a browser sends no proof.
    pub challenge: Option<String>,
    /// What the proof has to repeat, and the request to carry as `Authorization`.
    pub authorization: Option<String>,
}

impl RegistrationOffer {
    /// An offer without `authorization`.
    #[must_use]
    pub fn new(algorithms: Vec<Algorithm>, path: impl Into<String>, challenge: impl Into<String>) -> Self {
        Self { algorithms, path: path.into(), challenge: Some(challenge.into()), authorization: None }
    }

    /// The offer with an `authorization`.
    #[must_use]
    pub fn with_authorization(mut self, authorization: impl Into<String>) -> Self {
        self.authorization = Some(authorization.into());
        self
    }

    /// The header's value.
    ///
    /// # Errors
    /// [`HeaderError::NoAlgorithm`], or [`HeaderError::NotPrintable`] for a text that no structured field can hold.
    pub fn to_header(&self) -> Result<String, HeaderError> {
        if self.algorithms.is_empty() {
            return Err(HeaderError::NoAlgorithm);
        }
        let mut list = ListSerializer::new();
        let mut algorithms = list.inner_list();
        for algorithm in &self.algorithms {
            let token = TokenRef::from_str(algorithm.as_str()).map_err(|_| HeaderError::Malformed)?;
            let _ = algorithms.bare_item(token);
        }
        let mut parameters = algorithms.finish().parameter(key("path")?, string("path", &self.path)?);
        if let Some(challenge) = &self.challenge {
            parameters = parameters.parameter(key("challenge")?, string("challenge", challenge)?);
        }
        if let Some(authorization) = &self.authorization {
            parameters = parameters.parameter(key("authorization")?, string("authorization", authorization)?);
        }
        let _ = parameters.finish();
        list.finish().ok_or(HeaderError::Empty)
    }

    /// Reads a value as a browser does (the draft's "Process session registration"): offers it can't follow are left out,
    /// and so are algorithms it doesn't know.
    ///
    /// # Errors
    /// The value is no list at all, or too long.
    pub fn parse_list(value: &[u8]) -> Result<Vec<Self>, HeaderError> {
        let offers = parse_list(value)?.into_iter().filter_map(|entry| match entry {
            ListEntry::InnerList(entry) => Self::read(&entry).ok().flatten(),
            ListEntry::Item(_) => None,
        });
        Ok(offers.collect())
    }

    fn read(entry: &InnerList) -> Result<Option<Self>, NotAString> {
        let parameters = &entry.params;
        let algorithms: Vec<Algorithm> = entry
            .items
            .iter()
            .filter_map(|item| match &item.bare_item {
                BareItem::Token(name) => name.as_str().parse().ok(),
                _ => None,
            })
            .collect();
        let Some(path) = parameter(parameters, "path")? else { return Ok(None) };
        let challenge = parameter(parameters, "challenge")?;
        let authorization = parameter(parameters, "authorization")?;
        let shares_a_key = PROVIDER.iter().any(|name| parameters.contains_key(*name));
        let offer = Self { algorithms, path, challenge, authorization };
        Ok(if offer.algorithms.is_empty() || shares_a_key { None } else { Some(offer) })
    }
}

/// Without the authorization, which may be a secret.
impl fmt::Debug for RegistrationOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrationOffer")
            .field("algorithms", &self.algorithms)
            .field("path", &self.path)
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(algorithms: &[Algorithm], path: &str, challenge: &str) -> RegistrationOffer {
        RegistrationOffer::new(algorithms.to_vec(), path, challenge)
    }

    use Algorithm::{Es256, Rs256};

    /// The draft's examples of this field.
    #[test]
    fn the_drafts_examples() {
        let with_authorization = offer(&[Es256], "reg", "cv").with_authorization("ac");
        let text = r#"(ES256);path="reg";challenge="cv";authorization="ac""#;
        assert_eq!(with_authorization.to_header().unwrap(), text);
        assert_eq!(RegistrationOffer::parse_list(text.as_bytes()).unwrap(), [with_authorization]);

        let both = offer(&[Es256, Rs256], "reg", "cv");
        let text = r#"(ES256 RS256);path="reg";challenge="cv""#;
        assert_eq!(both.to_header().unwrap(), text);
        assert_eq!(RegistrationOffer::parse_list(text.as_bytes()).unwrap(), [both]);

        let two = br#"(ES256);path="reg1";challenge="cv1";authorization="a", (RS256);path="reg2";challenge="cv2";authorization="b""#;
        assert_eq!(
            RegistrationOffer::parse_list(two).unwrap(),
            [
                offer(&[Es256], "reg1", "cv1").with_authorization("a"),
                offer(&[Rs256], "reg2", "cv2").with_authorization("b")
            ]
        );

        let provider = br#"(ES256);path="reg1";challenge="cv1";provider_key="abc";provider_session_id="idp_id";provider_url="https://id_origin.example.com""#;
        assert_eq!(RegistrationOffer::parse_list(provider).unwrap(), []);
    }

    #[test]
    fn what_a_browser_leaves_alone() {
        let good = offer(&[Es256], "p", "c");
        for other in [
            r#"ES256;path="p";challenge="c""#,
            r#"(ES256);challenge="c""#,
            r#"(ES256);path=p;challenge="c""#,
            r#"(ES256);path="p";challenge=c"#,
            r#"(ES256);path="p";authorization=?1"#,
            r#"("ES256");path="p";challenge="c""#,
            r#"(none ES512);path="p";challenge="c""#,
            r#"();path="p";challenge="c""#,
        ] {
            let text = format!("{other}, {}", good.to_header().unwrap());
            assert_eq!(
                RegistrationOffer::parse_list(text.as_bytes()).as_deref(),
                Ok(&[good.clone()][..]),
                "{text}"
            );
        }
        let some_known = br#"(none ES256;x=1 ES384);later;path="p";challenge="c""#;
        assert_eq!(RegistrationOffer::parse_list(some_known).unwrap(), [good]);
        let no_challenge = RegistrationOffer::parse_list(br#"(RS256);path="p""#).unwrap();
        assert_eq!(no_challenge[0].challenge, None);
        assert_eq!(no_challenge[0].to_header().unwrap(), r#"(RS256);path="p""#);
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for (text, error) in [
            ("", HeaderError::Empty),
            (" ", HeaderError::Empty),
            ("(ES256", HeaderError::Malformed),
            ("(ES256);path=\"\u{e9}\"", HeaderError::Malformed),
            ("(ES256);path=\"p\",", HeaderError::Malformed),
        ] {
            assert_eq!(RegistrationOffer::parse_list(text.as_bytes()), Err(error), "{text}");
        }
    }

    #[test]
    fn what_no_string_can_hold_is_an_error() {
        for text in ["\n", "caf\u{e9}", "\u{7f}", "\0"] {
            for (offer, member) in [
                (offer(&[Es256], text, "c"), "path"),
                (offer(&[Es256], "p", text), "challenge"),
                (offer(&[Es256], "p", "c").with_authorization(text), "authorization"),
            ] {
                assert_eq!(offer.to_header(), Err(HeaderError::NotPrintable { member }));
            }
        }
        assert_eq!(offer(&[], "p", "c").to_header(), Err(HeaderError::NoAlgorithm));
    }

    #[test]
    fn an_authorization_is_not_printed() {
        let offer = offer(&[Es256], "p", "c").with_authorization("hush");
        assert!(!format!("{offer:?}").contains("hush"));
    }
}
