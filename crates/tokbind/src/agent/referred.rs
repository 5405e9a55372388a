//! Referred bindings across redirects (RFC 8473 section 5.3).
//!
//! A browser follows a redirect by itself, so the agent sees the redirect and then a request that may or may not be
//! its consequence. It takes the next request of the same browser for exactly the redirect's URL as that consequence,
//! once and within a short time. A browser is an address and a `User-Agent`: a proxy can't tell more.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, StatusCode};
use token_binding::header::INCLUDE_REFERRED_TOKEN_BINDING_ID;
use url::Url;

use crate::keys::Key;
use crate::keys::registered_domain;
use crate::{federation, location};

/// Redirects of one site that one browser has not followed yet.
const MAX_OF_ONE: usize = 16;
/// Redirects that nobody has followed yet. With more, those who have the most of them lose some.
const MAX_PENDING: usize = 1024;
/// Browsers follow a redirect at once; what is left is the time to reach the next server.
const LIFETIME: Duration = Duration::from_secs(30);

/// Who follows a redirect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Browser {
    address: IpAddr,
    user_agent: Option<HeaderValue>,
}

impl Browser {
    pub(super) fn new(address: IpAddr, headers: &HeaderMap) -> Self {
        Browser { address, user_agent: headers.get(USER_AGENT).cloned() }
    }
}

/// The redirects that the next request may be the consequence of.
#[derive(Default)]
pub(super) struct Referrals {
    pending: Mutex<VecDeque<Referral>>,
}

struct Referral {
    browser: Browser,
    /// The registered domain that redirects.
    site: String,
    target: Url,
    key: Arc<Key>,
    until: Instant,
}

impl Referrals {
    /// Notes a response that asks for the key of the request to be shown to where it redirects.
    ///
    /// `key` is what the provided binding of the request was made with; there must have been one.
    pub(super) fn note(
        &self,
        browser: Browser,
        request: &str,
        status: StatusCode,
        response: &HeaderMap,
        key: Arc<Key>,
        now: Instant,
    ) {
        let Some(target) = target(request, status, response) else { return };
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|known| known.until > now && !(known.browser == browser && known.target == target));
        let site = Url::parse(request).ok().and_then(|url| url.host_str().map(registered_domain));
        let site = site.unwrap_or_default();
        make_room(&mut pending, &browser, &site);
        pending.push_back(Referral { browser, site, target, key, until: now + LIFETIME });
    }

    /// The key to refer to in this request. It is given out once.
    pub(super) fn take(
        &self,
        browser: &Browser,
        method: &Method,
        headers: &HeaderMap,
        url: &str,
        now: Instant,
    ) -> Option<Arc<Key>> {
        // A preflight comes before the request that follows the redirect, and without credentials.
        if method == Method::OPTIONS && headers.contains_key("access-control-request-method") {
            return None;
        }
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|known| known.until > now);
        if pending.is_empty() {
            return None;
        }
        let url = Url::parse(url).ok()?;
        let found = pending.iter().position(|known| known.browser == *browser && known.target == url)?;
        pending.remove(found).map(|referral| referral.key)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.pending.lock().unwrap().len()
    }
}

/// A site can crowd out its own redirects and no others.
fn make_room(pending: &mut VecDeque<Referral>, browser: &Browser, site: &str) {
    let of_one = pending.iter().filter(|known| known.browser == *browser && known.site == site).count();
    let crowded = if of_one >= MAX_OF_ONE {
        pending.iter().position(|known| known.browser == *browser && known.site == site)
    } else if pending.len() >= MAX_PENDING {
        let mut counts: HashMap<(&Browser, &str), (usize, usize)> = HashMap::new();
        for (place, known) in pending.iter().enumerate() {
            counts.entry((&known.browser, &known.site)).or_insert((0, place)).0 += 1;
        }
        counts.into_values().max_by_key(|(count, first)| (*count, Reverse(*first))).map(|(_, first)| first)
    } else {
        None
    };
    crowded.map(|place| pending.remove(place));
}

/// Where the response sends the browser with its key, if it does.
fn target(request: &str, status: StatusCode, response: &HeaderMap) -> Option<Url> {
    // Noted only when there was a provided binding.
    let asked = response.get_all(INCLUDE_REFERRED_TOKEN_BINDING_ID);
    if !federation::is_asked_for(true, status.as_u16(), asked) {
        return None;
    }
    let location = location::text(response.get(LOCATION)?.as_bytes());
    // What browsers do with a Location: the URL Standard's way, which this crate follows too.
    let mut target = Url::parse(request).ok()?.join(&location).ok()?;
    target.set_fragment(None);
    (target.scheme() == "https").then_some(target)
}

#[cfg(test)]
mod tests;
