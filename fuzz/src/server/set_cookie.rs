use super::cookie_header::assert_nothing_bound;
use super::given::{ALICE, KEYRING, MALLORY, first_line, settings};
use super::readers::{Kept, as_applications_see, browser};
use token_binding_server::cookies::incoming;
use token_binding_server::cookies::outgoing::{
    Outgoing, Personal, Size, Withheld, bound_name, needs_private, rewrite,
};
use token_binding_server::cookies::settings::{Binder, Client, CookiePolicy};

/// The names that are bound, a line; then a `Set-Cookie` line. What a browser makes of the sealed line and sends back
/// reaches the application as the application wrote it, and as nothing from anybody else.
pub fn set_cookie(data: &[u8]) {
    let Some((words, line)) = first_line(data) else { return };
    caches(line);
    let Some(mut settings) = settings(&words, CookiePolicy::Optional, &KEYRING) else { return };
    for encrypt in [false, true] {
        settings.encrypt = Some(encrypt);
        let binder = settings.binder().unwrap().unwrap();
        for client in [ALICE, Client::Unbound] {
            match rewrite(binder, client, line).unwrap() {
                Outgoing::AsItIs => untouched(&words, binder, line),
                Outgoing::Sealed { line: sealed, size } => {
                    round_trip(&words, binder, client, line, &sealed, size)
                }
                Outgoing::Reported { .. } => panic!("the policy is another"),
                Outgoing::Withheld { name, cause } => {
                    assert!(matches!(cause, Withheld::Malformed | Withheld::Ambiguous));
                    let bound = bound_name(binder, line).unwrap();
                    assert_eq!(bound.logged(), name);
                    assert!(name.is_some() || browser(line).name.is_empty());
                    assert!(!is_simple(line), "{}", line.escape_ascii());
                }
            }
        }
        for (policy, client) in
            [(CookiePolicy::Required, Client::Unbound), (CookiePolicy::Optional, Client::Unknown)]
        {
            let result = rewrite(Binder { policy, ..binder }, client, line).unwrap();
            let is_bound = bound_name(binder, line).is_some();
            assert_eq!(matches!(result, Outgoing::Withheld { cause: Withheld::Policy(_), .. }), is_bound);
            assert_eq!(result == Outgoing::AsItIs, !is_bound);
        }
    }
}

/// Left alone: then what the browser sends back is no bound cookie for any application.
fn untouched(words: &[&str], binder: Binder<'_>, line: &[u8]) {
    assert_eq!(bound_name(binder, line), None);
    let pair = browser(line).pair();
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    for seen in as_applications_see(name) {
        let bound = words.iter().find(|word| word.as_bytes() == seen);
        assert!(bound.is_none() || !pair.contains(&b'='), "{} is not sealed", line.escape_ascii());
    }
}

fn round_trip(
    words: &[&str],
    binder: Binder<'_>,
    client: Client<'_>,
    line: &[u8],
    sealed: &[u8],
    told: Size,
) {
    let (was, is) = (browser(line), browser(sealed));
    assert_eq!(is.name, was.name);
    let added = is.attributes.strip_prefix(&was.attributes[..]).expect("the attributes stay");
    assert!(is_secure(&is) && (added.is_empty() || !is_secure(&was)));
    let size = |kept: &Kept<'_>| kept.name.len() + kept.value.len();
    let is_readable = is.value.get(4) == Some(&b'm');
    match told {
        Size::Kept => assert!(size(&is) <= 4096 || size(&was) > 4096),
        Size::KeptReadable(encrypted) => {
            assert!(binder.encrypt && is_readable && encrypted > 4096 && size(&is) <= 4096)
        }
        Size::TooLong(told) => assert!(told == size(&is) && told > 4096 && size(&was) <= 4096),
    }
    assert!(!binder.encrypt || !is_readable || matches!(told, Size::KeptReadable(_)));

    let came_back = incoming::rewrite(binder, client, &is.pair());
    assert_eq!(came_back.header, Some(was.pair()));
    assert_eq!((came_back.accepted.all(), came_back.refused.len()), (1, 0));
    for other in [MALLORY, ALICE, Client::Unbound, Client::Unknown] {
        if other != client {
            let stolen = incoming::rewrite(binder, other, &is.pair());
            // Behind a comma in the value a cookie of another name may begin.
            assert_eq!(stolen.accepted.all(), 0);
            assert_nothing_bound(words, binder, other, &stolen);
        }
    }
    // Another cookie's value is not this one's.
    let renamed = incoming::rewrite(binder, client, &[is.name, b"2=", is.value].concat());
    assert_eq!(renamed.accepted.all(), 0);
}

fn is_secure(kept: &Kept<'_>) -> bool {
    kept.attributes.iter().any(|(name, _)| name == b"secure")
}

/// `name=value` of letters and digits, which nobody reads in two ways.
fn is_simple(line: &[u8]) -> bool {
    let kept = browser(line);
    let is_plain = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_alphanumeric);
    !kept.name.is_empty() && is_plain(kept.name) && is_plain(kept.value)
}

/// The line as a `Cache-Control` value.
fn caches(value: &[u8]) {
    for personal in [Personal::SetsCookie, Personal::HadCookie, Personal::Asked] {
        let private = [value, b", private"].concat();
        assert!(!needs_private([&private[..]], personal));
        assert!(!needs_private([value, b"No-Store"], personal));
        let has = |word: &[u8]| value.to_ascii_lowercase().windows(word.len()).any(|window| window == word);
        if !has(b"private") && !has(b"no-store") && !has(b"public") && !has(b"s-maxage") {
            assert!(needs_private([value], personal));
        }
    }
    if needs_private([value], Personal::HadCookie) {
        assert!(needs_private([value], Personal::SetsCookie), "setting one is never less private");
    }
}
