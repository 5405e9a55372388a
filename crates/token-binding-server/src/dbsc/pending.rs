//! What is known of a bound cookie whose browser has no key yet: which registration it waits for, since when, and with which
//! attributes it was set, so that it can be set again, sealed to the key.
//!
//! It stands before the cookie's value, inside the seal:
//!
//! ```text
//! base64url(registration (12 bytes) || seconds since 1970 (8) || attributes) "." value
//! ```

use std::cell::{Cell, OnceCell};

use super::tokens::{Offered, RegistrationId};
use super::{is_younger, now};
use crate::cookies::envelope::{NotSealed, decode, encode};
use crate::cookies::keyring::Keyring;

/// How long a pending cookie is taken without a proof where `TokenBindingCookiePolicy` is `required`, in seconds.
const LIFETIME: u64 = 60;

/// A pending cookie, unsealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending<'c> {
    pub registration: RegistrationId,
    /// When the application set it: seconds since 1970.
    pub at: u64,
    /// As they were sent, with the semicolon before the first.
    pub attributes: Vec<u8>,
    pub value: &'c [u8],
}

impl<'c> Pending<'c> {
    /// `None`: a later version of this module has written it.
    pub fn read(content: &'c [u8]) -> Option<Self> {
        let dot = memchr::memchr(b'.', content)?;
        let known = decode(content.get(..dot)?)?;
        let (registration, rest) = known.split_first_chunk()?;
        let (at, attributes) = rest.split_first_chunk()?;
        Some(Self {
            registration: RegistrationId::from_bytes(*registration),
            at: u64::from_be_bytes(*at),
            attributes: attributes.to_vec(),
            value: content.get(dot + 1..)?,
        })
    }

    /// The content to seal.
    pub fn to_content(&self) -> Result<Vec<u8>, NotSealed> {
        let known =
            [self.registration.as_bytes(), &self.at.to_be_bytes()[..], self.attributes.as_slice()].concat();
        let mut content = Vec::with_capacity(2 * known.len() + self.value.len());
        encode(&known, &mut content)?;
        content.push(b'.');
        content.extend(self.value);
        Ok(content)
    }

    pub fn is_young(&self, now: u64) -> bool {
        is_younger(self.at, now, LIFETIME)
    }

    /// The attributes, for the same cookie set again now: of its `Max-Age`, some seconds are gone.
    pub fn attributes_now(&self, now: u64) -> Vec<u8> {
        let gone = now.saturating_sub(self.at);
        let attribute = |attribute: &[u8]| match max_age(attribute) {
            Some(seconds) => {
                let left = seconds.saturating_sub(gone.try_into().unwrap_or(i64::MAX));
                format!(" Max-Age={left}").into_bytes()
            }
            None => attribute.to_vec(),
        };
        let all: Vec<Vec<u8>> = self.attributes.split(|byte| *byte == b';').map(attribute).collect();
        all.join(&b';')
    }
}

/// The seconds of a `Max-Age` attribute, if it is one that browsers understand (RFC 6265 s5.2.2).
pub fn max_age(attribute: &[u8]) -> Option<i64> {
    let equals = memchr::memchr(b'=', attribute)?;
    let (name, value) = (attribute.get(..equals)?, attribute.get(equals + 1..)?);
    if !name.trim_ascii().eq_ignore_ascii_case(b"max-age") {
        return None;
    }
    let digits = value.trim_ascii();
    let is_number = digits.strip_prefix(b"-").unwrap_or(digits).iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok()?;
    // More digits than a number can have are a very long time, or none.
    let far = if digits.starts_with(b"-") { i64::MIN } else { i64::MAX };
    (is_number && !number.is_empty() && number != "-").then(|| number.parse().unwrap_or(far))
}

/// A client without a key: what the bound cookies that it gets in one response wait for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Decided when the first of them is set.
    offered: OnceCell<Offered>,
    /// The registration that the client has made, and not proved yet: it needs no offer.
    registered: Option<RegistrationId>,
    /// What the pending cookies that it brought wait for.
    inherited: Cell<Option<Inherited>>,
    /// Whether a cookie was set that is worth an offer.
    is_offering: Cell<bool>,
}

/// What the pending cookies of one request, whose client has not proved its key, wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inherited {
    /// `None`: they don't wait for the same one.
    registration: Option<RegistrationId>,
    /// Since when the first of them does: seconds since 1970.
    at: u64,
}

impl Waiting {
    /// Of a client that has registered this, and not proved it yet.
    pub fn for_registered(registration: RegistrationId) -> Self {
        Self { registered: Some(registration), ..Self::default() }
    }

