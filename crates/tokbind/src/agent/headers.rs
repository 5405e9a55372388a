//! What must not travel further than one connection.

use http::header::{
    CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::request::Parts;
use http::{Uri, Version};
use token_binding::header::SEC_TOKEN_BINDING;

use super::origin::Origin;

/// Header lines that concern one connection only, besides those that `Connection` names (RFC 9110 section 7.6.1).
/// `Trailer` is not among them: it describes the message.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What a request asks of its connection and the proxy may pass on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Another protocol, WebSocket for instance.
    pub(super) upgrade: Option<HeaderValue>,
    /// The client reads trailers.
    trailers: bool,
}

/// Takes out of a request what is not for the server: what concerns the client's connection, its credentials for
/// proxies, and any `Sec-Token-Binding`, which can't be of the connection that the request is going to be sent on.
pub(super) fn clean_request(parts: &mut Parts) -> Wishes {
    let wishes = Wishes {
        upgrade: upgrade(parts),
        trailers: tokens(&parts.headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers")),
    };
    clean(&mut parts.headers);
    parts.headers.remove(PROXY_AUTHORIZATION);
    parts.headers.remove(SEC_TOKEN_BINDING);
    wishes
}

/// Takes out of a response what concerns the server's connection. What it says about an upgrade it made.
pub(super) fn clean_response(headers: &mut HeaderMap, upgraded: bool) {
    let protocol = headers.get(UPGRADE).cloned().filter(|_| upgraded);
    clean(headers);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Gives a request the form that this HTTP version has, for a connection to the server itself.
pub(super) fn adapt(
    parts: &mut Parts,
    origin: &Origin,
    wishes: &Wishes,
    version: Version,
) -> http::Result<()> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    parts.version = version;
    // RFC 9113 section 8.2.2 lets this one pass, with this one value.
    if wishes.trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if version == Version::HTTP_2 {
        parts.headers.remove(HOST);
        parts.uri = origin.url(&path).parse()?;
        return Ok(());
    }
    parts.uri = Uri::builder().path_and_query(path).build()?;
    parts.headers.insert(HOST, origin.authority().parse()?);
    join_cookies(&mut parts.headers)?;
    match (&wishes.upgrade, wishes.trailers) {
        (Some(protocol), _) => {
            parts.headers.insert(UPGRADE, protocol.clone());
            parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        (None, true) => {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("te"));
        }
        (None, false) => {}
    }
    Ok(())
}

/// A trailer is no place for it (RFC 8473 section 2).
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    trailers.remove(SEC_TOKEN_BINDING);
}

fn clean(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        tokens(headers, &CONNECTION).filter_map(|token| token.parse().ok()).collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The protocol that the client wants to change to. HTTP/2 in the clear (`h2c`) has no place here.
fn upgrade(parts: &Parts) -> Option<HeaderValue> {
    let asked = parts.version == Version::HTTP_11
        && tokens(&parts.headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let protocol = parts.headers.get(UPGRADE).filter(|_| asked)?;
    let h2c = tokens(&parts.headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case("h2c"));
    (!h2c).then(|| protocol.clone())
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// HTTP/2 may spread cookies over several lines and HTTP/1.1 may not (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) -> http::Result<()> {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1 {
        let joined = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))?;
        headers.insert(COOKIE, joined);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::agent::origin::Scheme;

    fn parts(version: Version, lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().version(version).uri("/path?query");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    fn origin() -> Origin {
        Origin::new(Scheme::Https, &"a.test:8443".parse().unwrap()).unwrap()
    }

    #[test]
    fn what_concerns_the_clients_connection_stays_here() {
        let mut parts = parts(
            Version::HTTP_11,
            &[
                ("host", "a.test"),
                ("connection", "keep-alive, X-Private"),
                ("connection", "close"),
                ("x-private", "1"),
                ("keep-alive", "5"),
                ("proxy-connection", "keep-alive"),
                ("proxy-authorization", "Basic eDp5"),
                ("te", "gzip"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "websocket"),
                ("sec-token-binding", "AAAA"),
                ("sec-token-binding", "BBBB"),
                ("trailer", "x-checksum"),
                ("cookie", "a=b"),
            ],
        );
        assert_eq!(clean_request(&mut parts), Wishes::default());
        assert_eq!(names(&parts.headers), ["cookie", "host", "trailer"]);
    }

    #[test]
    fn an_upgrade_is_passed_on_but_not_to_h2c() {
        let lines = [("connection", "Upgrade"), ("upgrade", "websocket")];
        let mut asked = parts(Version::HTTP_11, &lines);
        let wishes = clean_request(&mut asked);
        assert_eq!(wishes.upgrade.as_ref().unwrap(), "websocket");
        adapt(&mut asked, &origin(), &wishes, Version::HTTP_11).unwrap();
        assert_eq!(asked.headers["connection"], "upgrade");
        assert_eq!(asked.headers["upgrade"], "websocket");

        let lines = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "x")];
        let mut cleartext = parts(Version::HTTP_11, &lines);
        assert_eq!(clean_request(&mut cleartext), Wishes::default());
        assert!(cleartext.headers.is_empty());
    }

    #[test]
    fn each_version_gets_its_form() {
        let lines = [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x", "y")];
        let mut first = parts(Version::HTTP_2, &lines);
        let wishes = clean_request(&mut first);
        adapt(&mut first, &origin(), &wishes, Version::HTTP_11).unwrap();
        assert_eq!(first.uri, "/path?query");
        assert_eq!(first.version, Version::HTTP_11);
        assert_eq!(first.headers["host"], "a.test:8443");
        assert_eq!(first.headers["cookie"], "a=1; b=2");
        assert_eq!(first.headers["te"], "trailers");
        assert_eq!(first.headers["connection"], "te");

        let mut second = parts(Version::HTTP_11, &[("host", "a.test:8443"), ("cookie", "a=1; b=2")]);
        let wishes = clean_request(&mut second);
        adapt(&mut second, &origin(), &wishes, Version::HTTP_2).unwrap();
        assert_eq!(second.uri, "https://a.test:8443/path?query");
        assert_eq!(names(&second.headers), ["cookie"]);
    }

    #[test]
    fn a_response_keeps_an_upgrade_that_was_made() {
        let mut headers = HeaderMap::new();
        headers.insert("connection", "Upgrade, x".parse().unwrap());
        headers.insert("upgrade", "websocket".parse().unwrap());
        headers.insert("x", "y".parse().unwrap());
        let mut other = headers.clone();
        clean_response(&mut headers, true);
        assert_eq!(names(&headers), ["connection", "upgrade"]);
        clean_response(&mut other, false);
        assert!(other.is_empty());
    }
}
