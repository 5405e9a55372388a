//! (a) A message that was not seen before: the whole verification of its header, over what OpenSSL alone takes for the
//! signature in it.

use std::hint::black_box;

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::md::Md;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sha::sha256;
use openssl::sign::RsaPssSaltlen;
use rustix::time::{ClockId, clock_gettime};
use tokbind::{Ekm, KeyParameters, PrivateKey, binding};
use token_binding::key::PublicKey;
use token_binding::message::TokenBindingMessage;
use token_binding::verify::verify_header;

use crate::Effort;
use crate::statistics::Spread;

pub const GOAL: f64 = 1.15;

pub struct Verification {
    pub key_parameters: KeyParameters,
    /// Microseconds.
    pub whole: Spread,
    pub bare: Spread,
    /// Over OpenSSL loading the key and verifying.
    pub ratio: Spread,
    /// Over OpenSSL verifying with a key that was loaded before.
    pub ratio_loaded: Spread,
}

pub fn measure(effort: &Effort) -> Vec<Verification> {
    KeyParameters::ALL_KNOWN.into_iter().map(|kind| measure_one(kind, effort)).collect()
}

fn measure_one(key_parameters: KeyParameters, effort: &Effort) -> Verification {
    let ekm = Ekm::new([7; 32]);
    let header = binding::header(&ekm, &PrivateKey::generate(key_parameters).unwrap(), None).unwrap();
    let bytes = token_binding::header::decode(header.as_bytes()).unwrap();
    let message = TokenBindingMessage::parse(&bytes).unwrap();
    let claim = &message.bindings()[0];
    let id = claim.tokenbindingid();
    let public_key = PublicKey::parse(id.key_parameters(), id.public_key()).unwrap();
    let signed = [&[claim.tokenbinding_type().0, key_parameters.0][..], ekm.as_bytes()].concat();
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let loaded = Loaded::new(&public_key, &group);

    let whole = || assert!(verify_header(black_box(header.as_bytes()), key_parameters, &ekm).is_ok());
    let bare = || assert!(Loaded::new(black_box(&public_key), &group).verify(&signed, claim.signature()));
    let verifying = || assert!(loaded.verify(black_box(&signed), claim.signature()));

    let (mut times, mut ratios, mut ratios_loaded) = ((Vec::new(), Vec::new()), Vec::new(), Vec::new());
    for _ in 0..effort.verification_blocks {
        // There and back: a drift of the machine's speed cancels out.
        let batch = effort.verifications;
        let [a, b, c] = [time(batch, &whole), time(batch, &bare), time(batch, &verifying)];
        let [d, e, f] = [time(batch, &verifying), time(batch, &bare), time(batch, &whole)];
        times.0.push((a + f) / 2.0);
        times.1.push((b + e) / 2.0);
        ratios.push((a + f) / (b + e));
        ratios_loaded.push((a + f) / (c + d));
    }
    Verification {
        key_parameters,
        whole: Spread::of(times.0),
        bare: Spread::of(times.1),
        ratio: Spread::of(ratios),
        ratio_loaded: Spread::of(ratios_loaded),
    }
}

/// Microseconds of this thread's processor time for one.
fn time(batch: u32, work: &impl Fn()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
    };
    let started = now();
    (0..batch).for_each(|_| work());
    (now() - started) / f64::from(batch)
}

/// A key as OpenSSL wants it, by the shortest way there is.
enum Loaded {
    Ec(EcKey<Public>),
    Rsa(PKey<Public>, Padding),
}

impl Loaded {
    fn new(key: &PublicKey, group: &EcGroup) -> Self {
        match key {
            PublicKey::EcdsaP256(point) => {
                let mut context = BigNumContext::new().unwrap();
                let point = EcPoint::from_bytes(group, &point.to_sec1(), &mut context).unwrap();
                Self::Ec(EcKey::from_public_key(group, &point).unwrap())
            }
            PublicKey::Rsa2048Pkcs1_5(key) => Self::Rsa(rsa(key), Padding::PKCS1),
            PublicKey::Rsa2048Pss(key) => Self::Rsa(rsa(key), Padding::PKCS1_PSS),
            other => panic!("{other:?}"),
        }
    }

    fn verify(&self, signed: &[u8], signature: &[u8]) -> bool {
        let digest = sha256(signed);
        match self {
            Self::Ec(key) => {
                let [r, s] =
                    [&signature[..32], &signature[32..]].map(|half| BigNum::from_slice(half).unwrap());
                EcdsaSig::from_private_components(r, s).unwrap().verify(&digest, key).unwrap()
            }
            Self::Rsa(key, padding) => {
                let mut context = PkeyCtx::new(key).unwrap();
                context.verify_init().unwrap();
                context.set_rsa_padding(*padding).unwrap();
                if *padding == Padding::PKCS1_PSS {
                    context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(32)).unwrap();
                }
                context.set_signature_md(Md::sha256()).unwrap();
                context.verify(&digest, signature).unwrap()
            }
        }
    }
}

fn rsa(key: &token_binding::key::RsaPublicKey) -> PKey<Public> {
    let modulus = BigNum::from_slice(key.modulus()).unwrap();
    let exponent = BigNum::from_u32(key.public_exponent()).unwrap();
    PKey::from_rsa(Rsa::from_public_components(modulus, exponent).unwrap()).unwrap()
}