    /// The client has brought this cookie, and no proof that it is its own: it may be stolen. What the application sets in this
    /// response may have been made of it. So that waits for the same registration, since the same time, and the client is
    /// offered no other. Cookies of several registrations may be a thief's own mixed with stolen ones: what is made
    /// of them waits for a registration that nobody has, since the first of them.
    pub fn inherit(&self, from: &Pending<'_>) {
        let own = Inherited { registration: Some(from.registration), at: from.at };
        self.inherited.set(Some(match self.inherited.get() {
            None => own,
            Some(others) => Inherited {
                registration: others.registration.filter(|registration| *registration == from.registration),
                at: others.at.min(from.at),
            },
        }));
    }

    /// A pending cookie for this response.
    pub fn cookie<'c>(&self, value: &'c [u8], attributes: Vec<u8>) -> Result<Pending<'c>, NotSealed> {
        let offered = self.offered()?;
        self.is_offering.set(true);
        Ok(Pending { registration: offered.registration, at: offered.at, attributes, value })
    }

    fn offered(&self) -> Result<Offered, NotSealed> {
        if let Some(offered) = self.offered.get() {
            return Ok(*offered);
        }
        let (registration, at) = match self.inherited.get() {
            Some(inherited) => (inherited.registration, inherited.at),
            None => (self.registered, now()),
        };
        let registration = registration.map_or_else(RegistrationId::random, Ok)?;
        Ok(*self.offered.get_or_init(|| Offered { registration, at }))
    }

    /// The challenge to offer a registration with, if this response should.
    pub fn challenge(&self, keyring: &Keyring) -> Result<Option<String>, NotSealed> {
        match self.offered.get() {
            Some(offered)
                if self.is_offering.get() && self.registered.is_none() && self.inherited.get().is_none() =>
            {
                offered.seal(keyring).map(Some)
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookies::testing::keyring;

    fn pending(attributes: &str, value: &'static [u8]) -> Pending<'static> {
        let registration = RegistrationId::from_bytes([7; 12]);
        Pending { registration, at: 1000, attributes: attributes.into(), value }
    }

    #[test]
    fn it_reads_what_it_has_written() {
        for (attributes, value) in
            [("", &b""[..]), ("; Path=/; HttpOnly", b"a.b=c; d"), (";a=\"b\"", b"\xff\0.")]
        {
            let pending = pending(attributes, value);
            let content = pending.to_content().unwrap();
            assert_eq!(Pending::read(&content), Some(pending));
        }
        for content in [&b""[..], b"value", b"AAAA.value", b"=.value"] {
            assert_eq!(Pending::read(content), None);
        }
    }

    #[test]
    fn max_age_shrinks_and_nothing_else_changes() {
        for (attributes, later) in [
            ("; Path=/; Max-Age=3600; Secure", "; Path=/; Max-Age=3590; Secure"),
            (";max-age = 5;Secure", "; Max-Age=-5;Secure"),
            ("; Max-Age=99999999999999999999", "; Max-Age=9223372036854775797"),
            ("; Expires=Thu, 01 Jan 2099 00:00:00 GMT", "; Expires=Thu, 01 Jan 2099 00:00:00 GMT"),
            ("; Max-Age=x; Max-Age=; Max-Age=-", "; Max-Age=x; Max-Age=; Max-Age=-"),
            ("", ""),
        ] {
            assert_eq!(pending(attributes, b"v").attributes_now(1010), later.as_bytes(), "{attributes}");
        }
    }

    #[test]
    fn it_is_young_for_a_minute_and_the_skew_of_clocks() {
        let pending = pending("", b"v");
        assert!(pending.is_young(995) && pending.is_young(1065));
        assert!(!pending.is_young(994) && !pending.is_young(1066));
    }

    /// What comes of pending cookies is pending with them: since the first of them, and for their registration, if it is one.
    #[test]
    fn what_comes_of_pending_cookies_is_no_better() {
        let [first, second] = [1, 2].map(|fill| RegistrationId::from_bytes([fill; 12]));
        let waits = |registered: Option<RegistrationId>, brought: &[(RegistrationId, u64)]| {
            let waiting = Waiting { registered, ..Waiting::default() };
            for (registration, at) in brought {
                waiting.inherit(&Pending { registration: *registration, at: *at, ..pending("", b"v") });
            }
            let set = waiting.cookie(b"w", Vec::new()).unwrap();
            let is_offered = waiting.challenge(&keyring()).unwrap().is_some();
            (set.registration, set.at, is_offered)
        };
        let (fresh, at, is_offered) = waits(None, &[]);
        assert!(is_offered && at > 2000 && fresh != first);
        for registered in [None, Some(second)] {
            assert_eq!(waits(registered, &[(first, 1000)]), (first, 1000, false));
            assert_eq!(
                waits(registered, &[(first, 1010), (first, 1000), (first, 1020)]),
                (first, 1000, false)
            );
            for order in [[(first, 1000), (second, 1010)], [(second, 1010), (first, 1000)]] {
                let brought = [order.as_slice(), &[(second, 1010)]].concat();
                let (nobody, at, is_offered) = waits(registered, &brought);
                assert!(nobody != first && nobody != second && at == 1000 && !is_offered);
            }
        }
    }
}
