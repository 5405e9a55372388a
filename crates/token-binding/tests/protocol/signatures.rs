//! Edge values of keys and signatures. Each is known by construction to be valid or not; both backends must say so.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::{EcGroup, EcPoint, PointConversionForm};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::{Padding, Rsa};
use openssl::sha::sha256;
use openssl::sign::{RsaPssSaltlen, Signer as OpenSslSigner};
use p256::elliptic_curve::ops::Reduce;
use p256::pkcs8::DecodePrivateKey;
use p256::{FieldBytes, Scalar, SecretKey};

use token_binding::sign::openssl::PrivateKey;
use token_binding::{Ekm, Error, KeyError, KeyParameters};

use crate::support::{
    self, BAD_SIGNATURE, PROVIDED, Part, ec_id, ekm, modulus, part, part_of, rsa_id, signed, verdict_on,
};

const EC: KeyParameters = KeyParameters::ECDSAP256;
const RSA: [KeyParameters; 2] = [KeyParameters::RSA2048_PKCS1_5, KeyParameters::RSA2048_PSS];
/// 2^16 + 1, as almost all keys have.
const F4: [u8; 3] = [1, 0, 1];

fn big(bytes: &[u8]) -> BigNum {
    BigNum::from_slice(bytes).unwrap()
}

fn padded<const N: usize>(number: &BigNum) -> [u8; N] {
    number.to_vec_padded(N as i32).unwrap().try_into().unwrap()
}

fn plus(number: &BigNum, small: i32) -> BigNum {
    let mut sum = BigNumRef::to_owned(number).unwrap();
    if small < 0 {
        sum.sub_word(small.unsigned_abs()).unwrap()
    } else {
        sum.add_word(small.unsigned_abs()).unwrap()
    };
    sum
}

/// P-256's prime and its order.
fn prime_and_order() -> (BigNum, BigNum) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let [mut p, mut a, mut b, mut n] = std::array::from_fn(|_| BigNum::new().unwrap());
    group.components_gfp(&mut p, &mut a, &mut b, &mut context).unwrap();
    group.order(&mut n, &mut context).unwrap();
    (p, n)
}

#[test]
fn ecdsa_takes_r_and_s_below_the_order_only() {
    let (_, n) = prime_and_order();
    let valid = part(PROVIDED, EC, &ekm());
    let (r, s) = valid.signature.split_at(32);
    let negative_s: [u8; 32] = padded(&(&n - &big(s)));
    let edges = |own: &[u8]| -> Vec<[u8; 32]> {
        let mut values = vec![own.try_into().unwrap(), padded(&(&n - &big(own)))];
        values.extend([[0; 32], [0xff; 32]]);
        values.extend([-1, 0, 1].map(|i| padded::<32>(&plus(&n, i))));
        values.push(padded(&big(&[1])));
        values
    };
    let mut accepted = Vec::new();
    for edge_r in edges(r) {
        for edge_s in edges(s) {
            let signature = [edge_r, edge_s].concat();
            match verdict_on(&Part { signature: signature.clone(), ..valid.clone() }, &ekm()) {
                Ok(_) => accepted.push(signature),
                Err(error) => assert_eq!(error, BAD_SIGNATURE),
            }
        }
    }
    // ECDSA has two signatures for every one made, and RFC 8471 does not forbid the one with the larger S.
    assert_eq!(accepted, [[r, s].concat(), [r, &negative_s].concat()]);
}

/// Whoever holds the key can choose R so that the sum to compare with it is the point at infinity, which has no
/// coordinates. OpenSSL calls that an error; it's a bad signature like any other.
#[test]
fn ecdsa_with_a_sum_at_infinity_is_a_bad_signature() {
    let secret = SecretKey::from_pkcs8_pem(support::ECDSAP256_PEM).unwrap();
    let digest = sha256(&signed(PROVIDED, EC, &ekm()));
    let e = <Scalar as Reduce<FieldBytes>>::reduce(&digest.into());
    let r = -e * secret.to_nonzero_scalar().invert().unwrap();
    for s in [Scalar::ONE, Scalar::from(0x1234_5678_u64), -Scalar::ONE] {
        let signature = [r.to_bytes(), s.to_bytes()].concat();
        let at_infinity = Part { signature, ..part(PROVIDED, EC, &ekm()) };
        assert_eq!(verdict_on(&at_infinity, &ekm()), Err(BAD_SIGNATURE));
    }
}

