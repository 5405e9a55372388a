//! Whose sealed cookies are taken from a client.

use super::cause::Cause;
use super::seal::{Broken, Sealed, SealedFor, Whom};
use super::settings::{Binder, Client, CookiePolicy, NoSealFor};
use crate::dbsc::pending::Pending;

/// What was in a seal that holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) value: Vec<u8>,
    /// The attributes to set the cookie with, sealed to the key that the client has proved.
    pub(super) upgrade: Option<Vec<u8>>,
}

/// Unseals a cookie, if this client may have it.
#[inline]
pub(super) fn open(
    binder: Binder<'_>,
    client: Client<'_>,
    name: &[u8],
    sealed: Sealed<'_>,
) -> Result<Opened, Cause> {
    let is_required = binder.policy == CookiePolicy::Required;
    let open = |client| {
        let value = sealed.open(binder.keyring, name, client).map_err(Cause::Seal)?;
        Ok(Opened { value, upgrade: None })
    };
    match (client, sealed.whom()) {
        (Client::Unknown, _) => Err(Cause::Policy(NoSealFor::Unknown)),
        (Client::Trace, _) => Err(Cause::Policy(NoSealFor::Trace)),
        (Client::Bound(id), _) => open(SealedFor::Key(id)),
        (Client::Unbound, _) if is_required => Err(Cause::Policy(NoSealFor::Unbound)),
        (_, Whom::Unbound) if is_required => Err(Cause::Policy(NoSealFor::Unbound)),
        (Client::Device(proved), Whom::Device) => open(SealedFor::Device(proved.by.thumbprint.as_bytes())),
        (_, Whom::Pending) => {
            let Opened { value: content, .. } = open(SealedFor::Pending)?;
            let pending = Pending::read(&content).ok_or(Cause::Seal(Broken::NoSeal))?;
            judge(client, is_required, &pending)
        }
        // Of the others, only the unbound open.
        (_, Whom::Key | Whom::Unbound | Whom::Device) => open(SealedFor::Unbound),
    }
}

/// The application's value in a seal that does not hold, for [`CookiePolicy::Report`]; none if it is encrypted.
pub(super) fn unchecked<'a>(sealed: &Sealed<'a>) -> Option<&'a [u8]> {
    let content = sealed.readable()?;
    match sealed.whom() {
        Whom::Pending => Some(Pending::read(content)?.value),
        Whom::Key | Whom::Unbound | Whom::Device => Some(content),
    }
}

/// A pending cookie is sealed to a key only by the registration that was offered with it: a thief who has registered a key of
/// his own must not bind somebody else's cookie to it.
///
/// With [`CookiePolicy::Required`], an application must not do it for him, by setting the cookie again. So a client that has proved
/// another registration's key does not bring it to the application, and what a client without a proof gets for it inherits its
/// registration and its age.
fn judge(client: Client<'_>, is_required: bool, pending: &Pending<'_>) -> Result<Opened, Cause> {
    let is_own = |proved: &super::settings::Proved| proved.by.registered.id == pending.registration;
    let (is_taken, upgrade) = match client {
        Client::Device(proved) if is_own(proved) => (true, Some(pending.attributes_now(proved.now))),
        Client::Waiting(waiting, now) if is_required => {
            let is_young = pending.is_young(now);
            if is_young {
                waiting.inherit(pending);
            }
            (is_young, None)
        }
        // Another registration's key; any client where it is not required; a client where DBSC was on, and is off.
        _ => (!is_required, None),
    };
    if is_taken {
        Ok(Opened { value: pending.value.to_vec(), upgrade })
    } else {
        Err(Cause::Policy(NoSealFor::Pending))
    }
}

#[cfg(test)]
mod tests;
