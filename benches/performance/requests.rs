//! The requests that are measured.

use tokbind::{Request, binding};

use httpd_harness::httpd::HOST;
use httpd_harness::{Setup, VirtualHost};

/// A request for a small page, with the header lines of a browser's.
pub fn browsers() -> Request {
    [
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/69.0.3452.0 Safari/537.36"),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,image/apng,*/*;q=0.8"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Accept-Language", "en-GB,en;q=0.9"),
        ("Cache-Control", "max-age=0"),
        ("Cookie", "session=0123456789abcdef0123456789abcdef"),
        ("Referer", "https://www.bound.test/"),
        ("Upgrade-Insecure-Requests", "1"),
    ]
    .into_iter()
    .fold(Request::get(HOST, "/page.html"), |request, (name, value)| request.header(name, value))
}

/// The same with a Token Binding message.
pub fn with_message(request: Request, header: &str) -> Request {
    request.header(binding::SEC_TOKEN_BINDING, header)
}

/// A server that logs and does what a site's would, and no more: the less a request costs by itself, the more weighs what
/// the module adds.
pub fn lean(with_module: bool) -> Setup {
    let mut setup = lean_with("");
    if !with_module {
        setup.module = None;
    }
    setup
}

/// The same with more directives.
pub fn lean_with(directives: &str) -> Setup {
    Setup {
        global: "LogLevel warn\nKeepAliveTimeout 600\n\
                 <Directory @DIR@/htdocs>\n  AllowOverride None\n</Directory>\n"
            .into(),
        virtual_hosts: vec![VirtualHost::tls(HOST, directives)],
        ..Setup::default()
    }
}
