//! Random messages, valid and spoiled: OpenSSL and pure Rust give the same verdict and the same IDs.
//!
//! [`verdict`] is what compares them, and what looks for errors blamed on us or left in OpenSSL's queue.

use std::sync::LazyLock;

use openssl::bn::BigNum;
use openssl::ec::EcGroup;
use openssl::nid::Nid;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use token_binding::sign::openssl::PrivateKey;
use token_binding::{Ekm, KeyParameters, TokenBindingType};

use crate::support::{self, PROVIDED, Part, REFERRED, ec_id, message, part_of, rsa_id, verdict};

/// One key for each of [`KeyParameters::ALL_KNOWN`], made once.
static KEYS: LazyLock<[PrivateKey; 3]> = LazyLock::new(|| KeyParameters::ALL_KNOWN.map(support::key));

/// A message to be made: who signs what for which connection.
#[derive(Clone, Debug)]
struct Plan {
    ekm: [u8; 32],
    provided: usize,
    referred: Option<usize>,
    other: Option<(u8, usize)>,
    extensions: Vec<(u8, Vec<u8>)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let extension = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..9));
    (
        any::<[u8; 32]>(),
        0..3_usize,
        prop::option::of(0..3_usize),
        prop::option::of((2..=255_u8, 0..3_usize)),
        prop::collection::vec(extension, 0..3),
    )
        .prop_map(|(ekm, provided, referred, other, extensions)| Plan {
            ekm,
            provided,
            referred,
            other,
            extensions,
        })
}

impl Plan {
    fn ekm(&self) -> Ekm {
        Ekm::new(self.ekm)
    }

    fn negotiated(&self) -> KeyParameters {
        KeyParameters::ALL_KNOWN[self.provided]
    }

    fn parts(&self) -> Vec<Part> {
        let referred = self.referred.map(|key| (REFERRED, key));
        let other = self.other.map(|(number, key)| (TokenBindingType(number), key));
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|(number, data)| [&[*number][..], &(data.len() as u16).to_be_bytes(), data].concat())
            .collect();
        [Some((PROVIDED, self.provided)), referred, other]
            .into_iter()
            .flatten()
            .map(|(tokenbinding_type, key)| Part {
                extensions: extensions.clone(),
                ..part_of(tokenbinding_type, &KEYS[key], &self.ekm())
            })
            .collect()
    }
}

/// A way to spoil one binding, or none.
#[derive(Clone, Debug)]
enum Spoiling {
    Type(u8),
    KeyParameters(u8),
    IdBit(Index),
    SignatureBit(Index),
    SignatureHalf { second: bool, value: Edge },
    Coordinate { y: bool, value: Edge },
    Modulus(Edge),
    Exponent(Vec<u8>),
    RandomSignature(Vec<u8>),
}

/// A number to put where another was: near one of the bounds that matter there.
#[derive(Clone, Copy, Debug)]
struct Edge {
    bound: Bound,
    offset: i8,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    Zero,
    Order,
    Prime,
    Modulus,
    Full,
    Half,
}

impl Edge {
    /// As `size` bytes, big-endian, wrapping.
    fn bytes(self, size: usize) -> Vec<u8> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let mut context = openssl::bn::BigNumContext::new().unwrap();
        let [mut prime, mut a, mut b, mut order] = std::array::from_fn(|_| BigNum::new().unwrap());
        group.components_gfp(&mut prime, &mut a, &mut b, &mut context).unwrap();
        group.order(&mut order, &mut context).unwrap();
        let bound = match self.bound {
            Bound::Zero => vec![0],
            Bound::Order => order.to_vec(),
            Bound::Prime => prime.to_vec(),
            Bound::Modulus => support::modulus(),
            Bound::Full => vec![0xff; size],
            Bound::Half => [&[0x80], vec![0; size - 1].as_slice()].concat(),
        };
        let mut bytes = [vec![0; size.saturating_sub(bound.len())], bound].concat();
        bytes.truncate(size);
        let mut carry = i32::from(self.offset);
        for byte in bytes.iter_mut().rev() {
            let sum = i32::from(*byte) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        bytes
    }
}

fn edge() -> impl Strategy<Value = Edge> {
    let bounds = vec![Bound::Zero, Bound::Order, Bound::Prime, Bound::Modulus, Bound::Full, Bound::Half];
    (select(bounds), -3..=3_i8).prop_map(|(bound, offset)| Edge { bound, offset })
}

