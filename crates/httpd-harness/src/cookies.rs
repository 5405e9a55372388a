//! Servers that bind cookies, and how their cookies look from outside.

use tokbind::Response;

use super::httpd::Setup;
use super::shown;

/// Secrets as `openssl rand -base64 48` makes them.
pub const SECRET: &str = "kTrX0mYwq4p1c0xB3b1uPzWmN7Q5n0b3H8sVf2Jd6yLgA9eUoRiKtZC5hE4M7xqS\n";
pub const OTHER_SECRET: &str = "Zp8LwQ2vN5tYc7XeB1mUj4Ha0RkDs9GfOi3T6yVxWnKzEqPlCbJ8uM2o5SrF1A7h\n";

/// One TLS virtual host with a secret and these directives.
pub fn setup(directives: &str) -> Setup {
    Setup {
        secrets: vec![("secret", SECRET.into()), ("other-secret", OTHER_SECRET.into())],
        ..Setup::with(&format!("TokenBindingCookieSecret file:secret\n{directives}"))
    }
}

/// A CGI program that sets the cookie that its query says, with attributes.
pub const SET_COOKIE: &str = "#!/bin/sh\n\
    printf 'Content-Type: text/plain\\nSet-Cookie: %s; Path=/; HttpOnly; SameSite=Lax\\n\\n' \"$QUERY_STRING\"\n\
    /usr/bin/env\n";

/// The lines of `Set-Cookie`.
pub fn set_cookies(response: &Response) -> Vec<String> {
    response.headers_named("Set-Cookie").map(|line| String::from_utf8(line.to_vec()).unwrap()).collect()
}

/// What a client sends back of all the cookies that a response sets.
pub fn jar(response: &Response) -> String {
    let pair = |line: String| line.split(';').next().unwrap().to_owned();
    set_cookies(response).into_iter().map(pair).collect::<Vec<_>>().join("; ")
}

/// The cookies that an application sees, on the page of `env.cgi`.
pub fn seen(page: &Response) -> Option<String> {
    shown(&page.text(), "HTTP_COOKIE").map(str::to_owned)
}

/// Whether it is `NAME=` and a sealed value.
pub fn is_sealed(cookie: &str) -> bool {
    cookie.split_once('=').is_some_and(|(_, value)| {
        ["tb2b", "tb2u", "tb2d", "tb2p"].iter().any(|shape| value.starts_with(shape))
    })
}
