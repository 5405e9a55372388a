//! Whoever has the server's secret can seal: tests make what a browser would have kept for an hour.

use std::sync::Arc;

use dbsc::sign::Signer as _;
use httpd_harness::Httpd;
use httpd_harness::device::Device;
use httpd_harness::httpd::HOST;
use token_binding_server::cookies::keyring::Keyring;
use token_binding_server::cookies::load::Reading;
use token_binding_server::cookies::realm::Realm;
use token_binding_server::cookies::seal::{Form, Sealed, SealedFor, seal};
use token_binding_server::cookies::secret::SecretSource;
use token_binding_server::dbsc::now;
use token_binding_server::dbsc::pending::Pending;
use token_binding_server::dbsc::tokens::{Challenge, Offered, Registered, RegistrationId, ShortLived};

/// The keys of a server with one secret.
pub fn keyring(server: &Httpd) -> Keyring {
    let mut reading = Reading::at_start(server.dir().to_owned());
    let keys = reading.keys(&[SecretSource::File("secret".into())], |_| {}).unwrap().unwrap();
    Keyring::new(Arc::new(keys), Realm::of_host(HOST.as_bytes()))
}

/// The same pending cookie, set so many seconds earlier.
pub fn earlier(server: &Httpd, cookie: &str, seconds: u64) -> String {
    let keyring = keyring(server);
    let content =
        Sealed::read(cookie.as_bytes()).unwrap().0.open(&keyring, b"sid", SealedFor::Pending).unwrap();
    let pending = Pending::read(&content).unwrap();
    let content = Pending { at: pending.at - seconds, ..pending }.to_content().unwrap();
    let mut text = Vec::new();
    seal(&keyring, Form::Encrypted, b"sid", &content, SealedFor::Pending, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The challenge of a registration that was offered so many seconds ago.
pub fn offered(server: &Httpd, seconds: u64) -> String {
    let registration = RegistrationId::random().unwrap();
    Offered { registration, at: now() - seconds }.seal(&keyring(server)).unwrap()
}

/// A challenge that the device was given so many seconds ago.
pub fn challenge(server: &Httpd, device: &Device, seconds: u64) -> String {
    let thumbprint = device.key.public_key().thumbprint();
    Challenge { thumbprint, at: now() - seconds }.seal(&keyring(server)).unwrap()
}

/// The device's short-lived cookie, with another time at which it runs out, or of another registration.
pub fn short_lived(server: &Httpd, device: &Device, change: impl FnOnce(ShortLived) -> ShortLived) -> String {
    let keyring = keyring(server);
    let cookie = &device.jar[httpd_harness::device::SHORT_LIVED];
    change(ShortLived::open(&keyring, cookie.as_bytes()).unwrap()).seal(&keyring).unwrap()
}

/// A registration so many seconds from now.
pub fn later(seconds: u64) -> Registered {
    Registered { id: RegistrationId::random().unwrap(), at: now() + seconds }
}
