//! Which redirects are followed, and with what (RFC 9110 section 15.4).

use url::Url;

use super::fetch::Fetch;
use crate::binding::SEC_TOKEN_BINDING;
use crate::error::{Error, Result};
use crate::location;
use crate::message::Response;

/// Headers that were given for one origin, and that another origin must not get.
const FOR_ONE_ORIGIN: [&str; 8] = [
    "authorization",
    "cookie",
    "host",
    "proxy-authorization",
    SEC_TOKEN_BINDING,
    "sec-secure-session-id",
    "secure-session-response",
    "secure-session-skipped",
];

/// Whether a response is a redirect.
pub(super) fn is_one(response: &Response) -> bool {
    matches!(response.status, 301 | 302 | 303 | 307 | 308)
        && response.headers_named("location").next().is_some()
}

/// Where a response redirects to, if it does.
pub(super) fn target(url: &Url, response: &Response) -> Result<Option<Url>> {
    if !is_one(response) {
        return Ok(None);
    }
    let mut locations = response.headers_named("location");
    let location = match (locations.next(), locations.next()) {
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => return Err(Error::url(url.as_str(), "it answers with two Location headers")),
        (Some(location), None) => location,
    };
    let bad = |reason: String| {
        Error::url(url.as_str(), format!("it redirects to something that is not a URL: {reason}"))
    };
    url.join(&location::text(location)).map(Some).map_err(|error| bad(error.to_string()))
}

/// The request to the target of a redirect with this status.
pub(super) fn follow(mut fetch: Fetch, status: u16, target: Url) -> Fetch {
    // 301 and 302 turn a POST into a GET, as all browsers do; 307 and 308 were made to change nothing.
    let becomes_get = match status {
        303 => fetch.method != "HEAD",
        301 | 302 => fetch.method == "POST",
        _ => false,
    };
    if becomes_get {
        fetch.method = "GET".to_owned();
        fetch.body.clear();
        fetch.headers.retain(|(name, _)| !starts_with(name, "content-"));
    }
    if target.origin() != fetch.url.origin() {
        fetch.cookies.clear();
        fetch
            .headers
            .retain(|(name, _)| !FOR_ONE_ORIGIN.iter().any(|other| name.eq_ignore_ascii_case(other)));
    }
    fetch.url = target;
    fetch
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn response(status: u16, locations: &[&str]) -> Response {
        let headers = locations.iter().map(|l| ("location".to_owned(), l.as_bytes().to_vec())).collect();
        Response { status, headers, ..Response::default() }
    }

    fn post() -> Fetch {
        let mut fetch = Fetch::get("https://a.example/x?y").unwrap();
        fetch.method = "POST".to_owned();
        fetch.body = b"body".to_vec();
        fetch.cookies = b"given=1".to_vec();
        for name in ["Authorization", "Content-Type", "cookie", "Host", "Sec-Token-Binding", "X-Mine"] {
            fetch.headers.push((name.to_owned(), b"v".to_vec()));
        }
        fetch
    }

    fn names(fetch: &Fetch) -> Vec<&str> {
        fetch.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_location_is_relative_to_its_request() {
        let from = url("https://a.example/x/y?z");
        for (location, to) in [
            ("https://b.example/", "https://b.example/"),
            ("//b.example/q", "https://b.example/q"),
            ("/q?r", "https://a.example/q?r"),
            ("q", "https://a.example/x/q"),
            ("", "https://a.example/x/y?z"),
            ("http://a.example", "http://a.example/"),
        ] {
            assert_eq!(target(&from, &response(302, &[location])).unwrap(), Some(url(to)), "{location:?}");
        }
    }

    #[test]
    fn not_every_response_redirects() {
        let from = url("https://a.example/");
        for status in [200, 201, 300, 304, 305, 404] {
            assert_eq!(target(&from, &response(status, &["/q"])).unwrap(), None, "{status}");
        }
        assert_eq!(target(&from, &response(302, &[])).unwrap(), None);
        assert!(target(&from, &response(302, &["/a", "/b"])).is_err());
        assert!(target(&from, &response(302, &["https://"])).is_err());
    }

    #[test]
    fn the_method_follows_the_status() {
        for (status, method, becomes) in [
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (302, "PUT", "PUT"),
            (303, "PUT", "GET"),
            (303, "HEAD", "HEAD"),
            (307, "POST", "POST"),
            (308, "DELETE", "DELETE"),
        ] {
            let fetch = Fetch { method: method.to_owned(), ..post() };
            let followed = follow(fetch, status, url("https://a.example/q"));
            assert_eq!(followed.method, becomes, "{status} {method}");
            assert_eq!(followed.body.is_empty(), method != becomes, "{status} {method}");
            assert_eq!(names(&followed).contains(&"Content-Type"), method == becomes, "{status} {method}");
        }
    }

    #[test]
    fn another_origin_gets_no_credentials() {
        for target in
            ["https://b.example/", "https://a.example:444/", "http://a.example/", "https://www.a.example"]
        {
            let followed = follow(post(), 307, url(target));
            assert_eq!(names(&followed), ["Content-Type", "X-Mine"], "{target}");
            assert!(followed.cookies.is_empty(), "{target}");
        }
        let followed = follow(post(), 307, url("https://a.example:443/q"));
        assert_eq!((followed.headers, followed.cookies), (post().headers, post().cookies));
    }
}
