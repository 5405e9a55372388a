//! What must not travel further than one connection.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri, Version};
use token_binding::header::SEC_TOKEN_BINDING;

use super::origin::Origin;
use crate::proxies::Proxy;

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

const PROXY_SUPPORT: HeaderName = HeaderName::from_static("proxy-support");

/// What a request asks of its connection and the proxy may pass on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Another protocol, WebSocket for instance.
    pub(super) upgrade: Option<HeaderValue>,
    /// The client reads trailers.
    trailers: bool,
}

/// Takes out of a request what is not for the server: what concerns the client's connection, its credentials for
/// proxies, and any `Sec-Token-Binding`, which can't be of the connection that the request is going to be sent on. An error
/// says why the request can't be passed on.
pub(super) fn clean_request(parts: &mut Parts) -> Result<Wishes, &'static str> {
    frame(&mut parts.headers)?;
    let wishes = Wishes {
        upgrade: upgrade(parts),
        trailers: tokens(&parts.headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers")),
    };
    clean(&mut parts.headers);
    parts.headers.remove(PROXY_AUTHORIZATION);
    parts.headers.remove(SEC_TOKEN_BINDING);
    Ok(wishes)
}

/// Takes out of a response what concerns the server's connection, but for what it says about an upgrade. An error says why
/// the response can't be passed on.
pub(super) fn clean_response(
    status: StatusCode,
    headers: &mut HeaderMap,
    upgraded: bool,
) -> Result<(), &'static str> {
    frame(headers)?;
    // They have no body, and may not say that they have (RFC 9110 section 8.6).
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        headers.remove(CONTENT_LENGTH);
    }
    let protocol = headers.get(UPGRADE).cloned().filter(|_| upgraded);
    clean(headers);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    Ok(())
}

/// Has a message say once, and truly, how long its body is (RFC 9112 section 6.3). It goes on in another framing than it came
/// in, and what contradicts itself would be read by the next one in another way than here.
fn frame(headers: &mut HeaderMap) -> Result<(), &'static str> {
    let mut codings = members(headers, &TRANSFER_ENCODING);
    if let Some(coding) = codings.next() {
        // Nobody asked for another coding, and without its name the body is unreadable.
        if !coding.eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
            return Err("It has a transfer coding other than chunked, which can't be passed on.");
        }
        drop(codings);
        headers.remove(CONTENT_LENGTH);
        return Ok(());
    }
    drop(codings);
    let mut lengths = members(headers, &CONTENT_LENGTH);
    let Some(length) = lengths.next() else { return Ok(()) };
    if length.is_empty() || !length.iter().all(u8::is_ascii_digit) || lengths.any(|other| other != length) {
        return Err("Its Content-Length is no number, or several.");
    }
    let length = HeaderValue::from_bytes(length);
    drop(lengths);
    if let Ok(length) = length {
        headers.insert(CONTENT_LENGTH, length);
    }
    Ok(())
}

/// Whether a request logs in the connection that it is sent on (RFC 4559 section 6).
pub(super) fn logs_in(request: &HeaderMap) -> bool {
    request.get_all(AUTHORIZATION).iter().any(logs_in_connections)
}

/// Whether a response asks for such a login.
pub(super) fn asks_to_log_in(status: StatusCode, response: &HeaderMap) -> bool {
    // A list of challenges has them after commas, among the parameters of others.
    let challenges = response.get_all(WWW_AUTHENTICATE).into_iter();
    status == StatusCode::UNAUTHORIZED
        && challenges.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).any(scheme_logs_in)
}

fn logs_in_connections(credentials: &HeaderValue) -> bool {
    scheme_logs_in(credentials.as_bytes())
}

fn scheme_logs_in(credentials: &[u8]) -> bool {
    let credentials = credentials.trim_ascii();
    let scheme = credentials.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    [&b"ntlm"[..], b"negotiate"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Tells a client of plain HTTP that this proxy keeps connections that were logged in apart (RFC 4559 section 6).
pub(super) fn supports_logins(response: &mut HeaderMap) {
    response.insert(PROXY_SUPPORT, HeaderValue::from_static("Session-Based-Authentication"));
    response.append(CONNECTION, HeaderValue::from_static("Proxy-Support"));
}

/// Gives a request the form that this HTTP version has, for a connection to the server itself.
pub(super) fn adapt(
    parts: &mut Parts,
    origin: &Origin,
    wishes: &Wishes,
    version: Version,
) -> http::Result<()> {
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().path_and_query(path);
    parts.version = version;
    // RFC 9113 section 8.2.2 lets this one pass, with this one value.
    if wishes.trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if version == Version::HTTP_2 {
        parts.headers.remove(HOST);
        parts.uri = uri.scheme(origin.scheme.name()).authority(origin.authority()).build()?;
        return Ok(());
    }
    parts.uri = uri.build()?;
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

/// Gives a request the form for a proxy: with the whole URL (RFC 9112 section 3.2.2).
pub(super) fn adapt_for_proxy(parts: &mut Parts, origin: &Origin, proxy: &Proxy) -> http::Result<()> {
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(origin.scheme.name()).authority(origin.authority());
    parts.uri = uri.path_and_query(path).build()?;
    if let Some(authorization) = &proxy.authorization {
        parts.headers.insert(PROXY_AUTHORIZATION, authorization.clone());
    }
    Ok(())
}

/// A trailer is no place for a Token Binding message (RFC 8473 section 2), nor for what belongs to the connection or says how
/// long the message is (RFC 9110 section 6.5.1).
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    for name in HOP_BY_HOP.iter().chain(&[CONTENT_LENGTH, HOST]) {
        trailers.remove(name);
    }
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

/// The members of a list, in bytes, empty ones included.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).into_iter();
    let members =
        values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    members.filter(|member| !member.is_empty())
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
mod tests;
