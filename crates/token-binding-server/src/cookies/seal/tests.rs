//! What a seal holds for, and what not.

use std::sync::Arc;

use super::super::keyring::Keys;
use super::super::realm::Realm;
use super::super::secret::Secret;
use super::super::testing::{seal, unseal};
use super::*;

const FORMS: [Form; 2] = [Form::Encrypted, Form::Readable];
const ALICE: SealedFor<'_> = SealedFor::Key(b"alice's key");
const MALLORY: SealedFor<'_> = SealedFor::Key(b"mallory's key");

fn ring_of(fills: &[u8], realm: &str) -> Keyring {
    let secrets: Vec<Secret> = fills
        .iter()
        .map(|fill| Secret::new((0..48).map(|number| number ^ fill).collect()).unwrap())
        .collect();
    Keyring::new(Arc::new(Keys::new(&secrets).unwrap()), Realm::of_host(realm.as_bytes()))
}

fn ring(fills: &[u8]) -> Keyring {
    ring_of(fills, "a.test")
}

#[test]
fn the_shape_is_fixed_and_holds_cookie_characters_only() {
    for (form, client, start, length) in [
        (Form::Encrypted, ALICE, "tb2be.", 19 + 60),
        (Form::Encrypted, SealedFor::Unbound, "tb2ue.", 19 + 60),
        (Form::Readable, ALICE, "tb2bm.", 19 + 25 + 5),
        (Form::Readable, SealedFor::Unbound, "tb2um.", 19 + 25 + 5),
    ] {
        let sealed = seal(&ring(&[1]), form, b"sid", b"value", client).unwrap();
        let text = String::from_utf8(sealed).unwrap();
        assert!(text.starts_with(start) && text.len() == length, "{text}");
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{text}");
        assert_eq!(text.contains("value"), form == Form::Readable, "{text}");
    }
}

#[test]
fn its_length_is_known_before() {
    for form in FORMS {
        for length in (0..70).chain([99, 100, 999, 1000, 4000, 70_000]) {
            let sealed = seal(&ring(&[1]), form, b"sid", &vec![b'v'; length], ALICE).unwrap();
            assert_eq!(sealed.len(), form.length(length), "{form:?} {length}");
        }
    }
}

#[test]
fn it_says_where_it_ends() {
    let keyring = ring(&[1]);
    for value in [&b""[..], b"v", b"x, y=1", b"a.b.c"] {
        for (form, rest) in
            FORMS.into_iter().flat_map(|form| [(form, &b""[..]), (form, b", b=2"), (form, b",")])
        {
            let sealed = seal(&keyring, form, b"sid", value, ALICE).unwrap();
            let text = [&sealed[..], rest].concat();
            let (read, after) = Sealed::read(&text).unwrap();
            assert_eq!((read.open(&keyring, b"sid", ALICE).as_deref(), after), (Ok(value), rest));
        }
    }
}

#[test]
fn it_holds_for_its_client_its_name_and_nobody_else() {
    let keyring = ring(&[1]);
    for form in FORMS {
        for client in [ALICE, SealedFor::Unbound] {
            let sealed = seal(&keyring, form, b"sid", b"value", client).unwrap();
            assert_eq!(unseal(&keyring, b"sid", &sealed, client).unwrap(), b"value");
            assert_eq!(unseal(&keyring, b"SID", &sealed, client), Err(Broken::Invalid));
            let others = match client {
                ALICE => [(MALLORY, Broken::Invalid), (SealedFor::Unbound, Broken::ForBound)],
                _ => [(MALLORY, Broken::ForUnbound), (ALICE, Broken::ForUnbound)],
            };
            for (other, broken) in others {
                assert_eq!(unseal(&keyring, b"sid", &sealed, other), Err(broken));
            }
        }
    }
}

/// Neither letter can be turned into the other, and an empty ID is not "none".
#[test]
fn a_bound_value_can_not_be_made_an_unbound_one() {
    let keyring = ring(&[1]);
    for form in FORMS {
        for (client, other) in
            [(SealedFor::Key(b""), SealedFor::Unbound), (SealedFor::Unbound, SealedFor::Key(b""))]
        {
            let mut sealed = seal(&keyring, form, b"sid", b"value", client).unwrap();
            sealed[3] = if sealed[3] == b'b' { b'u' } else { b'b' };
            assert_eq!(unseal(&keyring, b"sid", &sealed, other), Err(Broken::Invalid));
        }
    }
}

