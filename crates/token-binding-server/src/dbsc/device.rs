//! This module's own cookies in a request: who holds the key of a device.

use std::sync::LazyLock;

use super::settings::{Dbsc, HOST_COOKIE, NEWEST_COOKIE, SITE_COOKIE};
use super::tokens::{Registered, ShortLived};
use crate::cookies::hidden;
use crate::cookies::keyring::Keyring;
use crate::cookies::names::{CookieNames, is_plain};

/// How many of each name are looked at. Browsers send one of each name; with a site, other hosts below it can add more.
const LOOKED_AT: usize = 8;

/// The names, in every spelling that an application could take for one.
static NAMES: LazyLock<CookieNames> = LazyLock::new(|| {
    CookieNames::add(None, &[HOST_COOKIE, SITE_COOKIE, NEWEST_COOKIE]).unwrap_or(CookieNames::All)
});

/// Whether a cookie of this name is this module's own, or could be taken for one.
pub fn is_own(name: &[u8]) -> bool {
    // Most names are spelled so that nothing but the case can differ.
    if name.iter().all(|byte| is_plain(*byte)) {
        let is = |own: &str| name.eq_ignore_ascii_case(own.as_bytes());
        return is(HOST_COOKIE) || is(SITE_COOKIE) || is(NEWEST_COOKIE);
    }
    NAMES.binds(name)
}

/// A request's `Cookie` header, and what was taken out of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// What is left.
    pub header: Vec<u8>,
    /// The newest of its short-lived cookies that are of this server and have not run out; of those a proved one.
    pub cookie: Option<ShortLived>,
    /// The browser's newest registration, as far as it says.
    pub newest: Option<Registered>,
}

/// Takes this module's own cookies out of a `Cookie` header. `None`: there are none.
pub fn take(dbsc: Dbsc<'_>, keyring: &Keyring, now: u64, header: &[u8]) -> Option<Taken> {
    let mut kept = Vec::new();
    let mut has_kept = false;
    let mut cookie: Option<ShortLived> = None;
    let mut newest: Option<Registered> = None;
    // Others, and cookies in other spellings, are taken out, and don't stand in the way of these.
    let (mut cookies, mut newests) = (0, 0);
    let mut has_own = false;
    let mut rest = Some(header);
    while let Some(piece) = next_piece(&mut rest) {
        let trimmed = piece.trim_ascii_start();
        let name_end = memchr::memchr(b'=', trimmed).unwrap_or(trimmed.len());
        let (name, value) = trimmed.split_at_checked(name_end).unwrap_or((trimmed, b""));
        let name = name.trim_ascii_end();
        if is_own(name) || hidden::find(&NAMES, trimmed).is_some() {
            has_own = true;
            let value = value.strip_prefix(b"=").unwrap_or_default().trim_ascii();
            if name == NEWEST_COOKIE.as_bytes() && newests < LOOKED_AT {
                newests += 1;
                newest = newest.max(Registered::open(keyring, value).ok());
            }
            if name == dbsc.cookie_name().as_bytes() && cookies < LOOKED_AT {
                cookies += 1;
                let found = ShortLived::open(keyring, value).ok().filter(|found| found.is_live(now));
                cookie = cookie.into_iter().chain(found).max_by_key(|one| (one.is_proved, one.registered));
            }
            continue;
        }
        if std::mem::replace(&mut has_kept, true) {
            kept.push(b';');
        } else {
            kept.reserve(header.len());
        }
        kept.extend(piece);
    }
    if !has_own {
        return None;
    }
    // A cookie that has become the first has no white space before it.
    let start = kept.len() - kept.trim_ascii_start().len();
    kept.drain(..start);
    Some(Taken { header: kept, cookie, newest })
}

/// What comes before the next semicolon, or the end.
fn next_piece<'h>(rest: &mut Option<&'h [u8]>) -> Option<&'h [u8]> {
    let header = rest.take()?;
    match memchr::memchr(b';', header) {
        Some(end) => {
            *rest = header.get(end + 1..);
            header.get(..end)
        }
        None => Some(header),
    }
}