#[test]
fn points_are_on_the_curve_and_encoded_in_one_way() {
    let (p, _) = prime_and_order();
    let valid = part(PROVIDED, EC, &ekm());
    let verdict = |coordinates: &[u8]| verdict_on(&Part { id: ec_id(coordinates), ..valid.clone() }, &ekm());
    let own = &valid.id[4..];
    assert!(verdict(own).is_ok());

    // A point with a small X, and the same with X + p: equal modulo p, and no encoding of the point.
    let (x, y) = point_with_small_x();
    assert_eq!(verdict(&[x, y].concat()), Err(BAD_SIGNATURE));
    let alias: [u8; 32] = padded(&(&big(&x) + &p));
    let not_on_curve = Err(Error::InvalidKey(KeyError::NotOnCurve));
    assert_eq!(verdict(&[alias, y].concat()), not_on_curve);

    let minus_y: [u8; 32] = padded(&(&p - &big(&own[32..])));
    assert_eq!(verdict(&[&own[..32], &minus_y].concat()), Err(BAD_SIGNATURE));

    for edge in [[0; 32], [0xff; 32], padded(&p), padded(&plus(&p, -1)), padded(&plus(&p, 1))] {
        assert_eq!(verdict(&[&edge, &own[32..]].concat()), not_on_curve);
        assert_eq!(verdict(&[&own[..32], &edge].concat()), not_on_curve);
        assert_eq!(verdict(&[edge, edge].concat()), not_on_curve);
    }
    for wrong_size in [&own[1..], &[own, &[0]].concat()] {
        assert_eq!(verdict(wrong_size), Err(Error::InvalidKey(KeyError::PointSize)));
    }
}

fn point_with_small_x() -> ([u8; 32], [u8; 32]) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let compressed = (1_u8..=255).map(|x| [&[2][..], &[0; 31], &[x]].concat());
    let point = compressed.flat_map(|sec1| EcPoint::from_bytes(&group, &sec1, &mut context)).next().unwrap();
    let sec1 = point
        .to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut BigNumContext::new().unwrap())
        .unwrap();
    (sec1[1..33].try_into().unwrap(), sec1[33..].try_into().unwrap())
}

#[test]
fn rsa_moduli_have_2048_bits() {
    let n = modulus();
    for key_parameters in RSA {
        let valid = part(PROVIDED, key_parameters, &ekm());
        let verdict = |modulus: &[u8]| {
            verdict_on(&Part { id: rsa_id(key_parameters, modulus, &F4), ..valid.clone() }, &ekm())
        };
        assert!(verdict(&n).is_ok());

        let top_bit_clear = [&[n[0] & 0x7f], &n[1..]].concat();
        for wrong_size in [&n[1..], &[&[0], &n[..]].concat(), &[&[1], &n[..]].concat(), &top_bit_clear, &[]] {
            assert_eq!(verdict(wrong_size), Err(Error::InvalidKey(KeyError::ModulusSize)));
        }
        let even: [u8; 256] = padded(&plus(&big(&n), -1));
        assert_eq!(verdict(&even), Err(Error::InvalidKey(KeyError::ModulusEven)));

        // Numbers that are no product of two primes are well-formed keys, which nobody has a signature for.
        let smallest = [&[0x80][..], &[0; 254], &[1]].concat();
        for odd in [
            padded(&plus(&big(&n), 2)),
            padded(&plus(&big(&n), -2)),
            [0xff; 256],
            smallest.try_into().unwrap(),
        ] {
            assert_eq!(verdict(&odd), Err(BAD_SIGNATURE));
        }
    }
}

