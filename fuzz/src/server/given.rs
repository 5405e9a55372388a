//! What the targets for cookies share: keys, clients, settings.

use std::sync::{Arc, LazyLock};

use token_binding_server::cookies::keyring::{Keyring, Keys};
use token_binding_server::cookies::names::CookieNames;
use token_binding_server::cookies::realm::Realm;
use token_binding_server::cookies::seal::{Broken, Form, Sealed, SealedFor};
use token_binding_server::cookies::secret::Secret;
use token_binding_server::cookies::settings::{Client, CookiePolicy, CookieSettings};

/// Whom the seals in the corpora are for.
pub(super) const ALICE: Client<'_> = Client::Bound(b"alice");
/// Whom none is for.
pub(super) const MALLORY: Client<'_> = Client::Bound(b"mallory");

/// The keys that the seals in the corpora are made with.
pub(super) static KEYRING: LazyLock<Keyring> = LazyLock::new(|| keyring(0, "www.bound.test"));
/// The same keys on another virtual host.
pub(super) static ELSEWHERE: LazyLock<Keyring> = LazyLock::new(|| keyring(0, "other.test"));
/// Those of a server that has sealed nothing.
pub(super) static STRANGER: LazyLock<Keyring> = LazyLock::new(|| keyring(0x80, "www.bound.test"));

fn keyring(fill: u8, host: &str) -> Keyring {
    let secret = Secret::new((0..48).map(|number| number ^ fill).collect()).unwrap();
    Keyring::new(Arc::new(Keys::new(&[secret]).unwrap()), Realm::of_host(host.as_bytes()))
}

/// A sealed value, alone.
pub(super) fn seal_value(
    keyring: &Keyring,
    form: Form,
    name: &[u8],
    value: &[u8],
    client: SealedFor<'_>,
) -> Vec<u8> {
    let mut sealed = Vec::new();
    token_binding_server::cookies::seal::seal(keyring, form, name, value, client, &mut sealed).unwrap();
    sealed
}

/// The value in a text that is a sealed value and nothing else.
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

/// The settings of `TokenBindingCookie` with these words, if it takes them and they bind anything.
pub(super) fn settings(words: &[&str], policy: CookiePolicy, keyring: &Keyring) -> Option<CookieSettings> {
    let names = CookieNames::add(None, words).ok()?;
    let keyring = Some(keyring.clone());
    let settings =
        CookieSettings { names: Some(names), policy: Some(policy), keyring, ..CookieSettings::default() };
    settings.names().is_some().then_some(settings)
}

/// The first line, as words, and what follows it.
pub(super) fn first_line(data: &[u8]) -> Option<(Vec<&str>, &[u8])> {
    let end = data.iter().position(|byte| *byte == b'\n')?;
    let words = std::str::from_utf8(&data[..end]).ok()?.split(' ').filter(|word| !word.is_empty());
    Some((words.collect(), &data[end + 1..]))
}
