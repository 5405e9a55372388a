//! What becomes of a `Set-Cookie` line.

use super::*;
use crate::cookies::seal::{Sealed, SealedFor};
use crate::cookies::settings::{CookiePolicy, CookieSettings};
use crate::cookies::testing::{keyring, settings};
use crate::dbsc::pending::Pending;
use crate::dbsc::settings::DbscSettings;
use crate::dbsc::tokens::{Offered, Registered, ShortLived};
use ::dbsc::Thumbprint;

const ALICE: Client<'_> = Client::Bound(b"alice");

fn bound(words: &[&str]) -> CookieSettings {
    settings(words, CookiePolicy::Optional)
}

fn rewritten(settings: &CookieSettings, client: Client<'_>, line: &str) -> Outgoing {
    rewrite(settings.binder().unwrap().unwrap(), client, line.as_bytes()).unwrap()
}

/// The value inside the sealed line, and the attributes.
fn opened(settings: &CookieSettings, name: &str, line: &str) -> (String, String) {
    let Outgoing::Sealed { line, size: Size::Kept } = rewritten(settings, ALICE, line) else {
        panic!("{line} was not sealed")
    };
    let (pair, attributes) = split(&line);
    let sealed = pair.strip_prefix(format!("{name}=").as_bytes()).unwrap();
    let (sealed, rest) = Sealed::read(sealed).unwrap();
    assert!(rest.is_empty());
    let value = sealed.open(&keyring(), name.as_bytes(), SealedFor::Key(b"alice")).unwrap();
    (String::from_utf8(value).unwrap(), String::from_utf8(attributes.to_vec()).unwrap())
}

#[test]
fn the_value_is_sealed_secure_added_and_the_attributes_stay() {
    let settings = bound(&["sid"]);
    for (line, value, attributes) in [
        ("sid=v", "v", "; Secure"),
        ("sid=v; Path=/; HttpOnly", "v", "; Path=/; HttpOnly; Secure"),
        ("sid=v;secure;SameSite=None", "v", ";secure;SameSite=None"),
        ("sid=v; SECURE =x", "v", "; SECURE =x"),
        (" sid = v ; Max-Age=0", "v", "; Max-Age=0; Secure"),
        (
            "sid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "",
            "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure",
        ),
        ("sid=\"a, b\"; Comment=insecure", "\"a, b\"", "; Comment=insecure; Secure"),
        ("sid=a=b=;", "a=b=", ";; Secure"),
    ] {
        assert_eq!(opened(&settings, "sid", line), (value.into(), attributes.into()), "{line}");
    }
    assert_eq!(opened(&settings, "SID", "SID=v").0, "v", "sealed under the name as it stands");
    assert_eq!(opened(&settings, "sid[a]", "sid[a]=v").0, "v");
}

#[test]
fn other_cookies_are_left_alone() {
    let settings = bound(&["sid"]);
    for line in ["a=sid", "sidx=1", "a=1, sid=2", "a=1; sid=2", "", "=", "=x"] {
        assert_eq!(rewritten(&settings, ALICE, line), Outgoing::AsItIs, "{line}");
    }
}

#[test]
fn what_would_come_back_otherwise_than_it_was_sent_is_withheld() {
    for line in ["sid", "=sid=v", "= sid", "s id=v", "sid=a\u{1}b", "\"sid\"=v"] {
        let settings = bound(&["sid", "s_id"]);
        let Outgoing::Withheld { cause: Withheld::Malformed, .. } = rewritten(&settings, ALICE, line) else {
            panic!("{line:?}")
        };
    }
    // Cookies without a name can't be bound, and `all` leaves none unbound.
    for line in ["v", "=v", ""] {
        let Outgoing::Withheld { cause: Withheld::Malformed, .. } = rewritten(&bound(&["all"]), ALICE, line)
        else {
            panic!("{line:?}")
        };
    }
}

#[test]
fn who_gets_none() {
    let withheld = |cause| Outgoing::Withheld { name: Some(b"sid".to_vec()), cause: Withheld::Policy(cause) };
    let required = settings(&["sid"], CookiePolicy::Required);
    assert_eq!(rewritten(&required, Client::Unbound, "sid=v"), withheld(NoSealFor::Unbound));
    assert_eq!(rewritten(&bound(&["sid"]), Client::Unknown, "sid=v"), withheld(NoSealFor::Unknown));
    assert_eq!(rewritten(&required, Client::Unbound, "a=v"), Outgoing::AsItIs);
}

