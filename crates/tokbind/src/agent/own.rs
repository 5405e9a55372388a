//! What the agent serves itself, at its own address: a page that says what it does, and the file that tells browsers when to
//! use it (`proxy.pac`).
//!
//! Websites have browsers send requests to this address, too, under any name that leads here. They learn nothing: the
//! pages are for requests by the agent's own address that no website has made.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::SystemTime;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use token_binding::header::encode;
use token_binding::sign::Signer;

use super::context::Context;
use super::page::{escape, html, page, plain};
use super::report::Host;
use super::upstream::Body;
use crate::resolve::port_number;

const REFUSED: &str =
    "This is a proxy. Its own pages are for requests by its own address, which no website has made.";

/// Answers a request that is made to the agent, and not for it to pass on.
pub(super) fn answer<B>(context: &Context, request: &Request<B>) -> Response<Body> {
    if !is_the_users(request.headers(), context.address) {
        return page(StatusCode::BAD_REQUEST, "This is a proxy", REFUSED);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return page(
            StatusCode::BAD_REQUEST,
            "This is a proxy",
            "Its own pages can be read, and nothing else.",
        );
    }
    match request.uri().path() {
        "/" => html(StatusCode::OK, "tokbind agent", &status(context)),
        "/proxy.pac" => pac(context),
        _ => page(StatusCode::NOT_FOUND, "No such page", "The agent has two: / and /proxy.pac."),
    }
}

/// Whether the request is by the agent's own address, and no website's script or page has made it.
fn is_the_users(headers: &HeaderMap, own: SocketAddr) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let by_address = Authority::try_from(host.as_bytes()).is_ok_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        let is_loopback = name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        let port = authority.as_str().rsplit_once(':').and_then(|(_, port)| port_number(port));
        (is_loopback || name == "localhost") && port == Some(own.port())
    });
    let site = headers.get("sec-fetch-site").map_or(&b"none"[..], HeaderValue::as_bytes);
    by_address && !headers.contains_key(ORIGIN) && matches!(site, b"none" | b"same-origin")
}

/// When to use the agent (`FindProxyForURL`), for the browser's "automatic proxy configuration".
fn pac(context: &Context) -> Response<Body> {
    // The domains hold letters, digits, dots, dashes, underscores and colons.
    let mut body = String::from("function FindProxyForURL(url, host) {\n");
    let proxy = format!("\"PROXY {}\"", context.address);
    if context.only.domains().is_empty() {
        // Writing to a string does not fail.
        let _ = writeln!(body, "  if (url.substring(0, 6) == \"https:\") return {proxy};");
    }
    for domain in context.only.domains() {
        let _ =
            writeln!(body, "  if (host == \"{domain}\" || dnsDomainIs(host, \".{domain}\")) return {proxy};");
    }
    body.push_str("  return \"DIRECT\";\n}\n");
    let mut response = plain(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ns-proxy-autoconfig"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn status(context: &Context) -> String {
    let scope = match context.only.domains() {
        [] => "all sites".to_owned(),
        domains => domains.join(", "),
    };
    let address = context.address;
    let mut text = format!(
        "<p>This proxy gives Token Binding to {}. Browsers find it by \
         <code>http://{address}/proxy.pac</code>.</p>\n<table>\n\
         <tr><th>Site</th><th>Token Binding ID</th><th>Since</th><th>Last asked</th><th>Last failure</th></tr>\n",
        escape(&scope)
    );
    let now = SystemTime::now();
    for (name, Host { bound, failed, last }) in context.report.hosts() {
        let (id, since) = match bound {
            Some((key, since)) => (encode(&key.token_binding_id()), ago(since, now)),
            None => ("none".to_owned(), String::new()),
        };
        let failure = failed.map_or_else(String::new, |(reason, at)| format!("{}: {reason}", ago(at, now)));
        let cells =
            [name, id, since, ago(last, now), failure].map(|cell| format!("<td>{}</td>", escape(&cell)));
        let _ = writeln!(text, "<tr>{}</tr>", cells.concat());
    }
    text.push_str("</table>");
    text
}

fn ago(then: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_website_is_not_the_user() {
        let own = SocketAddr::from(([127, 0, 0, 1], 8473));
        let asks = |lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, value.parse().unwrap());
            }
            is_the_users(&headers, own)
        };
        for host in ["127.0.0.1:8473", "localhost:8473", "[::1]:8473"] {
            assert!(asks(&[("host", host)]), "{host}");
            assert!(asks(&[("host", host), ("sec-fetch-site", "none")]), "{host}");
            assert!(!asks(&[("host", host), ("sec-fetch-site", "cross-site")]), "{host}");
            assert!(!asks(&[("host", host), ("origin", "https://evil.test")]), "{host}");
            assert!(!asks(&[("host", host), ("origin", "null")]), "{host}");
        }
        for host in
            ["127.0.0.1", "127.0.0.1:80", "rebound.evil.test:8473", "evil.test", "192.0.2.1:8473", "::1:8473"]
        {
            assert!(!asks(&[("host", host)]), "{host}");
        }
        assert!(!asks(&[]) && !asks(&[("host", "localhost:8473"), ("host", "localhost:8473")]));
    }
}
