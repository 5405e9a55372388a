//! What to fetch.

use url::Url;

use super::urls::checked;
use crate::error::{Error, Result};

/// What to ask for. It is sent as given, with `Host`, `Accept`, `User-Agent`, `Cookie` and `Sec-Token-Binding` where
/// these are not among the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetch {
    /// The method.
    pub method: String,
    /// Where: `https` or `http`.
    pub url: Url,
    /// Header lines. A `Sec-Token-Binding` line is sent in place of the client's own.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Cookies to send after the jar's, as in `a=1; b=2`; none to another origin, where a redirect leads there. They are not kept.
    pub cookies: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

impl Fetch {
    /// A request without body.
    ///
    /// # Errors
    /// [`Error::Url`] when that is no `http` or `https` URL.
    pub fn get(url: &str) -> Result<Self> {
        let url = Url::parse(url).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => {
                Error::url(url, format!("it does not say how; write https://{}", url.trim_start_matches('/')))
            }
            error => Error::url(url, error.to_string()),
        })?;
        Ok(Fetch::bare("GET", checked(url)?))
    }

    fn bare(method: &str, url: Url) -> Self {
        Fetch { method: method.to_owned(), url, headers: Vec::new(), cookies: Vec::new(), body: Vec::new() }
    }

    /// A POST without a body.
    #[cfg(feature = "dbsc")]
    pub(super) fn post(url: Url) -> Self {
        Fetch::bare("POST", url)
    }

    #[cfg(feature = "dbsc")]
    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}
