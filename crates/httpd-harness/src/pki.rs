//! Certificates for the servers and clients of the tests, made once per run.

use std::sync::OnceLock;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

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

fn make(name: &str, is_authority: bool) -> Identity {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut certificate = X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    certificate.set_subject_name(&subject).unwrap();
    certificate.set_issuer_name(&subject).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    if is_authority {
        certificate.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    }
    let names =
        ["www.bound.test", "www.plain.test", "other.bound.test", "www.other.test", "op.test", "localhost"]
            .into_iter()
            .fold(SubjectAlternativeName::new(), |mut names, name| {
                names.dns(name);
                names
            })
            .ip("127.0.0.1")
            .build(&certificate.x509v3_context(None, None))
            .unwrap();
    certificate.append_extension(names).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    Identity { certificate: certificate.build(), key }
}
