use ::dbsc::Thumbprint;

use super::*;
use crate::cookies::keyring::Keyring;
use crate::cookies::seal::Form;
use crate::cookies::settings::{CookieSettings, Proved};
use crate::cookies::testing::{keyring, seal, settings};
use crate::dbsc::pending::Waiting;
use crate::dbsc::settings::DbscSettings;
use crate::dbsc::tokens::{Registered, RegistrationId, ShortLived};

const NOW: u64 = 10_000;

fn id(fill: u8) -> RegistrationId {
    RegistrationId::from_bytes([fill; 12])
}

/// A client that has registered `fill` and proved a key of that name.
fn proved(fill: u8) -> Proved {
    let registered = Registered { id: id(fill), at: NOW - 100 };
    let by = ShortLived {
        thumbprint: Thumbprint::new([fill; 32]),
        registered,
        expires: NOW + 600,
        is_proved: true,
    };
    Proved { by, now: NOW }
}

fn dbsc(policy: CookiePolicy) -> CookieSettings {
    let dbsc = DbscSettings { enabled: Some(true), ..DbscSettings::default() };
    CookieSettings { dbsc, ..settings(&["sid"], policy) }
}

fn pending(fill: u8, at: u64) -> Vec<u8> {
    Pending { registration: id(fill), at, attributes: b"; Path=/; Max-Age=60".to_vec(), value: b"v" }
        .to_content()
        .unwrap()
}

fn sealed(content: &[u8], sealed_for: SealedFor<'_>) -> Vec<u8> {
    seal(&keyring(), Form::Encrypted, b"sid", content, sealed_for).unwrap()
}

fn opened(settings: &CookieSettings, client: Client<'_>, text: &[u8]) -> Result<Opened, Cause> {
    open(settings.binder().unwrap().unwrap(), client, b"sid", Sealed::read(text).unwrap().0)
}

fn taken(upgrade: Option<&str>) -> Result<Opened, Cause> {
    Ok(Opened { value: b"v".to_vec(), upgrade: upgrade.map(|attributes| attributes.as_bytes().to_vec()) })
}

#[test]
fn whose_seals_are_taken_from_whom() {
    let (optional, required) = (dbsc(CookiePolicy::Optional), dbsc(CookiePolicy::Required));
    let (waiting, own, other) = (Waiting::default(), proved(1), proved(2));
    let refused = |broken| Err(Cause::Seal(broken));
    let policy = |why| Err(Cause::Policy(why));
    let key = sealed(b"v", SealedFor::Key(b"alice"));
    let unbound = sealed(b"v", SealedFor::Unbound);
    let device = sealed(b"v", SealedFor::Device(own.by.thumbprint.as_bytes()));
    let young = sealed(&pending(1, NOW - 60), SealedFor::Pending);
    let old = sealed(&pending(1, NOW - 66), SealedFor::Pending);
    let upgrade = Some("; Path=/; Max-Age=0");
    for (client, expected) in [
        (
            Client::Bound(b"alice"),
            [
                taken(None),
                refused(Broken::ForUnbound),
                refused(Broken::ForDevice),
                refused(Broken::ForUnbound),
            ],
        ),
        (Client::Device(&own), [refused(Broken::ForBound), taken(None), taken(None), taken(upgrade)]),
        (
            Client::Device(&other),
            [refused(Broken::ForBound), taken(None), refused(Broken::Invalid), taken(None)],
        ),
        (
            Client::Waiting(&waiting, NOW),
            [refused(Broken::ForBound), taken(None), refused(Broken::ForDevice), taken(None)],
        ),
        (Client::Unbound, [refused(Broken::ForBound), taken(None), refused(Broken::ForDevice), taken(None)]),
        (Client::Unknown, [(); 4].map(|()| policy(NoSealFor::Unknown))),
        (Client::Trace, [(); 4].map(|()| policy(NoSealFor::Trace))),
    ] {
        let results = [&key, &unbound, &device, &young].map(|text| opened(&optional, client, text));
        assert_eq!(results, expected, "optional, {client:?}");
    }
    assert_eq!(opened(&optional, Client::Waiting(&waiting, NOW), &old), taken(None));
    for (client, expected) in [
        (
            Client::Device(&own),
            [policy(NoSealFor::Unbound), taken(None), taken(upgrade), taken(Some("; Path=/; Max-Age=-6"))],
        ),
        (
            Client::Device(&other),
            [
                policy(NoSealFor::Unbound),
                refused(Broken::Invalid),
                policy(NoSealFor::Pending),
                policy(NoSealFor::Pending),
            ],
        ),
        (
            Client::Waiting(&waiting, NOW),
            [policy(NoSealFor::Unbound), refused(Broken::ForDevice), taken(None), policy(NoSealFor::Pending)],
        ),
        (Client::Unbound, [(); 4].map(|()| policy(NoSealFor::Unbound))),
    ] {
        let results = [&unbound, &device, &young, &old].map(|text| opened(&required, client, text));
        assert_eq!(results, expected, "required, {client:?}");
    }
}

#[test]
fn a_pending_cookie_in_a_form_of_a_later_version_is_not_taken() {
    let text = sealed(b"v", SealedFor::Pending);
    let waiting = Waiting::default();
    let result = opened(&dbsc(CookiePolicy::Optional), Client::Waiting(&waiting, NOW), &text);
    assert_eq!(result, Err(Cause::Seal(Broken::NoSeal)));
}

#[test]
fn nobody_makes_a_seal_of_one_kind_into_one_of_another() {
    let keyring: Keyring = keyring();
    let kinds = [SealedFor::Key(b""), SealedFor::Unbound, SealedFor::Device(&[0; 32]), SealedFor::Pending];
    for kind in kinds {
        let text = sealed(b"v", kind);
        for other in kinds.into_iter().filter(|other| *other != kind) {
            let letter = sealed(b"v", other)[3];
            let mut lying = text.clone();
            lying[3] = letter;
            assert_eq!(Sealed::read(&lying).unwrap().0.open(&keyring, b"sid", other), Err(Broken::Invalid));
        }
    }
}
