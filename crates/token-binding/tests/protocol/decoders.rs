//! Every decoder: any bytes are an error or a value, never a panic, and a value encodes to the bytes it came from.

use proptest::collection::vec;
use proptest::prelude::*;

use token_binding::key::PublicKey;
use token_binding::message::TokenBindingMessage;
use token_binding::negotiate::{Negotiated, ServerPreferences, TokenBindingParameters, accept_answer};
use token_binding::verify::verify_header;
use token_binding::{KeyParameters, ProtocolVersion, TokenBindingType, header};

use crate::support::{self, Part, ekm, verdict};

/// Bytes that look like a message for long enough to reach the inner decoders.
fn message_like() -> impl Strategy<Value = Vec<u8>> {
    let binding =
        (0..4_u8, 0..4_u8, vec(any::<u8>(), 0..300), vec(any::<u8>(), 0..300), vec(any::<u8>(), 0..9));
    let binding = binding.prop_map(|(number, key_parameters, key, signature, extensions)| {
        [vec![number, key_parameters], prefixed(&key), prefixed(&signature), prefixed(&extensions)].concat()
    });
    vec(binding, 0..4).prop_map(|bindings| prefixed(&bindings.concat()))
}

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

fn version() -> impl Strategy<Value = ProtocolVersion> {
    any::<(u8, u8)>().prop_map(|(major, minor)| ProtocolVersion { major, minor })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_header(bytes in vec(any::<u8>(), 0..600), text in "[A-Za-z0-9_-]{0,600}") {
        for header in [bytes.as_slice(), text.as_bytes(), header::encode(&bytes).as_bytes()] {
            prop_assert!(verify_header(header, KeyParameters::ECDSAP256, &ekm()).is_err());
        }
        prop_assert_eq!(header::decode(header::encode(&bytes).as_bytes()), Ok(bytes));
        if let Ok(decoded) = header::decode(text.as_bytes()) {
            prop_assert_eq!(header::encode(&decoded), text);
        }
    }

    #[test]
    fn any_message(bytes in message_like(), negotiated in 0..4_u8) {
        prop_assert!(verdict(&bytes, KeyParameters(negotiated), &ekm()).is_err());
        if let Ok(message) = TokenBindingMessage::parse(&bytes) {
            for binding in message.bindings() {
                let id = binding.tokenbindingid();
                prop_assert_eq!(support::id(id.key_parameters(), id.public_key()), id.as_bytes());
            }
        }
    }

    #[test]
    fn messages_round_trip(
        bindings in vec((any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..300), vec(any::<u8>(), 64..300)), 1..=16),
        data in vec(any::<u8>(), 0..9),
    ) {
        let parts: Vec<Part> = bindings
            .into_iter()
            .map(|(number, key_parameters, key, signature)| Part {
                tokenbinding_type: TokenBindingType(number),
                id: support::id(KeyParameters(key_parameters), &key),
                signature,
                extensions: [&[number][..], &prefixed(&data)].concat(),
            })
            .collect();
        let bytes = support::message(&parts);
        prop_assume!(bytes.len() >= 2 + 132);
        let message = TokenBindingMessage::parse(&bytes).unwrap();
        prop_assert_eq!(message.bindings().len(), parts.len());
        for (binding, part) in message.bindings().iter().zip(&parts) {
            prop_assert_eq!(binding.tokenbinding_type(), part.tokenbinding_type);
            prop_assert_eq!(binding.tokenbindingid().as_bytes(), &part.id);
            prop_assert_eq!(binding.tokenbindingid().key_parameters().0, part.id[0]);
            prop_assert_eq!(binding.tokenbindingid().public_key(), &part.id[3..]);
            prop_assert_eq!(binding.signature(), &part.signature);
        }
    }

    #[test]
    fn any_key(key_parameters in 0..4_u8, bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(key) = PublicKey::parse(KeyParameters(key_parameters), &bytes) {
            prop_assert_eq!(key.token_binding_id(), support::id(KeyParameters(key_parameters), &bytes));
        }
    }

    #[test]
    fn keys_round_trip(modulus in vec(any::<u8>(), 256), exponent in 1..u32::MAX / 2, point in vec(any::<u8>(), 64)) {
        let mut modulus = modulus;
        modulus[0] |= 0x80;
        modulus[255] |= 1;
        let exponent = (2 * exponent + 1).to_be_bytes();
        let exponent: Vec<u8> = exponent.into_iter().skip_while(|byte| *byte == 0).collect();
        let ids = [
            support::rsa_id(KeyParameters::RSA2048_PKCS1_5, &modulus, &exponent),
            support::rsa_id(KeyParameters::RSA2048_PSS, &modulus, &exponent),
            support::ec_id(&point),
        ];
        for id in ids {
            let key = PublicKey::parse(KeyParameters(id[0]), &id[3..]).unwrap();
            prop_assert_eq!(key.key_parameters(), KeyParameters(id[0]));
            prop_assert_eq!(key.token_binding_id(), id);
        }
    }

    #[test]
    fn any_extension_body(bytes in vec(any::<u8>(), 0..9), offered in version(), list in vec(0..5_u8, 1..6)) {
        let offer = TokenBindingParameters::new(offered, &list).unwrap();
        let encoded = offer.encode();
        prop_assert_eq!(TokenBindingParameters::parse(&encoded), Ok(offer));

        let parsed = TokenBindingParameters::parse(&bytes);
        if let Ok(parameters) = parsed {
            prop_assert_eq!(parameters.encode(), bytes.clone());
        }
        if let Ok(Some(negotiated)) = accept_answer(&offer, ProtocolVersion::OLDEST, &bytes) {
            prop_assert_eq!(negotiated.extension_body().to_vec(), bytes);
        }
    }

    /// Whatever a server of ours answers, a client of ours understands in the same way, if it speaks the version.
    #[test]
    fn both_sides_settle_on_the_same(
        offered in version(),
        min_version in version(),
        oldest_spoken in version(),
        list in vec(0..5_u8, 1..6),
        preferences in vec(0..5_u8, 0..6),
    ) {
        let offer = TokenBindingParameters::new(offered, &list).unwrap();
        let preferences: Vec<KeyParameters> = preferences.into_iter().map(KeyParameters).collect();
        let server = ServerPreferences { min_version, key_parameters: &preferences };
        let answer = server.select(&offer);
        let shared = preferences.iter().find(|wanted| list.contains(&wanted.0));
        let version = offered.min(ProtocolVersion::V1_0);
        let expected = shared.map(|key_parameters| Negotiated { version, key_parameters: *key_parameters });
        prop_assert_eq!(answer, expected.filter(|_| version >= min_version));

        if let Some(answer) = answer {
            let settled = accept_answer(&offer, oldest_spoken, &answer.extension_body());
            prop_assert_eq!(settled, Ok(Some(answer).filter(|_| version >= oldest_spoken)));
        }
    }
}