/// `sid` and 4,093 bytes are what browsers keep.
#[test]
fn a_value_is_encrypted_unless_only_that_makes_it_too_long() {
    let (readable, encrypted) =
        (19 + 22 + 1 + 4 + 1, |length: usize| 3 + 19 + (4 * (length + 40)).div_ceil(3));
    for (length, form, size) in [
        (3015, b'e', Size::Kept),
        (3016, b'm', Size::KeptReadable(encrypted(3016))),
        (4093 - readable, b'm', Size::KeptReadable(encrypted(4093 - readable))),
        (4094 - readable, b'e', Size::TooLong(encrypted(4094 - readable))),
        (4093, b'e', Size::TooLong(encrypted(4093))),
        (4094, b'e', Size::Kept),
    ] {
        let line = format!("sid={}", "x".repeat(length));
        let result = rewritten(&bound(&["sid"]), ALICE, &line);
        let Outgoing::Sealed { line, size: is } = result else { panic!() };
        assert_eq!((line[8], is), (form, size), "{length}");
    }
    let short = CookieSettings { encrypt: Some(false), ..bound(&["sid"]) };
    for (length, size) in
        [(4093 - readable, Size::Kept), (4094 - readable, Size::TooLong(4097)), (4094, Size::Kept)]
    {
        let line = format!("sid={}", "x".repeat(length));
        let Outgoing::Sealed { line, size: is } = rewritten(&short, ALICE, &line) else { panic!() };
        assert_eq!((line[8], is), (b'm', size), "{length}");
    }
}

/// The value of a cookie without a name is not taken for its name.
#[test]
fn only_a_name_is_logged_as_one() {
    for line in ["value", "=value", "= value=x", " value ; Path=/"] {
        let result = rewritten(&bound(&["all"]), ALICE, line);
        assert_eq!(result, Outgoing::Withheld { name: None, cause: Withheld::Malformed }, "{line}");
    }
}

#[test]
fn caches() {
    let needs = |value: &str, personal| needs_private([value.as_bytes()], personal);
    for value in ["", "max-age=60", "no-cache", "private=\"x\"", "must-revalidate, max-age=0"] {
        assert!(needs(value, Personal::SetsCookie) && needs(value, Personal::Asked), "{value}");
    }
    for value in ["private", "max-age=60, Private", "no-store", "no-cache,no-store"] {
        assert!(!needs(value, Personal::SetsCookie) && !needs(value, Personal::HadCookie), "{value}");
    }
    for value in ["public", "max-age=60, PUBLIC", "s-maxage=60"] {
        assert!(needs(value, Personal::SetsCookie) && !needs(value, Personal::HadCookie), "{value}");
    }
    assert!(needs_private([], Personal::HadCookie));
}