fn spoiling() -> impl Strategy<Value = Spoiling> {
    let exponents: Vec<&[u8]> = vec![
        &[],
        &[0],
        &[1],
        &[2],
        &[3],
        &[17],
        &[0, 3],
        &[1, 0, 0],
        &[1, 0, 1],
        &[0xff; 4],
        &[1, 0, 0, 0, 0],
        &[1; 5],
    ];
    prop_oneof![
        any::<u8>().prop_map(Spoiling::Type),
        (0..4_u8).prop_map(Spoiling::Type),
        (0..4_u8).prop_map(Spoiling::KeyParameters),
        any::<Index>().prop_map(Spoiling::IdBit),
        any::<Index>().prop_map(Spoiling::SignatureBit),
        (any::<bool>(), edge()).prop_map(|(second, value)| Spoiling::SignatureHalf { second, value }),
        (any::<bool>(), edge()).prop_map(|(y, value)| Spoiling::Coordinate { y, value }),
        edge().prop_map(Spoiling::Modulus),
        select(exponents).prop_map(|exponent| Spoiling::Exponent(exponent.to_vec())),
        any::<u32>().prop_map(|exponent| Spoiling::Exponent(exponent.to_be_bytes().to_vec())),
        prop::collection::vec(any::<u8>(), 64..=64).prop_map(Spoiling::RandomSignature),
        prop::collection::vec(any::<u8>(), 256..=256).prop_map(Spoiling::RandomSignature),
    ]
}

impl Spoiling {
    fn apply(&self, part: &mut Part) {
        let key_parameters = KeyParameters(part.id[0]);
        match self {
            Self::Type(number) => part.tokenbinding_type = TokenBindingType(*number),
            Self::KeyParameters(number) => part.id[0] = *number,
            Self::IdBit(index) => flip(&mut part.id, *index),
            Self::SignatureBit(index) => flip(&mut part.signature, *index),
            Self::SignatureHalf { second, value } if key_parameters == KeyParameters::ECDSAP256 => {
                put_half(&mut part.signature, *second, *value);
            }
            Self::SignatureHalf { value, .. } => part.signature = value.bytes(256),
            Self::Coordinate { y, value } => {
                let mut coordinates = part.id[part.id.len() - 64..].to_vec();
                put_half(&mut coordinates, *y, *value);
                part.id = ec_id(&coordinates);
            }
            Self::Modulus(value) => part.id = rsa_id(key_parameters, &value.bytes(256), &[1, 0, 1]),
            Self::Exponent(exponent) => part.id = rsa_id(key_parameters, &support::modulus(), exponent),
            Self::RandomSignature(signature) => part.signature.clone_from(signature),
        }
    }
}

fn flip(bytes: &mut [u8], index: Index) {
    let bit = index.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
}

fn put_half(bytes: &mut [u8], second: bool, value: Edge) {
    let at = if second { 32 } else { 0 };
    bytes[at..at + 32].copy_from_slice(&value.bytes(32));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn valid_messages_are_accepted(plan in plan()) {
        let parts = plan.parts();
        let verified = verdict(&message(&parts), plan.negotiated(), &plan.ekm()).unwrap();
        let id_of = |wanted| parts.iter().find(|part| part.tokenbinding_type == wanted).map(|part| part.id.as_slice());
        prop_assert_eq!(Some(verified.provided().as_bytes()), id_of(PROVIDED));
        prop_assert_eq!(verified.referred().map(|id| id.as_bytes()), id_of(REFERRED));
        let other = verified.others().iter().map(|other| (other.token_binding_type().0, other.id().as_bytes()));
        let expected = plan.other.map(|(number, key)| (number, parts.last().unwrap().id.as_slice(), key));
        prop_assert!(other.eq(expected.map(|(number, id, _)| (number, id))));
    }

    #[test]
    fn other_connections_and_other_negotiations_reject(plan in plan(), bit in any::<Index>(), negotiated in 0..3_usize) {
        let bytes = message(&plan.parts());
        let mut ekm = plan.ekm;
        flip(&mut ekm, bit);
        prop_assert!(verdict(&bytes, plan.negotiated(), &Ekm::new(ekm)).is_err());
        let accepted = verdict(&bytes, KeyParameters::ALL_KNOWN[negotiated], &plan.ekm()).is_ok();
        prop_assert_eq!(accepted, negotiated == plan.provided);
    }

    #[test]
    fn spoiled_messages_get_one_verdict(
        plan in plan(),
        spoilings in prop::collection::vec((any::<Index>(), spoiling()), 1..3),
    ) {
        let mut parts = plan.parts();
        for (index, spoiling) in spoilings {
            let part = index.get_mut(&mut parts);
            spoiling.apply(part);
        }
        // The comparison of the backends in `verdict` is the test; nothing is proven that was not signed here.
        if let Ok(verified) = verdict(&message(&parts), plan.negotiated(), &plan.ekm()) {
            let id = verified.provided().as_bytes();
            prop_assert!(plan.parts().iter().any(|part| part.id == id));
        }
    }

    #[test]
    fn a_flipped_bit_gets_one_verdict(plan in plan(), bit in any::<Index>()) {
        let mut bytes = message(&plan.parts());
        flip(&mut bytes, bit);
        if verdict(&bytes, plan.negotiated(), &plan.ekm()).is_ok() {
            // What can change unnoticed: extensions, which nothing signs, and a binding that turns into one of unknown
            // type or key parameters. A provided binding alone has none of these.
            prop_assert!(plan.referred.is_some() || plan.other.is_some() || !plan.extensions.is_empty());
        }
    }
}
