//! The file format of Netscape's cookies, which curl, wget and most others read and write: seven fields a line, between tabs.

use std::io;
use std::net::Ipv6Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use cookie_store::{Cookie, CookieDomain, CookieExpiration, RawCookie};
use url::Url;

use super::bytes;

const HEAD: &[u8] =
    b"# Netscape HTTP Cookie File\n# Written by tokbind. Whoever has these cookies may be taken for you.\n\n";
/// Before the domain of a cookie that scripts must not see.
const HTTP_ONLY: &[u8] = b"#HttpOnly_";

/// A cookie that was read, and from where it could have come.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) cookie: RawCookie<'static>,
    pub(super) from: Url,
}

/// The cookies of a file that have not expired.
pub(super) fn lines(file: &[u8]) -> io::Result<Vec<Read>> {
    let mut cookies = Vec::new();
    for (number, line) in (1..).zip(file.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (http_only, line) = match line.strip_prefix(HTTP_ONLY) {
            Some(line) => (true, line),
            None if line.starts_with(b"#") || line.trim_ascii().is_empty() => continue,
            None => (false, line),
        };
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
        let read = read(&fields, http_only).ok_or_else(|| {
            let sentence =
                format!("line {number} is no cookie in the Netscape format, which curl writes with -c");
            io::Error::new(io::ErrorKind::InvalidData, sentence)
        })?;
        cookies.extend(read);
    }
    Ok(cookies)
}

/// `None` for what is no cookie; `Some(None)` for one that has expired.
fn read(fields: &[&[u8]], http_only: bool) -> Option<Option<Read>> {
    let (&[domain, below, path, secure, expires, name], value) = match fields {
        [six @ .., value] if fields.len() == 7 => (<&[&[u8]; 6]>::try_from(six).ok()?, *value),
        // curl writes a cookie without value so.
        six => (<&[&[u8]; 6]>::try_from(six).ok()?, &b""[..]),
    };
    let flag = |text: &[u8]| match text {
        b"TRUE" => Some(true),
        b"FALSE" => Some(false),
        _ => None,
    };
    let (below, secure) = (flag(below)?, flag(secure)?);
    let expires = time(std::str::from_utf8(expires).ok()?)?;
    let host = std::str::from_utf8(domain.strip_prefix(b".").unwrap_or(domain)).ok()?;
    // curl writes IPv6 addresses without brackets.
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    let from = Url::parse(&format!("{}://{host}/", if secure { "https" } else { "http" })).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut attributes = String::new();
    match expires {
        Time::SessionEnd => {}
        Time::At(expires) if expires <= now => return Some(None),
        Time::At(expires) => attributes.push_str(&format!("; Max-Age={}", expires - now)),
    }
    if below {
        attributes.push_str(&format!("; Domain={host}"));
    }
    for (is, attribute) in [(secure, "; Secure"), (http_only, "; HttpOnly")] {
        attributes.push_str(if is { attribute } else { "" });
    }
    let mut cookie = RawCookie::parse(format!("name=value{attributes}")).ok()?;
    // These may have what ends a field of a header: paths of URLs have semicolons.
    cookie.set_name(bytes::decode(name));
    cookie.set_value(bytes::decode(value));
    cookie.set_path(bytes::decode(path));
    Some(Some(Read { cookie, from }))
}

/// When a cookie ends, in seconds since 1970.
enum Time {
    SessionEnd,
    At(u64),
}

/// Python leaves the field empty for the end of the session, browsers' extensions write fractions.
fn time(field: &str) -> Option<Time> {
    let (negative, digits) = match field.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, field),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if field.is_empty() || field == "0" {
        return Some(Time::SessionEnd);
    }
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    // What is too large for a number is far in the future.
    Some(Time::At(if negative { 0 } else { whole.parse().unwrap_or(u64::MAX) }))
}

/// A line of a file.
pub(super) struct Line(Vec<u8>);

impl Line {
    pub(super) fn of(cookie: &Cookie<'_>) -> Self {
        let flag = |yes: bool| if yes { "TRUE" } else { "FALSE" };
        let expires = match cookie.expires {
            // Zero means the end of the session.
            CookieExpiration::AtUtc(time) => time.unix_timestamp().max(1),
            CookieExpiration::SessionEnd => 0,
        };
        let below = matches!(cookie.domain, CookieDomain::Suffix(_));
        let domain = String::from(&cookie.domain);
        let text = format!(
            "{}{}\t{}\t{}\t{}\t{expires}\t{}\t{}\n",
            if below { "." } else { "" },
            domain.trim_start_matches('[').trim_end_matches(']'),
            flag(below),
            String::from(&cookie.path),
            flag(cookie.secure().unwrap_or(false)),
            cookie.name(),
            cookie.value(),
        );
        let mut line = bytes::encode(&text);
        if cookie.http_only().unwrap_or(false) {
            line.splice(0..0, HTTP_ONLY.iter().copied());
        }
        Line(line)
    }
}

/// A file of these lines.
pub(super) fn file(lines: impl Iterator<Item = Line>) -> Vec<u8> {
    let mut file = HEAD.to_vec();
    lines.for_each(|line| file.extend(line.0));
    file
}
