//! Properties of sealing and of the headers' rewriting, over random input.

use proptest::prelude::*;

use super::incoming;
use super::outgoing::{self, Outgoing};
use super::seal::{Form, SealedFor};
use super::settings::{Client, CookiePolicy};
use super::testing::{keyring, seal, settings, unseal};

fn id() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..80))
}

fn sealed_for(id: &Option<Vec<u8>>) -> SealedFor<'_> {
    id.as_deref().map_or(SealedFor::Unbound, SealedFor::Key)
}

fn client(id: &Option<Vec<u8>>) -> Client<'_> {
    id.as_deref().map_or(Client::Unbound, Client::Bound)
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![Just(Form::Encrypted), Just(Form::Readable)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sealed_is_unsealed_for_its_client_and_name_only(
        form in form(), name: Vec<u8>, value: Vec<u8>, id in id(), other_name: Vec<u8>, other_id in id()
    ) {
        let keyring = keyring();
        let sealed = seal(&keyring, form, &name, &value, sealed_for(&id)).unwrap();
        prop_assert_eq!(unseal(&keyring, &name, &sealed, sealed_for(&id)), Ok(value));
        if other_id != id {
            prop_assert!(unseal(&keyring, &name, &sealed, sealed_for(&other_id)).is_err());
        }
        if other_name != name {
            prop_assert!(unseal(&keyring, &other_name, &sealed, sealed_for(&id)).is_err());
        }
    }

    #[test]
    fn a_changed_seal_never_holds(
        form in form(), value in "[ -~]{0,40}", id in id(), at: prop::sample::Index, change in 1_u8..=255
    ) {
        let keyring = keyring();
        let sealed = seal(&keyring, form, b"sid", value.as_bytes(), sealed_for(&id)).unwrap();
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= change;
        prop_assert!(unseal(&keyring, b"sid", &changed, sealed_for(&id)).is_err());
        for length in 0..sealed.len() {
            prop_assert!(unseal(&keyring, b"sid", &sealed[..length], sealed_for(&id)).is_err());
            prop_assert!(unseal(&keyring, b"sid", &sealed[length + 1..], sealed_for(&id)).is_err());
        }
        prop_assert!(unseal(&keyring, b"sid", &[&sealed[..], b"x"].concat(), sealed_for(&id)).is_err());
    }

    #[test]
    fn two_seals_spliced_never_hold(
        first in "[a-z]{0,20}", second in "[a-z]{0,20}", form in form(), cut: prop::sample::Index
    ) {
        prop_assume!(first != second);
        let keyring = keyring();
        let seal = |value: &str| seal(&keyring, form, b"sid", value.as_bytes(), SealedFor::Key(b"id")).unwrap();
        let (a, b) = (seal(&first), seal(&second));
        // Past what all seals of this client have in common.
        let cut = 19 + cut.index(a.len().min(b.len()) - 19);
        let spliced = [&a[..cut], &b[cut..]].concat();
        prop_assume!(spliced != a && spliced != b);
        prop_assert!(unseal(&keyring, b"sid", &spliced, SealedFor::Key(b"id")).is_err());
    }

    /// Set-Cookie, a browser that sends the pair back, Cookie: the application sees its own value.
    #[test]
    fn the_application_gets_back_what_it_set(
        value in "[!#-+.-:<-~]{0,60}", id in id(), others in "([a-z]{1,3}=[a-z]{0,3}; ){0,3}", encrypt: bool
    ) {
        let mut settings = settings(&["sid"], CookiePolicy::Optional);
        settings.encrypt = Some(encrypt);
        let binder = settings.binder().unwrap().unwrap();
        let line = format!("sid={value}; Path=/");
        let Outgoing::Sealed { line, .. } = outgoing::rewrite(binder, client(&id), line.as_bytes()).unwrap() else {
            panic!("not sealed")
        };
        let pair = String::from_utf8(line).unwrap().split(';').next().unwrap().to_owned();
        prop_assume!(!others.contains("sid="));
        let incoming = incoming::rewrite(binder, client(&id), format!("{others}{pair}").as_bytes());
        prop_assert_eq!(incoming.header, Some(format!("{others}sid={value}").into_bytes()));
        prop_assert_eq!((incoming.accepted.all(), incoming.refused.len()), (1, 0));
    }

    /// Whatever a client without a seal sends, no common way to read the result finds a bound cookie in it.
    #[test]
    fn no_header_smuggles_a_bound_cookie_in(header in "(sid|SID|s\\.d|x|=|;|,| |\t|\"|'|1|%73id|\\[|\\]){0,14}") {
        let settings = settings(&["sid", "s_d"], CookiePolicy::Optional);
        let binder = settings.binder().unwrap().unwrap();
        let incoming = incoming::rewrite(binder, Client::Bound(b"id"), header.as_bytes());
        prop_assert_eq!(incoming.accepted.all(), 0);
        let left = String::from_utf8(incoming.header.unwrap_or_default()).unwrap();
        // RFC 6265bis and PHP; Perl's CGI; Python's http.cookies.
        let readers: [fn(char) -> bool; 3] =
            [|c| c == ';', |c| matches!(c, ';' | ','), |c| matches!(c, ';' | '"') || c.is_ascii_whitespace()];
        for is_between in readers {
            for cookie in left.split(is_between) {
                let (name, _) = cookie.split_once('=').unwrap_or((cookie, ""));
                let with_value = cookie.contains('=');
                prop_assert!(!(with_value && binder.names.binds(name.trim().as_bytes())), "{header:?} -> {left:?}");
            }
        }
    }

    /// A header without anything that looks like a bound name passes untouched.
    #[test]
    fn headers_of_others_pass_untouched(header in "[a-rt-zA-RT-Z0-9=;, \"]{1,40}") {
        let settings = settings(&["sid"], CookiePolicy::Optional);
        let incoming = incoming::rewrite(settings.binder().unwrap().unwrap(), Client::Unbound, header.as_bytes());
        prop_assert!(incoming.refused.is_empty());
        let is_empty = header.bytes().all(|byte| matches!(byte, b';' | b' '));
        prop_assert_eq!(incoming.header, (!is_empty).then(|| header.clone().into_bytes()));
    }
}
