//! Why a cookie does not reach the application.

use std::fmt;

use super::seal::Broken;
use super::settings::NoSealFor;
use crate::counters::Count;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    Seal(Broken),
    Policy(NoSealFor),
    /// A bound name inside another cookie, where some applications would find it.
    Hidden,
    /// The header that RFC 2965 had, and some of httpd's modules read.
    Cookie2,
}

/// The words for the log.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seal(Broken::NoSeal) => "not sealed by this server",
            Self::Seal(Broken::UnknownSecret) => "sealed with a secret that is not in force here",
            Self::Seal(Broken::OtherRealm) => {
                "sealed for another virtual host: hosts that share it need one TokenBindingCookieRealm"
            }
            Self::Seal(Broken::ForUnbound) => {
                "sealed for clients without Token Binding, and this one has it: a new login gets a bound one"
            }
            Self::Seal(Broken::ForBound) => "bound to a client's key, and this request proves none",
            Self::Seal(Broken::ForDevice) => "bound to a device's key, and this request has no proof of it",
            Self::Seal(Broken::Invalid) => "bound to another client's key, or changed",
            Self::Policy(NoSealFor::Unbound) => {
                "no Token Binding on this request, and TokenBindingCookiePolicy is required"
            }
            Self::Policy(NoSealFor::Pending) => {
                "no proof of a device's key for a minute, and TokenBindingCookiePolicy is required"
            }
            Self::Policy(NoSealFor::Unknown) => "of a request whose Token Binding is not known",
            Self::Policy(NoSealFor::Trace) => "of a TRACE request, whose answer would show it",
            Self::Hidden => "hidden inside another cookie",
            Self::Cookie2 => "the Cookie2 header, which no browser sends",
        })
    }
}

impl Cause {
    /// What it counts as where the cookie passes all the same.
    pub const fn would(self) -> Count {
        match self {
            Self::Seal(Broken::NoSeal) | Self::Hidden | Self::Cookie2 => Count::CookiesWouldRefuseUnsealed,
            Self::Seal(Broken::UnknownSecret | Broken::OtherRealm) => Count::CookiesWouldRefuseSecret,
            Self::Seal(Broken::ForUnbound | Broken::ForBound | Broken::Invalid) => {
                Count::CookiesWouldRefuseOtherKey
            }
            Self::Seal(Broken::ForDevice) | Self::Policy(_) => Count::CookiesWouldRefuseNoProof,
        }
    }

    /// Whether the cookie would have reached the application with the proof of a device's key.
    pub(super) const fn wants_proof(self) -> bool {
        matches!(self, Self::Seal(Broken::ForDevice) | Self::Policy(NoSealFor::Pending))
    }
}
