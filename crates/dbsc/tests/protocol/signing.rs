//! Keys in software: made, written, read.

use ::openssl::ec::{EcGroup, EcKey};
use ::openssl::nid::Nid;
use ::openssl::pkey::PKey;
use ::openssl::rsa::Rsa;
use ::openssl::symm::Cipher;
use dbsc::sign::{Signer, openssl, rustcrypto};
use dbsc::{Algorithm, KeyError, Registration, SignError};

#[test]
fn each_backend_reads_the_others_keys() {
    for algorithm in Algorithm::ALL {
        let by_openssl = openssl::SigningKey::generate(*algorithm).unwrap();
        let by_rust = rustcrypto::SigningKey::generate(*algorithm).unwrap();
        let (pem, der) = (by_openssl.to_pkcs8_pem().unwrap(), by_openssl.to_pkcs8_der().unwrap());
        for key in
            [rustcrypto::SigningKey::from_pkcs8_pem(&pem), rustcrypto::SigningKey::from_pkcs8_der(&der)]
        {
            assert_eq!(key.unwrap().public_key(), by_openssl.public_key());
        }
        let (pem, der) = (by_rust.to_pkcs8_pem().unwrap(), by_rust.to_pkcs8_der().unwrap());
        for key in [openssl::SigningKey::from_pkcs8_pem(&pem), openssl::SigningKey::from_pkcs8_der(&der)] {
            let key = key.unwrap();
            assert_eq!(key.public_key(), by_rust.public_key());
            assert_eq!(key.public_key().algorithm(), *algorithm);
            let proof = key.registration_proof("c", None).unwrap();
            assert_eq!(&Registration::verify(&proof).unwrap().key, by_rust.public_key());
        }
        assert!(!format!("{by_openssl:?} {by_rust:?}").contains("PRIVATE"));
    }
}

fn refused(pem: &str, der: &[u8], error: SignError) {
    assert_eq!(openssl::SigningKey::from_pkcs8_pem(pem).err(), Some(error));
    assert_eq!(openssl::SigningKey::from_pkcs8_der(der).err(), Some(error));
    assert_eq!(rustcrypto::SigningKey::from_pkcs8_pem(pem).err(), Some(error));
    assert_eq!(rustcrypto::SigningKey::from_pkcs8_der(der).err(), Some(error));
}

#[test]
fn other_keys_are_refused() {
    let p384 = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
    let p384 = PKey::from_ec_key(EcKey::generate(&p384).unwrap()).unwrap();
    let ed25519 = PKey::generate_ed25519().unwrap();
    let small = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
    let text = |key: &PKey<_>| String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    refused("", b"", SignError::PrivateKey);
    for key in [&p384, &ed25519] {
        refused(&text(key), &key.private_key_to_pkcs8().unwrap(), SignError::PrivateKey);
    }
    let (pem, der) = (text(&small), small.private_key_to_pkcs8().unwrap());
    let error = Some(SignError::Key(KeyError::ModulusSize));
    assert_eq!(openssl::SigningKey::from_pkcs8_pem(&pem).err(), error);
    assert_eq!(openssl::SigningKey::from_pkcs8_der(&der).err(), error);
    assert!(rustcrypto::SigningKey::from_pkcs8_pem(&pem).is_err());

    let encrypted = p384.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"secret").unwrap();
    refused(&String::from_utf8(encrypted).unwrap(), b"-", SignError::PrivateKey);
}