#[test]
fn rotation() {
    let (old, both, new) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
    for form in FORMS {
        let sealed = seal(&old, form, b"sid", b"value", ALICE).unwrap();
        assert_eq!(unseal(&both, b"sid", &sealed, ALICE).unwrap(), b"value");
        assert_eq!(unseal(&new, b"sid", &sealed, ALICE), Err(Broken::UnknownSecret));
        let sealed = seal(&both, form, b"sid", b"value", ALICE).unwrap();
        assert_eq!(unseal(&new, b"sid", &sealed, ALICE).unwrap(), b"value");
    }
}

/// Hosts with one secret and two realms do not take each other's seals, whatever is done to the tag that says which.
#[test]
fn a_seal_is_good_in_its_realm_only() {
    let (a, b) = (ring_of(&[1], "a.test"), ring_of(&[1], "b.test"));
    for form in FORMS {
        for client in [ALICE, SealedFor::Unbound] {
            let mut sealed = seal(&b, form, b"sid", b"value", client).unwrap();
            assert_eq!(unseal(&a, b"sid", &sealed, client), Err(Broken::OtherRealm));
            assert_eq!(unseal(&ring_of(&[1], "B.test"), b"sid", &sealed, client).unwrap(), b"value");
            sealed[14..18].copy_from_slice(a.realm.tag());
            assert_eq!(unseal(&a, b"sid", &sealed, client), Err(Broken::Invalid));
        }
    }
}

/// The key id is covered: it can't be changed to another secret's that is in force.
#[test]
fn the_key_id_can_not_be_exchanged() {
    let both = ring(&[1, 2]);
    for form in FORMS {
        let mut sealed = seal(&both, form, b"sid", b"value", ALICE).unwrap();
        let other = seal(&ring(&[2]), form, b"sid", b"value", ALICE).unwrap();
        sealed[6..14].copy_from_slice(&other[6..14]);
        assert_eq!(unseal(&both, b"sid", &sealed, ALICE), Err(Broken::Invalid));
    }
}

#[test]
fn encryption_shows_nothing_twice() {
    let keyring = ring(&[1]);
    let sealed = || seal(&keyring, Form::Encrypted, b"sid", b"value", ALICE).unwrap();
    assert_ne!(sealed(), sealed());
}

#[test]
fn what_is_no_seal() {
    let keyring = ring(&[1]);
    let mac = "A".repeat(22);
    for value in [
        String::new(),
        "abc".into(),
        "tb2".into(),
        "tb2bm.".into(),
        "tb1bm.AAAAAAAA.".into(),
        format!("tb2xm.AAAAAAAAAAAA.{mac}.1.x"),
        format!("tb2bx.AAAAAAAAAAAA.{mac}.1.x"),
        format!("tb2bm.AAAAAAAAAAAA.{mac}.2.x"),
        format!("tb2bm.AAAAAAAAAAAA.{mac}.01.x"),
        format!("tb2bm.AAAAAAAAAAAA.{mac}.+1.x"),
        format!("tb2bm.AAAAAAAAAAAA.{mac}..x"),
        format!("tb2bm.AAAAAAAAAAAA.{mac}.99999999999999999999999.x"),
        format!("tb2bm.AAAAAAAAAAAA.{mac}"),
    ] {
        assert_eq!(unseal(&keyring, b"sid", value.as_bytes(), ALICE), Err(Broken::NoSeal), "{value}");
    }
    // One of the right shape, and nothing in it.
    let id = &keyring.sealing().id;
    let realm = std::str::from_utf8(keyring.realm.tag()).unwrap();
    for content in [String::new(), "A".into(), "A".repeat(53)] {
        let text = format!("tb2be.{id}{realm}.{content}");
        assert_eq!(unseal(&keyring, b"sid", text.as_bytes(), ALICE), Err(Broken::NoSeal), "{text}");
    }
}
