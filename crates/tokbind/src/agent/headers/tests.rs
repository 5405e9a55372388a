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
    assert_eq!(clean_request(&mut parts), Ok(Wishes::default()));
    assert_eq!(names(&parts.headers), ["cookie", "host", "trailer"]);
}

#[test]
fn an_upgrade_is_passed_on_but_not_to_h2c() {
    let lines = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let mut asked = parts(Version::HTTP_11, &lines);
    let wishes = clean_request(&mut asked).unwrap();
    assert_eq!(wishes.upgrade.as_ref().unwrap(), "websocket");
    adapt(&mut asked, &origin(), &wishes, Version::HTTP_11).unwrap();
    assert_eq!(asked.headers["connection"], "upgrade");
    assert_eq!(asked.headers["upgrade"], "websocket");

    let lines = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "x")];
    let mut cleartext = parts(Version::HTTP_11, &lines);
    assert_eq!(clean_request(&mut cleartext), Ok(Wishes::default()));
    assert!(cleartext.headers.is_empty());
}

#[test]
fn each_version_gets_its_form() {
    let lines = [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x", "y")];
    let mut first = parts(Version::HTTP_2, &lines);
    let wishes = clean_request(&mut first).unwrap();
    adapt(&mut first, &origin(), &wishes, Version::HTTP_11).unwrap();
    assert_eq!(first.uri, "/path?query");
    assert_eq!(first.version, Version::HTTP_11);
    assert_eq!(first.headers["host"], "a.test:8443");
    assert_eq!(first.headers["cookie"], "a=1; b=2");
    assert_eq!(first.headers["te"], "trailers");
    assert_eq!(first.headers["connection"], "te");

    let mut second = parts(Version::HTTP_11, &[("host", "a.test:8443"), ("cookie", "a=1; b=2")]);
    let wishes = clean_request(&mut second).unwrap();
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
    clean_response(StatusCode::SWITCHING_PROTOCOLS, &mut headers, true).unwrap();
    assert_eq!(names(&headers), ["connection", "upgrade"]);
    clean_response(StatusCode::OK, &mut other, false).unwrap();
    assert!(other.is_empty());
}

#[test]
fn a_message_says_once_how_long_it_is() {
    let framed = |status: u16, lines: &[(&str, &str)]| {
        let mut headers = parts(Version::HTTP_11, lines).headers;
        clean_response(StatusCode::from_u16(status).unwrap(), &mut headers, false).map(|()| {
            let length =
                headers.get_all(CONTENT_LENGTH).iter().map(|value| value.to_str().unwrap().to_owned());
            length.collect::<Vec<_>>().join("|")
        })
    };
    let (length, coding) = ("content-length", "transfer-encoding");
    assert_eq!(framed(200, &[(length, "5")]).unwrap(), "5");
    assert_eq!(framed(200, &[(length, "5"), (length, "5")]).unwrap(), "5");
    assert_eq!(framed(200, &[(length, "5, 5")]).unwrap(), "5");
    assert_eq!(framed(200, &[(coding, "chunked"), (length, "7")]).unwrap(), "");
    assert_eq!(framed(200, &[(coding, "Chunked")]).unwrap(), "");
    assert_eq!(framed(204, &[(length, "5")]).unwrap(), "");
    assert_eq!(framed(304, &[(length, "5")]).unwrap(), "5");
    for lines in [
        &[(length, "5"), (length, "6")][..],
        &[(length, "+5")],
        &[(length, "5;6")],
        &[(coding, "gzip, chunked")],
        &[(coding, "gzip"), (coding, "chunked")],
        &[(coding, "identity")],
        &[(coding, "chunked, chunked")],
        &[(coding, "\u{e9}")],
    ] {
        assert!(framed(200, lines).is_err(), "{lines:?}");
        assert!(clean_request(&mut parts(Version::HTTP_11, lines)).is_err(), "{lines:?}");
    }
}

#[test]
fn logins_of_connections_are_told_from_others() {
    for (credentials, expected) in [
        ("NTLM TlRM", true),
        ("negotiate YII", true),
        ("Negotiate", true),
        ("Basic TlRM", false),
        ("NTLMv2 x", false),
    ] {
        let request = parts(Version::HTTP_11, &[("authorization", credentials)]).headers;
        assert_eq!(logs_in(&request), expected, "{credentials}");
    }
    for (lines, expected) in [
        (&[("www-authenticate", "Basic realm=\"x\""), ("www-authenticate", "NTLM")][..], true),
        (&[("www-authenticate", "Basic realm=\"x\", Negotiate")], true),
        (&[("www-authenticate", "Bearer")], false),
    ] {
        let response = parts(Version::HTTP_11, lines).headers;
        assert_eq!(asks_to_log_in(StatusCode::UNAUTHORIZED, &response), expected, "{lines:?}");
        assert!(!asks_to_log_in(StatusCode::OK, &response), "{lines:?}");
    }
}

#[test]
fn the_whole_server_is_asked_as_such_in_either_version() {
    let request = Request::builder().method("OPTIONS").uri("*").body(()).unwrap();
    let mut parts = request.into_parts().0;
    let wishes = clean_request(&mut parts).unwrap();
    adapt(&mut parts, &origin(), &wishes, Version::HTTP_2).unwrap();
    assert_eq!(parts.uri.path_and_query().unwrap(), "*");
    assert_eq!(parts.uri.authority().unwrap(), "a.test:8443");
    adapt(&mut parts, &origin(), &wishes, Version::HTTP_11).unwrap();
    assert_eq!(parts.uri, "*");
}
