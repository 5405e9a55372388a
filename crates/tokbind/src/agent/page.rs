//! What the browser shows when there is no response to pass on.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};

use super::origin::Origin;
use super::upstream::{Body, Failure, causes};

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// No body.
pub(super) fn empty() -> Body {
    Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of text, with headers for a page that is good for its reader only.
pub(super) fn plain(text: String) -> Response<Body> {
    let mut response = Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A page with a title and this body, whose texts are escaped.
pub(super) fn html(status: StatusCode, title: &str, body: &str) -> Response<Body> {
    let title = escape(title);
    let mut response = plain(format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n{body}\n<hr><p>tokbind agent</p></body></html>\n"
    ));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// A page with a title and a sentence.
pub(super) fn page(status: StatusCode, title: &str, sentence: &str) -> Response<Body> {
    html(status, title, &format!("<p>{}</p>", escape(sentence)))
}

/// The page for a server that can't be talked to: 502, and why.
pub(super) fn bad_gateway(origin: &Origin, failure: &Failure) -> Response<Body> {
    let (title, error) = match failure {
        Failure::Connect(_) => ("The server can't be reached", "destination_unavailable"),
        Failure::Tls(_) => ("The server's TLS is refused", "tls_protocol_error"),
        Failure::Http(_) | Failure::Response(_) => ("The server's answer is refused", "http_protocol_error"),
        Failure::Request(_) => ("The request can't be passed on", "http_request_error"),
        Failure::Key(_) => ("The Token Binding key can't be used", "proxy_internal_error"),
        Failure::Loop => ("This is the agent itself", "proxy_loop_detected"),
    };
    let advice = match failure {
        Failure::Tls(_) => {
            " The browser could not have checked this: behind the agent it sees the agent's certificate only."
        }
        _ => "",
    };
    let mut page = page(StatusCode::BAD_GATEWAY, title, &format!("{origin}: {}.{advice}", causes(failure)));
    // RFC 9209, for programs.
    if let Ok(value) = HeaderValue::try_from(format!("tokbind-agent; error={error}")) {
        page.headers_mut().insert("proxy-status", value);
    }
    page
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_is_text_and_no_script() {
        let page = page(StatusCode::BAD_GATEWAY, "<a>", "\"&'<script>");
        assert_eq!(page.headers()["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        let body = page.into_body().collect().await.unwrap().to_bytes();
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.contains("<h1>&lt;a&gt;</h1>"), "{body}");
        assert!(body.contains("<p>&quot;&amp;&#39;&lt;script&gt;</p>"), "{body}");
    }
}
