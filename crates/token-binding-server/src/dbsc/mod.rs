//! Device Bound Session Credentials (DBSC): keys for clients without Token Binding, which today's browsers are.
//!
//! When the application sets a bound cookie, the browser is offered to register a key; until it has, the cookie is pending. A
//! registered browser proves its key whenever its short-lived cookie has run out, and a request with a short-lived cookie
//! that such a proof has earned comes from the holder of the key: bound cookies are sealed to it, and pending ones of the
//! same registration are sealed anew. Nothing is stored: what a later request needs to know, the browser brings along, sealed.
//!
//! | room | what it knows |
//! |---|---|
//! | [`settings`] | what an administrator wrote |
//! | [`tokens`] | the texts that a browser keeps for the server: challenge, session identifier, short-lived cookie |
//! | [`device`] | the short-lived cookie in a request |
//! | [`pending`] | what is known of a bound cookie whose browser has no key yet |
//! | [`endpoints`] | what is answered where a browser registers and refreshes |

pub mod device;
pub mod endpoints;
#[cfg(test)]
mod model;
pub mod pending;
pub mod settings;
pub mod tokens;

use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(test)]
thread_local! {
    /// The time of a test's world, in seconds since 1970.
    static TEST_CLOCK: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

/// Seconds since 1970. Servers that share a secret share this, too, but for a few seconds.
pub fn now() -> u64 {
    #[cfg(test)]
    if let Some(now) = TEST_CLOCK.get() {
        return now;
    }
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How far the clocks of servers that share a secret may be apart, in seconds.
const SKEW: u64 = 5;

/// Whether something of this age, in seconds, has not passed its limit. From the future is only what another server's clock
/// explains.
fn is_younger(issued: u64, now: u64, limit: u64) -> bool {
    issued <= now.saturating_add(SKEW) && now <= issued.saturating_add(limit).saturating_add(SKEW)
}
