//! Keys of both backends: the same files, the same IDs, signatures that either verifies, and nothing printed.

use token_binding::message::TokenBindingMessage;
use token_binding::sign::{MessageBuilder, Signer, openssl, rustcrypto};
use token_binding::{Error, KeyParameters, TokenBindingType, header};

use crate::support::{self, PROVIDED, REFERRED, ekm, other_ekm, pem, verdict};

const ALL: [KeyParameters; 3] = KeyParameters::ALL_KNOWN;
const EC: KeyParameters = KeyParameters::ECDSAP256;
const RSA: KeyParameters = KeyParameters::RSA2048_PSS;

#[test]
fn either_backend_signs_for_both() {
    for key_parameters in ALL {
        let openssl = openssl::PrivateKey::from_pkcs8_pem(key_parameters, pem(key_parameters)).unwrap();
        let rustcrypto = rustcrypto::PrivateKey::from_pkcs8_pem(key_parameters, pem(key_parameters)).unwrap();
        assert_eq!(openssl.public_key(), rustcrypto.public_key());
        assert_eq!(openssl.key_parameters(), key_parameters);

        let mut builder = MessageBuilder::new();
        builder.add(PROVIDED, &openssl, &ekm()).unwrap().add(REFERRED, &rustcrypto, &ekm()).unwrap();
        let verified = verdict(&builder.finish(), key_parameters, &ekm()).unwrap();
        assert_eq!(verified.provided().as_bytes(), openssl.token_binding_id());
        assert_eq!(verified.referred().unwrap().as_bytes(), rustcrypto.token_binding_id());
        assert!(verdict(&builder.finish(), key_parameters, &other_ekm()).is_err());
        assert_eq!(header::decode(builder.finish_header().as_bytes()), Ok(builder.finish()));
    }
}

#[test]
fn generated_keys_sign_and_survive_a_file() {
    for key_parameters in ALL {
        let generated = openssl::PrivateKey::generate(key_parameters).unwrap();
        let pem = generated.to_pkcs8_pem().unwrap();
        assert_generated(&generated, &rustcrypto::PrivateKey::from_pkcs8_pem(key_parameters, &pem).unwrap());
        assert_ne!(
            generated.public_key(),
            openssl::PrivateKey::generate(key_parameters).unwrap().public_key()
        );
    }
    // Finding primes takes pure Rust seconds in a test build: one RSA key has to do.
    for key_parameters in [EC, RSA] {
        let generated = rustcrypto::PrivateKey::generate(key_parameters).unwrap();
        let pem = generated.to_pkcs8_pem().unwrap();
        assert_generated(&generated, &openssl::PrivateKey::from_pkcs8_pem(key_parameters, &pem).unwrap());
    }
    let [first, second] = [(); 2].map(|()| rustcrypto::PrivateKey::generate(EC).unwrap());
    assert_ne!(first.public_key(), second.public_key());
}

fn assert_generated(generated: &impl Signer, reread: &impl Signer) {
    assert_eq!(generated.public_key(), reread.public_key());
    let mut builder = MessageBuilder::new();
    builder.add(PROVIDED, generated, &ekm()).unwrap().add(REFERRED, reread, &ekm()).unwrap();
    assert!(verdict(&builder.finish(), generated.key_parameters(), &ekm()).is_ok());
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let wrong: Vec<(KeyParameters, String)> = vec![
        (EC, pem(RSA).to_owned()),
        (RSA, pem(EC).to_owned()),
        (KeyParameters(88), pem(EC).to_owned()),
        (KeyParameters(88), pem(RSA).to_owned()),
        (EC, String::new()),
        (EC, pem(EC).replace("PRIVATE", "PUBLIC")),
        (EC, pem(EC).replace("MI", "MJ")),
        (EC, pkcs8_of_curve(::openssl::nid::Nid::SECP256K1)),
        (EC, pkcs8_of_curve(::openssl::nid::Nid::SECP384R1)),
        (RSA, pkcs8_of_bits(1024)),
        (RSA, pkcs8_of_bits(2056)),
        (EC, encrypted_pkcs8()),
    ];
    for (key_parameters, pem) in wrong {
        let refused = Error::PrivateKey { key_parameters };
        assert_eq!(openssl::PrivateKey::from_pkcs8_pem(key_parameters, &pem).err(), Some(refused), "{pem}");
        assert_eq!(
            rustcrypto::PrivateKey::from_pkcs8_pem(key_parameters, &pem).err(),
            Some(refused),
            "{pem}"
        );
    }
    let unknown = Error::PrivateKey { key_parameters: KeyParameters(88) };
    assert_eq!(openssl::PrivateKey::generate(KeyParameters(88)).err(), Some(unknown));
    assert_eq!(rustcrypto::PrivateKey::generate(KeyParameters(88)).err(), Some(unknown));
    assert!(::openssl::error::Error::get().is_none(), "an error is left in OpenSSL's queue");
}

