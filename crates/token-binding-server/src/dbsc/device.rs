//! This module's own cookies in a request: who holds the key of a device.

use std::sync::LazyLock;

use super::settings::{Dbsc, HOST_COOKIE, HOST_NEWEST_COOKIE, SITE_COOKIE, SITE_NEWEST_COOKIE};
use super::tokens::{Registered, ShortLived};
use crate::cookies::hidden::{self, Hidden};
use crate::cookies::keyring::Keyring;
use crate::cookies::names::{CookieNames, is_plain};

/// How many of each name are looked at. Browsers send one of each name; with a site, other hosts below it can add more.
const LOOKED_AT: usize = 8;

const OWN: [&str; 4] = [HOST_COOKIE, SITE_COOKIE, HOST_NEWEST_COOKIE, SITE_NEWEST_COOKIE];

/// The names, in every spelling that an application could take for one.
static NAMES: LazyLock<CookieNames> =
    LazyLock::new(|| CookieNames::add(None, &OWN).unwrap_or(CookieNames::All));

/// Whether a cookie of this name is this module's own, or could be taken for one.
pub fn is_own(name: &[u8]) -> bool {
    // Most names are spelled so that nothing but the case can differ.
    if name.iter().all(|byte| is_plain(*byte)) {
        return OWN.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
    }
    NAMES.binds(name)
}

/// What is asked of a request's own cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// Who proves the key of a device.
    Proof,
    /// That, and which registration is the browser's newest.
    Newest,
}

/// A request's `Cookie` header, and what was taken out of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// What is left.
    pub header: Vec<u8>,
    /// The newest of its short-lived cookies that are of this server and have not run out; of those a proved one.
    pub cookie: Option<ShortLived>,
    /// The browser's newest registration, as far as it says; only if that was asked.
    pub newest: Option<Registered>,
}

/// Takes this module's own cookies out of a `Cookie` header. `None`: there are none.
///
/// Which registration is the newest, only the endpoints ask: others don't pay for it.
pub fn take(dbsc: Dbsc<'_>, keyring: &Keyring, now: u64, header: &[u8], asks: Asks) -> Option<Taken> {
    let mut kept = Kept::default();
    let mut cookie: Option<ShortLived> = None;
    let mut newest: Option<Registered> = None;
    // Others, and cookies in other spellings, are taken out, and don't stand in the way of these.
    let (mut cookies, mut newests) = (0, 0);
    let mut has_own = false;
    let mut rest = Some(header);
    while let Some(piece) = next_piece(&mut rest, b';') {
        // httpd joins the lines of an HTTP/1.1 request with a comma: what is behind one may be a cookie of its own.
        let mut line = Some(piece);
        while let Some(piece) = line.take() {
            let Named { name, value, is_plain } = named(piece);
            if is_own(name) {
                has_own = true;
                // Their values have no comma.
                line = value;
                let value = next_piece(&mut line, b',').unwrap_or_default().trim_ascii();
                let is_newest = is_plain && asks == Asks::Newest && name == dbsc.newest_name().as_bytes();
                if is_newest && newests < LOOKED_AT {
                    newests += 1;
                    newest = newest.max(Registered::open(keyring, value).ok());
                }
                if is_plain && name == dbsc.cookie_name().as_bytes() && cookies < LOOKED_AT {
                    cookies += 1;
                    let found = ShortLived::open(keyring, value).ok().filter(|found| found.is_live(now));
                    cookie =
                        cookie.into_iter().chain(found).max_by_key(|one| (one.is_proved, one.registered));
                }
                continue;
            }
            match hidden::find(&NAMES, piece) {
                None => kept.add(piece, header.len()),
                Some(Hidden::AfterComma(comma)) => {
                    // A bare name without an equals sign, nothing has checked yet.
                    let before = piece.get(..comma).unwrap_or_default();
                    if !is_own(named(before).name) {
                        kept.add(before, header.len());
                    }
                    line = piece.get(comma + 1..);
                }
                Some(Hidden::Elsewhere(_)) => has_own = true,
            }
        }
    }
    has_own.then(|| Taken { header: kept.into_header(), cookie, newest })
}