#[test]
fn a_client_with_dbsc_gets_a_pending_cookie_and_one_that_has_proved_its_key_one_of_its_own() {
    let dbsc = DbscSettings { enabled: Some(true), ..DbscSettings::default() };
    let settings = CookieSettings { dbsc, ..settings(&["sid"], CookiePolicy::Required) };
    let binder = settings.binder().unwrap().unwrap();
    let waiting = Waiting::default();
    let rewritten = |client, line: &str| {
        let Outgoing::Sealed { line, .. } = rewrite(binder, client, line.as_bytes()).unwrap() else {
            panic!()
        };
        line
    };
    let content = |line: &[u8], sealed_for| {
        let (pair, _) = split(line);
        Sealed::read(&pair[4..]).unwrap().0.open(binder.keyring, b"sid", sealed_for).unwrap()
    };
    for removal in [
        "sid=; Path=/",
        "sid=deleted; Max-Age=0; expires=Thu, 01-Jan-2099 00:00:01 GMT",
        "sid=x; Expires=Thu, 01-Jan-1970 00:00:01 GMT",
        "sid=x; expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
    ] {
        rewritten(Client::Waiting(&waiting, 0), removal);
        assert_eq!(waiting.challenge(binder.keyring), Ok(None), "{removal}");
    }
    let first = rewritten(Client::Waiting(&waiting, 0), "sid=v; Path=/app; Max-Age=60");
    let second = rewritten(Client::Waiting(&waiting, 0), "sid=w; Max-Age=0; Max-Age=1");
    let challenge = waiting.challenge(binder.keyring).unwrap().unwrap();
    let offered = Offered::open(binder.keyring, &challenge).unwrap();
    let content_of_first = content(&first, SealedFor::Pending);
    let pending = Pending::read(&content_of_first).unwrap();
    assert_eq!((pending.registration, pending.value), (offered.registration, &b"v"[..]));
    assert_eq!(pending.attributes, b"; Path=/app; Max-Age=60; Secure");
    let content_of_second = content(&second, SealedFor::Pending);
    assert_eq!(Pending::read(&content_of_second).unwrap().registration, offered.registration);

    let registered = Registered { id: offered.registration, at: 1 };
    let by = ShortLived { thumbprint: Thumbprint::new([1; 32]), registered, expires: 2, is_proved: true };
    let proved = Proved { by, now: offered.at + 10 };
    let line = rewritten(Client::Device(&proved), "sid=v");
    assert_eq!(content(&line, SealedFor::Device(&[1; 32])), b"v");
    let again = Upgrade {
        name: b"sid".to_vec(),
        value: b"v".to_vec(),
        attributes: pending.attributes_now(proved.now),
    };
    let Outgoing::Sealed { line, .. } = upgrade(binder, &proved, &again).unwrap() else { panic!() };
    assert_eq!(content(&line, SealedFor::Device(&[1; 32])), b"v");
    assert!(line.ends_with(b"; Path=/app; Max-Age=50; Secure"));

    // A client that has registered, and has not proved its key yet, needs no second offer.
    let waiting = Waiting::for_registered(offered.registration);
    rewritten(Client::Waiting(&waiting, 0), "sid=v");
    assert_eq!(waiting.challenge(binder.keyring), Ok(None));
    // Nobody but this module sets its cookie.
    for name in ["__Host-tb-dbsc", "__secure-tb.dbsc", "__Host-tb-dbsc[x]"] {
        let result = rewrite(binder, Client::Waiting(&waiting, 0), format!("{name}=x; Secure").as_bytes());
        let is_short_lived = !name.contains("tb.dbsc");
        let reserved = Outgoing::Withheld { name: Some(name.into()), cause: Withheld::Reserved };
        assert_eq!(result.unwrap(), if is_short_lived { reserved } else { Outgoing::AsItIs }, "{name}");
    }
}

/// With the policy `report`, what would be withheld is sent as it is; what is sealed can be read by anybody.
#[test]
fn what_is_only_reported_is_sent() {
    let report = settings(&["sid", "tid"], CookiePolicy::Report);
    let long = format!("sid={}", "v".repeat(4080));
    for (line, cause) in [
        ("sid", Withheld::Malformed),
        ("sid=a tid=1", Withheld::Ambiguous),
        (long.as_str(), Withheld::TooLong),
    ] {
        let result = rewritten(&report, ALICE, line);
        assert!(
            matches!(&result, Outgoing::Reported { cause: is, .. } if *is == cause),
            "{line}: {result:?}"
        );
    }
    let Outgoing::Sealed { line, .. } = rewritten(&report, ALICE, "sid=alice") else { panic!() };
    assert!(line.ends_with(b".5.alice; Secure"), "{}", line.escape_ascii());
    let result = rewritten(&report, Client::Unknown, "sid=alice");
    assert!(matches!(result, Outgoing::Withheld { cause: Withheld::Policy(NoSealFor::Unknown), .. }));
}

/// Browsers refuse a cookie with `Secure` that comes over plain HTTP.
#[test]
fn secure_is_added_only_where_it_is_told() {
    let settings = bound(&["sid"]);
    let binder = Binder { secure: false, ..settings.binder().unwrap().unwrap() };
    for (line, is_secure) in [("sid=v", false), ("sid=v; Secure", true)] {
        let Outgoing::Sealed { line, .. } = rewrite(binder, Client::Unbound, line.as_bytes()).unwrap() else {
            panic!()
        };
        assert_eq!(line.ends_with(b"; Secure"), is_secure);
    }
}