#[test]
fn rsa_exponents_are_odd_and_at_most_2_to_the_32() {
    let n = modulus();
    for key_parameters in RSA {
        let valid = part(PROVIDED, key_parameters, &ekm());
        let verdict = |exponent: &[u8]| {
            verdict_on(&Part { id: rsa_id(key_parameters, &n, exponent), ..valid.clone() }, &ekm())
        };
        assert!(verdict(&F4).is_ok());
        for other in [&[3][..], &[5], &[0xff], &[1, 0, 3], &[0xff; 4]] {
            assert_eq!(verdict(other), Err(BAD_SIGNATURE), "{other:?}");
        }
        for encoding in [&[][..], &[0], &[0, 3], &[0, 1, 0, 1], &[0, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(verdict(encoding), Err(Error::InvalidKey(KeyError::ExponentEncoding)), "{encoding:?}");
        }
        for range in [&[1][..], &[2], &[4], &[1, 0, 0], &[1, 0, 0, 0, 0], &[1, 0, 0, 0, 1], &[0xff; 255]] {
            assert_eq!(verdict(range), Err(Error::InvalidKey(KeyError::ExponentRange)), "{range:?}");
        }
    }
}

#[test]
fn rsa_keys_with_the_smallest_and_a_large_exponent_are_accepted() {
    // 2^32 - 5 is prime; 2^32 - 1 has so many factors that key generation would rarely be done.
    for exponent in [3, u32::MAX - 4] {
        let key = Rsa::generate_with_e(2048, &BigNum::from_u32(exponent).unwrap()).unwrap();
        let pem =
            String::from_utf8(PKey::from_rsa(key).unwrap().private_key_to_pem_pkcs8().unwrap()).unwrap();
        for key_parameters in RSA {
            let key = PrivateKey::from_pkcs8_pem(key_parameters, &pem).unwrap();
            let verified = verdict_on(&part_of(PROVIDED, &key, &ekm()), &ekm()).unwrap();
            assert_eq!(verified.provided().key_parameters(), key_parameters);
        }
    }
}

#[test]
fn rsa_signatures_are_below_the_modulus() {
    let n = big(&modulus());
    for key_parameters in RSA {
        let valid = part(PROVIDED, key_parameters, &ekm());
        for edge in
            [BigNum::new().unwrap(), big(&[1]), plus(&n, -1), plus(&n, 0), plus(&n, 1), big(&[0xff; 256])]
        {
            let signature = padded::<256>(&edge).to_vec();
            assert_eq!(verdict_on(&Part { signature, ..valid.clone() }, &ekm()), Err(BAD_SIGNATURE));
        }

        // A signature plus the modulus is equal to the signature modulo the modulus, and fits when it is small enough.
        let (ekm, valid, alias) = (0..=255)
            .map(|i| Ekm::new([i; 32]))
            .map(|ekm| (part(PROVIDED, key_parameters, &ekm), ekm))
            .map(|(part, ekm)| (ekm, &big(&part.signature) + &n, part))
            .find(|(_, alias, _)| alias.num_bytes() == 256)
            .map(|(ekm, alias, part)| (ekm, part, padded::<256>(&alias)))
            .unwrap();
        assert!(verdict_on(&valid, &ekm).is_ok());
        assert_eq!(verdict_on(&Part { signature: alias.to_vec(), ..valid }, &ekm), Err(BAD_SIGNATURE));
    }
}

#[test]
fn pss_salts_have_32_bytes_and_sha256_does_all_hashing() {
    let rsa = PKey::private_key_from_pem(support::RSA2048_PEM.as_bytes()).unwrap();
    let key_parameters = KeyParameters::RSA2048_PSS;
    let sign = |digest, mgf1_digest, salt_length| {
        let mut signer = OpenSslSigner::new(digest, &rsa).unwrap();
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer.set_rsa_mgf1_md(mgf1_digest).unwrap();
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt_length)).unwrap();
        signer.sign_oneshot_to_vec(&signed(PROVIDED, key_parameters, &ekm())).unwrap()
    };
    let verdict = |signature| {
        verdict_on(&Part { signature, ..part(PROVIDED, key_parameters, &ekm()) }, &ekm()).map(drop)
    };
    let (sha1, sha256, sha384) = (
        openssl::hash::MessageDigest::sha1(),
        openssl::hash::MessageDigest::sha256(),
        openssl::hash::MessageDigest::sha384(),
    );
    assert_eq!(verdict(sign(sha256, sha256, 32)), Ok(()));
    for salt_length in [0, 1, 20, 31, 33, 222] {
        assert_eq!(verdict(sign(sha256, sha256, salt_length)), Err(BAD_SIGNATURE), "salt of {salt_length}");
    }
    for (digest, mgf1_digest) in
        [(sha256, sha1), (sha256, sha384), (sha1, sha1), (sha384, sha384), (sha384, sha256)]
    {
        assert_eq!(verdict(sign(digest, mgf1_digest, 32)), Err(BAD_SIGNATURE));
    }
}