/// A cookie, by its name.
struct Named<'h> {
    name: &'h [u8],
    /// What is behind the equals sign.
    value: Option<&'h [u8]>,
    /// Whether there is nothing but white space before the name: some applications read `=name=value` as this name, and browsers send
    /// nothing like it.
    is_plain: bool,
}

fn named(cookie: &[u8]) -> Named<'_> {
    let is_before = |byte: &u8| *byte == b'=' || byte.is_ascii_whitespace();
    let start = cookie.iter().position(|byte| !is_before(byte)).unwrap_or(cookie.len());
    let (before, rest) = cookie.split_at_checked(start).unwrap_or((b"", cookie));
    let end = memchr::memchr(b'=', rest).unwrap_or(rest.len());
    let (name, value) = rest.split_at_checked(end).unwrap_or((rest, b""));
    Named { name: name.trim_ascii_end(), value: value.get(1..), is_plain: !before.contains(&b'=') }
}

/// What comes before the next of these separators, or the end.
fn next_piece<'h>(rest: &mut Option<&'h [u8]>, separator: u8) -> Option<&'h [u8]> {
    let header = rest.take()?;
    match memchr::memchr(separator, header) {
        Some(end) => {
            *rest = header.get(end + 1..);
            header.get(..end)
        }
        None => Some(header),
    }
}

/// The cookies that are left.
#[derive(Default)]
struct Kept {
    header: Vec<u8>,
    has_any: bool,
}

impl Kept {
    fn add(&mut self, piece: &[u8], all: usize) {
        if std::mem::replace(&mut self.has_any, true) {
            self.header.push(b';');
        } else {
            self.header.reserve(all);
        }
        self.header.extend(piece);
    }

    fn into_header(mut self) -> Vec<u8> {
        // A cookie that has become the first has no white space before it.
        let start = self.header.len() - self.header.trim_ascii_start().len();
        self.header.drain(..start);
        self.header
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
        take(settings.in_force().unwrap(), &keyring(), NOW, header.as_bytes(), Asks::Newest)
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
            ("a=1, __Host-tb-dbsc=X; b=2", "a=1; b=2"),
            ("a=1,2, __Host-tb-dbsc=X, b=2,3; c=4,5", "a=1,2; b=2,3; c=4,5"),
            ("__Host-tb-dbsc=X, __Secure-tb-dbsc-newest=X,b=2, __host-TB-dbsc=X", "b=2"),
            ("a=1, __Host-tb-dbsc=X", "a=1"),
            ("a=\"1, __Host-tb-dbsc=X\"; b=2", "a=\"1; b=2"),
            ("a=1 __Host-tb-dbsc=X; b=2", "b=2"),
            ("__Host-tb-dbsc; a=1", "a=1"),
            ("a=1; __secure-tb-dbsc , __Host-tb-dbsc=X", "a=1"),
            ("a=1; = =__Host-tb-dbsc=X", "a=1"),
        ] {
            let header = header.replace('X', &text(proved));
            let taken = taken(&header).unwrap();
            assert_eq!(String::from_utf8(taken.header).unwrap(), left, "{header}");
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
        assert_eq!(taken(&format!("=__Host-tb-dbsc={}", text(older))).unwrap().cookie, None);
        // Whatever line it came in.
        for header in ["a=1, __Host-tb-dbsc=X, b=2", "__Host-tb-dbsc=X,b=2", "a=1,__Host-tb-dbsc=X; b=2"] {
            let header = header.replace('X', &text(older));
            assert_eq!(taken(&header).unwrap().cookie, Some(older), "{header}");
        }
        // The name of a site's session is not that of a host's: another host of the domain can have set it.
        let newest = older.registered.seal(&keyring()).unwrap();
        assert_eq!(taken(&format!("__Host-tb-dbsc-newest={newest}")).unwrap().newest, Some(older.registered));
        assert_eq!(taken(&format!("__Secure-tb-dbsc-newest={newest}")).unwrap().newest, None);
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
