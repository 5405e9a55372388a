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
    /// The body.
    pub body: Vec<u8>,
}

impl Fetch {
    /// A request without body.
    ///
    /// # Errors
    /// [`Error::Url`] when that is no `http` or `https` URL.
    pub fn get(url: &str) -> Result<Self> {
        let url = Url::parse(url).map_err(|error| Error::url(url, error.to_string()))?;
        Ok(Fetch { method: "GET".to_owned(), url: checked(url)?, headers: Vec::new(), body: Vec::new() })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    }
}
