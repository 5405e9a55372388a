use ::dbsc::Algorithm;
use ::dbsc::sign::Signer as _;
use ::dbsc::sign::openssl::SigningKey;

use super::*;
use crate::cookies::testing::{keyring, keyring_of};

const ID: RegistrationId = RegistrationId::from_bytes([3; 12]);

fn thumbprint() -> Thumbprint {
    Thumbprint::new([9; 32])
}

fn short_lived() -> ShortLived {
    ShortLived {
        thumbprint: thumbprint(),
        registered: Registered { id: ID, at: 5 },
        expires: 700,
        is_proved: true,
    }
}

#[test]
fn each_opens_as_what_it_is_and_as_nothing_else() {
    let keyring = keyring();
    let key = SigningKey::generate(Algorithm::Es256).unwrap().public_key().clone();
    let offered = Offered { registration: ID, at: 7 };
    let challenge = Challenge { thumbprint: thumbprint(), at: 7 };
    let session = Session { key, registered: Registered { id: ID, at: 5 } };
    let texts = [
        offered.seal(&keyring).unwrap(),
        challenge.seal(&keyring).unwrap(),
        session.seal(&keyring).unwrap(),
        short_lived().seal(&keyring).unwrap(),
        Registered { id: ID, at: 5 }.seal(&keyring).unwrap(),
    ];
    assert_eq!(Offered::open(&keyring, &texts[0]), Ok(offered));
    assert_eq!(Challenge::open(&keyring, &texts[1]), Ok(challenge));
    assert_eq!(Session::open(&keyring, &texts[2]), Ok(session));
    assert_eq!(ShortLived::open(&keyring, texts[3].as_bytes()), Ok(short_lived()));
    assert_eq!(short_lived().key_text().to_str().unwrap(), thumbprint().to_string());
    for (number, text) in texts.iter().enumerate() {
        let results = [
            Offered::open(&keyring, text).err(),
            Challenge::open(&keyring, text).err(),
            Session::open(&keyring, text).err(),
            ShortLived::open(&keyring, text.as_bytes()).err(),
            Registered::open(&keyring, text.as_bytes()).err(),
        ];
        for (other, result) in results.into_iter().enumerate() {
            assert_eq!(result, (other != number).then_some(Unreadable::Forged));
        }
    }
}

#[test]
fn every_change_is_found() {
    let keyring = keyring();
    let text = short_lived().seal(&keyring).unwrap();
    for place in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        assert!(ShortLived::open(&keyring, &changed).is_err(), "{place}");
        assert!(ShortLived::open(&keyring, &text.as_bytes()[..place]).is_err(), "{place}");
    }
    assert_eq!(ShortLived::open(&keyring, b""), Err(Unreadable::Malformed));
}

#[test]
fn secrets_and_realms_are_told_apart() {
    let text = short_lived().seal(&keyring()).unwrap();
    let open = |keyring| ShortLived::open(&keyring, text.as_bytes());
    assert_eq!(open(keyring_of(1, b"a.test")), Err(Unreadable::UnknownSecret));
    assert_eq!(open(keyring_of(0, b"b.test")), Err(Unreadable::OtherRealm));
    // Who writes the other realm's tag into it has changed it.
    let other = short_lived().seal(&keyring_of(0, b"b.test")).unwrap();
    let lying =
        [&other[..KEY_ID_LENGTH], &text[KEY_ID_LENGTH..KEY_ID_LENGTH + 4], &other[KEY_ID_LENGTH + 4..]];
    assert_eq!(ShortLived::open(&keyring(), lying.concat().as_bytes()), Err(Unreadable::Forged));
}

#[test]
fn lifetimes_allow_for_other_servers_clocks() {
    let offered = Offered { registration: ID, at: 100 };
    assert!(offered.is_live(95) && offered.is_live(165) && !offered.is_live(94) && !offered.is_live(166));
    assert!(short_lived().is_live(705) && !short_lived().is_live(706));
}

#[test]
fn the_later_registration_is_the_greater() {
    let registered = |at, fill| Registered { id: RegistrationId::from_bytes([fill; 12]), at };
    assert!(registered(2, 0) > registered(1, 9));
    assert!(registered(1, 2) > registered(1, 1));
    assert_eq!(registered(1, 1).cmp(&registered(1, 1)), Ordering::Equal);
}
