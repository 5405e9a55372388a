//! What the tests of several rooms need: keys, settings, one value sealed and unsealed.

use std::sync::Arc;

use super::keyring::{Keyring, Keys};
use super::names::CookieNames;
use super::realm::Realm;
use super::seal::{Broken, Form, NotSealed, Sealed, SealedFor};
use super::secret::{Secret, SecretSource};
use super::settings::{CookiePolicy, CookieSettings};
use crate::dbsc::settings::DbscSettings;

/// The sealed value by itself.
pub(super) fn seal(
    keyring: &Keyring,
    form: Form,
    name: &[u8],
    value: &[u8],
    client: SealedFor<'_>,
) -> Result<Vec<u8>, NotSealed> {
    let mut sealed = Vec::new();
    super::seal::seal(keyring, form, name, value, client, &mut sealed).map(|()| sealed)
}

pub(crate) fn keyring() -> Keyring {
    keyring_of(0, b"a.test")
}

pub(crate) fn keyring_of(fill: u8, host: &[u8]) -> Keyring {
    let secret = Secret::new((0..48).map(|number| number ^ fill).collect()).unwrap();
    Keyring::new(Arc::new(Keys::new(&[secret]).unwrap()), Realm::of_host(host))
}

pub(crate) fn settings(words: &[&str], policy: CookiePolicy) -> CookieSettings {
    CookieSettings {
        names: Some(CookieNames::add(None, words).unwrap()),
        secrets: Some(vec![SecretSource::File("secret".into())]),
        encrypt: None,
        policy: Some(policy),
        realm: Some(Realm::of_host(b"a.test")),
        dbsc: DbscSettings::default(),
        is_inherited: false,
        keyring: Some(keyring()),
    }
}

/// The value inside a seal that is all of `text`.
pub(super) fn unseal(
    keyring: &Keyring,
    name: &[u8],
    text: &[u8],
    client: SealedFor<'_>,
) -> Result<Vec<u8>, Broken> {
    match Sealed::read(text) {
        Some((sealed, b"")) => sealed.open(keyring, name, client),
        _ => Err(Broken::NoSeal),
    }
}
