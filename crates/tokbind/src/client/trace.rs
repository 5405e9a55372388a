//! Looking on while a client works.

use url::Url;

use crate::keys::Key;
use crate::message::{Request, Response};
use crate::tls::Info;

/// Sees what a client does. Every method does nothing unless it is written.
pub trait Trace {
    /// A request is about to be sent.
    fn sending(&mut self, sent: &Sent<'_>) {
        let _ = sent;
    }

    /// A response came, perhaps a redirect that will be followed, with so many bytes of body, which are not in it.
    fn received(&mut self, url: &Url, response: &Response, body_length: u64) {
        let _ = (url, response, body_length);
    }

    /// Something became of a device-bound session.
    #[cfg(feature = "dbsc")]
    fn session(&mut self, event: &SessionEvent) {
        let _ = event;
    }
}

/// What becomes of a device-bound session.
#[cfg(feature = "dbsc")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// A key was registered, and a session begun.
    Registered,
    /// The key was proved again.
    Refreshed,
    /// The server has ended the session.
    Ended,
    /// It was not begun, not refreshed or not kept.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Looks at nothing.
impl Trace for () {}

/// A request, and the connection that it goes out on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Sent<'a> {
    /// Where it goes.
    pub url: &'a Url,
    /// What is sent, `Sec-Token-Binding` included.
    pub request: &'a Request,
    /// `HTTP/1.1` or `HTTP/2`.
    pub http: &'static str,
    /// What the TLS handshake came to; `None` without TLS.
    pub tls: Option<&'a Info>,
    /// Whether the connection was used before.
    pub reused: bool,
    /// The key of the provided binding.
    pub provided: Option<&'a Key>,
    /// The key of the referred binding.
    pub referred: Option<&'a Key>,
}