#[cfg(test)]
mod tests {
    use ::dbsc::Thumbprint;

    use super::*;
    use crate::cookies::testing::keyring;
    use crate::dbsc::settings::DbscSettings;
    use crate::dbsc::tokens::{Registered, RegistrationId};

    const NOW: u64 = 1000;

    fn cookie(fill: u8, at: u64, expires: u64, is_proved: bool) -> ShortLived {
        let registered = Registered { id: RegistrationId::from_bytes([fill; 12]), at };
        ShortLived { thumbprint: Thumbprint::new([fill; 32]), registered, expires, is_proved }
    }

    fn taken(header: &str) -> Option<Taken> {
        let settings = DbscSettings { enabled: Some(true), ..DbscSettings::default() };
        take(settings.in_force().unwrap(), &keyring(), NOW, header.as_bytes())
    }

    fn text(cookie: ShortLived) -> String {
        cookie.seal(&keyring()).unwrap()
    }

    #[test]
    fn it_never_reaches_the_application() {
        let proved = cookie(1, 5, 1600, true);
        for (header, left) in [
            ("__Host-tb-dbsc=X", ""),
            ("a=1; __Host-tb-dbsc=X; b=2", "a=1; b=2"),
            ("__Host-tb-dbsc=X; a=1", "a=1"),
            ("a=1;__host-TB-dbsc=X", "a=1"),
            ("a=1; ..Host-tb-dbsc=X; b", "a=1; b"),
            ("a=1; __Secure-tb-dbsc=X", "a=1"),
            ("a=1; __secure-tb-dbsc-newest=X", "a=1"),
            ("a=1, __Host-tb-dbsc=X; b=2", " b=2"),
            ("__Host-tb-dbsc; a=1", "a=1"),
        ] {
            let header = header.replace('X', &text(proved));
            let taken = taken(&header).unwrap();
            assert_eq!(String::from_utf8(taken.header).unwrap(), left.trim_start(), "{header}");
        }
        assert_eq!(taken("a=1; tb-dbsc=2; sid=x"), None);
        assert_eq!(taken(""), None);
    }

    #[test]
    fn one_that_is_good_is_believed_the_proved_one_before_others() {
        let (older, newer) = (cookie(1, 5, 1600, true), cookie(2, 6, 1600, true));
        let unproved = cookie(3, 7, 1030, false);
        let found = |cookies: &[ShortLived]| {
            let header: Vec<String> =
                cookies.iter().map(|cookie| format!("__Host-tb-dbsc={}", text(*cookie))).collect();
            taken(&header.join("; ")).unwrap().cookie
        };
        assert_eq!(found(&[older]), Some(older));
        assert_eq!(found(&[older, newer]), Some(newer));
        assert_eq!(found(&[newer, older]), Some(newer));
        assert_eq!(found(&[unproved, older]), Some(older));
        assert_eq!(found(&[unproved]), Some(unproved));
        assert_eq!(found(&[cookie(1, 5, 994, true)]), None, "it has run out");
        assert_eq!(
            found(&[[unproved; 8].as_slice(), &[older]].concat()),
            Some(unproved),
            "no more than eight"
        );
        assert_eq!(taken("__Host-tb-dbsc=; a=1").unwrap().cookie, None);
        // The name of a site's session is not that of a host's.
        assert_eq!(taken(&format!("__Secure-tb-dbsc={}", text(older))).unwrap().cookie, None);
    }

    /// Another host of the domain can set cookies of other names, and in front.
    #[test]
    fn others_do_not_stand_in_its_way() {
        let good = text(cookie(1, 1000, 2000, true));
        for other in ["__Secure-tb-dbsc=x", "__host-tb-dbsc=x", "a=__Host-tb-dbsc=x"] {
            let header = format!("{}__Host-tb-dbsc={good}", format!("{other}; ").repeat(2 * LOOKED_AT));
            assert!(taken(&header).unwrap().cookie.is_some(), "{other}");
        }
    }
}