fn pkcs8_of_curve(curve: ::openssl::nid::Nid) -> String {
    let group = ::openssl::ec::EcGroup::from_curve_name(curve).unwrap();
    pkcs8(::openssl::pkey::PKey::from_ec_key(::openssl::ec::EcKey::generate(&group).unwrap()).unwrap())
}

fn pkcs8_of_bits(bits: u32) -> String {
    pkcs8(::openssl::pkey::PKey::from_rsa(::openssl::rsa::Rsa::generate(bits).unwrap()).unwrap())
}

fn pkcs8(key: ::openssl::pkey::PKey<::openssl::pkey::Private>) -> String {
    String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

fn encrypted_pkcs8() -> String {
    let key = ::openssl::pkey::PKey::private_key_from_pem(pem(EC).as_bytes()).unwrap();
    let cipher = ::openssl::symm::Cipher::aes_128_cbc();
    String::from_utf8(key.private_key_to_pem_pkcs8_passphrase(cipher, b"secret").unwrap()).unwrap()
}

#[test]
fn private_keys_are_not_printed() {
    for key_parameters in ALL {
        let expected = format!("PrivateKey {{ key_parameters: KeyParameters({}), .. }}", key_parameters.0);
        let openssl = openssl::PrivateKey::from_pkcs8_pem(key_parameters, pem(key_parameters)).unwrap();
        assert_eq!(format!("{openssl:?}"), expected);
        let rustcrypto = rustcrypto::PrivateKey::from_pkcs8_pem(key_parameters, pem(key_parameters)).unwrap();
        assert_eq!(format!("{rustcrypto:?}"), expected);
    }
}

#[test]
fn what_a_client_sent_is_not_printed() {
    let key = support::key(EC);
    let bytes = MessageBuilder::new().add(PROVIDED, &key, &ekm()).unwrap().finish();
    let message = TokenBindingMessage::parse(&bytes).unwrap();
    let unverified = "TokenBindingMessage { bindings: [TokenBinding { tokenbinding_type: TokenBindingType(0), \
                      tokenbindingid: TokenBindingId { key_parameters: KeyParameters(2), .. }, .. }] }";
    assert_eq!(format!("{message:?}"), unverified);
    let verified = verdict(&bytes, EC, &ekm()).unwrap();
    let id = "VerifiedId { key_parameters: KeyParameters(2), .. }";
    assert_eq!(format!("{:?}", verified.provided()), id);
}

#[test]
fn builders_write_any_bytes_that_have_a_length() {
    let mut builder = MessageBuilder::new();
    assert_eq!(builder.finish(), [0, 0]);
    builder.add_raw(TokenBindingType(9), &[1, 2], &[3], &[4, 5]).unwrap();
    let once = [0, 10, 9, 1, 2, 0, 1, 3, 0, 2, 4, 5];
    assert_eq!(builder.finish(), once);

    let too_long = |field| Some(Error::LengthMismatch { field });
    let huge = vec![0; 65_536];
    assert_eq!(builder.add_raw(PROVIDED, &[], &huge, &[]).err(), too_long("TokenBinding.signature"));
    assert_eq!(builder.add_raw(PROVIDED, &[], &[], &huge).err(), too_long("TokenBinding.extensions"));
    let room = 65_535 - 10 - 5;
    let list = too_long("TokenBindingMessage.tokenbindings");
    assert_eq!(builder.add_raw(PROVIDED, &huge[..=room], &[], &[]).err(), list);
    assert_eq!(builder.finish(), once);
    builder.add_raw(PROVIDED, &huge[..room], &[], &[]).unwrap();
    assert_eq!(builder.finish().len(), 65_537);
    assert_eq!(builder.finish()[..2], [0xff, 0xff]);
}