#[test]
fn pkcs1_5_hashes_with_sha256() {
    let rsa = PKey::private_key_from_pem(support::RSA2048_PEM.as_bytes()).unwrap();
    let key_parameters = KeyParameters::RSA2048_PKCS1_5;
    for digest in [openssl::hash::MessageDigest::sha1(), openssl::hash::MessageDigest::sha512()] {
        let mut signer = OpenSslSigner::new(digest, &rsa).unwrap();
        let signature = signer.sign_oneshot_to_vec(&signed(PROVIDED, key_parameters, &ekm())).unwrap();
        let verdict = verdict_on(&Part { signature, ..part(PROVIDED, key_parameters, &ekm()) }, &ekm());
        assert_eq!(verdict, Err(BAD_SIGNATURE));
    }
}

/// Bleichenbacher's forgery of 2006: with exponent 3, a cube root makes a "signature" for any key whose verifier doesn't
/// look at what follows the digest.
#[test]
fn pkcs1_5_padding_fills_the_block() {
    const SHA256_DIGEST_INFO: [u8; 19] =
        [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
    let key_parameters = KeyParameters::RSA2048_PKCS1_5;
    let digest = sha256(&signed(PROVIDED, key_parameters, &ekm()));
    let mut block = [&[0, 1][..], &[0xff; 8], &[0], &SHA256_DIGEST_INFO, &digest].concat();
    let meaningful = block.len();
    block.resize(256, 0xff);
    let root = cube_root(&big(&block));
    assert_eq!(padded::<256>(&cube(&root))[..meaningful], block[..meaningful], "the forgery is a good one");

    let forged = Part {
        id: rsa_id(key_parameters, &modulus(), &[3]),
        signature: padded::<256>(&root).to_vec(),
        ..part(PROVIDED, key_parameters, &ekm())
    };
    assert_eq!(verdict_on(&forged, &ekm()), Err(BAD_SIGNATURE));
}

fn cube(number: &BigNum) -> BigNum {
    &(number * number) * number
}

/// The largest number whose cube is at most `number`, bit by bit.
fn cube_root(number: &BigNum) -> BigNum {
    let mut root = BigNum::new().unwrap();
    for bit in (0..=number.num_bits() / 3).rev() {
        root.set_bit(bit).unwrap();
        if cube(&root) > *number {
            root.clear_bit(bit).unwrap();
        }
    }
    root
}

#[test]
fn ecdsa_signatures_are_r_then_s_big_endian_and_not_der() {
    let valid = part(PROVIDED, EC, &ekm());
    let halves = valid.signature.split_at(32);
    let swapped = Part { signature: [halves.1, halves.0].concat(), ..valid.clone() };
    let reversed = Part { signature: valid.signature.iter().rev().copied().collect(), ..valid.clone() };
    let der = openssl::ecdsa::EcdsaSig::from_private_components(big(halves.0), big(halves.1)).unwrap();
    let der = Part { signature: der.to_der().unwrap(), ..valid.clone() };
    for wrong in [swapped, reversed, der] {
        assert_eq!(verdict_on(&wrong, &ekm()), Err(BAD_SIGNATURE));
    }
}
