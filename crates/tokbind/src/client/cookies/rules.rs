//! Which cookies are taken, beyond what `cookie_store` asks of them.

use cookie_store::RawCookie;
use url::{Host, Url};

use super::bytes;
use crate::client::urls::host;

/// What a name and a value may have together (6265bis section 5.7, step 5).
const MAX_COOKIE: usize = 4096;

/// The cookie of a `Set-Cookie` line.
pub(super) fn parsed(line: &[u8]) -> Option<RawCookie<'static>> {
    RawCookie::parse(bytes::decode(line)).ok()
}

/// The cookie, if it may be set by this URL.
pub(super) fn acceptable(mut cookie: RawCookie<'static>, url: &Url) -> Option<RawCookie<'static>> {
    let secure = cookie.secure().unwrap_or(false);
    if (secure && !is_secure(url)) || !keeps_its_promise(&cookie) {
        return None;
    }
    // A tab would do no harm but in files, where it stands between two fields. curl ignores such cookies, too.
    let texts = [cookie.name(), cookie.value(), cookie.path().unwrap_or_default()];
    if texts.iter().any(|text| text.bytes().any(|byte| byte.is_ascii_control())) {
        return None;
    }
    if bytes::encode(cookie.name()).len() + bytes::encode(cookie.value()).len() > MAX_COOKIE {
        return None;
    }
    let domain = cookie.domain().unwrap_or_default().trim_start_matches('.').to_ascii_lowercase();
    // What is not spelled as hosts are would be something else once it is mapped (IDNA), a public suffix for instance.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
    if !domain.bytes().all(plain) {
        return None;
    }
    // RFC 6265 section 5.3, step 5: no cookie for all of a public suffix, with a final dot neither. It is the list that scopes
    // keys, too.
    let bare = domain.strip_suffix('.').unwrap_or(&domain);
    if !domain.is_empty() && psl::suffix_str(bare).is_none_or(|suffix| suffix == bare) {
        if host(url).ok()? != domain {
            return None;
        }
        cookie.unset_domain();
    }
    Some(cookie)
}

/// Whether cookies that need TLS may come from and go to this URL: one of this machine's own will do, as in browsers and curl.
pub(super) fn is_secure(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

/// Whether one of the domains is the other or below it.
pub(super) fn are_related(one: &str, other: &str) -> bool {
    let is_below = |host: &str, domain: &str| {
        host.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    };
    is_below(one, other) || is_below(other, one)
}

/// Whether a path is the other or below it (RFC 6265 section 5.1.4).
pub(super) fn is_path_below(path: &str, other: &str) -> bool {
    path.strip_prefix(other)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || other.ends_with('/'))
}

/// `__Host-` and `__Secure-` say how a cookie was set, in any case (6265bis section 5.7, steps 21 and 22). A cookie without a name
/// could say so in its value.
fn keeps_its_promise(cookie: &RawCookie<'_>) -> bool {
    let says = |prefix: &str| {
        let text = if cookie.name().is_empty() { cookie.value() } else { cookie.name() };
        text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let secure = cookie.secure().unwrap_or(false);
    let of_one_host = secure && cookie.domain().is_none() && cookie.path() == Some("/");
    (!says("__Secure-") || (secure && !cookie.name().is_empty()))
        && (!says("__Host-") || (of_one_host && !cookie.name().is_empty()))
}
