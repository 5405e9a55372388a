//! Certificates for the servers and clients of the tests, made once per run.

use std::sync::OnceLock;

use openssl::pkey::{PKey, Private};
use openssl::x509::X509;

/// A self-signed certificate and its key.
pub struct Identity {
    pub certificate: X509,
    pub key: PKey<Private>,
}

impl Identity {
    pub fn pem(&self) -> Vec<u8> {
        let mut pem = self.certificate.to_pem().unwrap();
        pem.extend(self.key.private_key_to_pem_pkcs8().unwrap());
        pem
    }
}

/// For every name under `.test`.
pub fn server() -> &'static Identity {
    static SERVER: OnceLock<Identity> = OnceLock::new();
    SERVER.get_or_init(|| make("www.bound.test", false))
}

/// A user's client certificate, and its own authority.
pub fn user() -> &'static Identity {
    static USER: OnceLock<Identity> = OnceLock::new();
    USER.get_or_init(|| make("a user", true))
}

/// Another user's.
pub fn other_user() -> &'static Identity {
    static OTHER: OnceLock<Identity> = OnceLock::new();
    OTHER.get_or_init(|| make("another user", true))
}

fn make(common_name: &str, is_authority: bool) -> Identity {
    let names = [
        "www.bound.test",
        "www.plain.test",
        "other.bound.test",
        "www.other.test",
        "op.test",
        "localhost",
        "127.0.0.1",
    ];
    let (certificate, key) = tokbind_testing::self_signed(common_name, &names, is_authority);
    Identity { certificate, key }
}
