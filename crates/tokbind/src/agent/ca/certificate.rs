//! What stands in the certificates.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
/// The browser may run in a virtual machine whose clock is slow.
const BACKDATED: i64 = HOUR;
const AUTHORITY_LIFETIME: i64 = 365 * DAY;
/// An authority has so much left when the next one is made.
const RENEWED: i64 = 7 * DAY;
/// And so much when that is said to come.
const ANNOUNCED: i64 = 30 * DAY;
/// A leaf certificate is used for half of its life, then another one is made.
pub(super) const LEAF_LIFETIME: i64 = DAY;

/// A new P-256 key.
pub(super) fn key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

/// The certificate and key of an authority.
pub(super) struct Pair {
    pub(super) certificate: X509,
    pub(super) key: PKey<Private>,
}

impl Pair {
    /// A new certificate authority.
    pub(super) fn authority(now: SystemTime) -> Result<Self, ErrorStack> {
        let key = key()?;
        let number = serial()?;
        // Two authorities of one name but different keys confuse those who look for an issuer by name, so each has its own.
        let digits: String = number.to_hex_str()?.chars().take(8).collect();
        let name = name(&format!("tokbind agent CA {digits}"))?;

        let mut builder = builder(&number, &name, &name, &key)?;
        let now = seconds(now);
        builder.set_not_before(Asn1Time::from_unix(now - BACKDATED)?.as_ref())?;
        builder.set_not_after(Asn1Time::from_unix(now + AUTHORITY_LIFETIME)?.as_ref())?;
        builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().build()?)?;
        // In an authority's certificate this limits what its leaves are good for.
        builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(identifier)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Pair { certificate: builder.build(), key })
    }

    /// Whether it is time for another one.
    pub(super) fn is_due(&self, now: SystemTime) -> Result<bool, ErrorStack> {
        self.ends_before(seconds(now) + RENEWED)
    }

    /// Whether it is time to say that there will be another one.
    pub(super) fn is_due_soon(&self, now: SystemTime) -> Result<bool, ErrorStack> {
        self.ends_before(seconds(now) + ANNOUNCED)
    }

    fn ends_before(&self, time: i64) -> Result<bool, ErrorStack> {
        Ok(self.certificate.not_after() < Asn1Time::from_unix(time)?)
    }
}

/// A certificate for the host, for as long as a leaf may live but not longer than the authority does.
pub(super) fn leaf(
    host: &str,
    key: &PKeyRef<Private>,
    issuer: &Pair,
    now: SystemTime,
) -> Result<X509, ErrorStack> {
    let Pair { certificate: issuer, key: issuer_key } = issuer;
    let mut builder = X509::builder()?;
    let subject = name("tokbind agent")?;
    fill(&mut builder, &*serial()?, &subject, key)?;
    builder.set_issuer_name(issuer.subject_name())?;
    let now = seconds(now);
    let end = Asn1Time::from_unix(now + LEAF_LIFETIME)?;
    builder.set_not_before(Asn1Time::from_unix(now - BACKDATED)?.as_ref())?;
    builder.set_not_after(earlier(&end, issuer.not_after()))?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;

    let mut names = SubjectAlternativeName::new();
    match host.parse::<IpAddr>() {
        Ok(address) => names.ip(&address.to_string()),
        Err(_) => names.dns(host),
    };
    let context = builder.x509v3_context(Some(issuer), None);
    let names = names.build(&context)?;
    let authority = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
    builder.append_extension(names)?;
    builder.append_extension(authority)?;
    builder.sign(issuer_key, MessageDigest::sha256())?;
    Ok(builder.build())
}

fn earlier<'a>(a: &'a Asn1TimeRef, b: &'a Asn1TimeRef) -> &'a Asn1TimeRef {
    if b < a { b } else { a }
}

fn builder(
    number: &BigNum,
    subject: &X509Name,
    issuer: &X509Name,
    key: &PKeyRef<Private>,
) -> Result<X509Builder, ErrorStack> {
    let mut builder = X509::builder()?;
    fill(&mut builder, number, subject, key)?;
    builder.set_issuer_name(issuer)?;
    Ok(builder)
}

fn fill(
    builder: &mut X509Builder,
    number: &openssl::bn::BigNumRef,
    subject: &X509Name,
    key: &PKeyRef<Private>,
) -> Result<(), ErrorStack> {
    // Version 3, counted from zero.
    builder.set_version(2)?;
    builder.set_serial_number(number.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(subject)?;
    builder.set_pubkey(key)
}

/// 127 random bits: positive, and below the 20 octets of RFC 5280 section 4.1.2.2.
fn serial() -> Result<BigNum, ErrorStack> {
    let mut number = BigNum::new()?;
    number.rand(127, MsbOption::ONE, false)?;
    Ok(number)
}

fn name(common_name: &str) -> Result<X509Name, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    Ok(name.build())
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX / 2)
}
