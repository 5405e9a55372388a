//! Each rule of RFC 8471 section 4.2 and RFC 8473 section 2.1, kept and broken, for all key parameters.

use std::slice;

use token_binding::header::MAX_HEADER_LENGTH;
use token_binding::message::MAX_BINDINGS;
use token_binding::sign::{MessageBuilder, Signer};
use token_binding::verify::verify_header;
use token_binding::{Error, KeyError, KeyParameters, TokenBindingType, header};

use crate::support::{
    self, BAD_SIGNATURE, PROVIDED, Part, REFERRED, UNKNOWN, ekm, id, key, message, other_ekm, part, signed,
    verdict, verdict_on,
};

const ALL: [KeyParameters; 3] = KeyParameters::ALL_KNOWN;
const EC: KeyParameters = KeyParameters::ECDSAP256;
const RSA: KeyParameters = KeyParameters::RSA2048_PKCS1_5;
const PSS: KeyParameters = KeyParameters::RSA2048_PSS;

#[test]
fn a_provided_binding_is_accepted() {
    for key_parameters in ALL {
        let verified = verdict_on(&part(PROVIDED, key_parameters, &ekm()), &ekm()).unwrap();
        assert_eq!(verified.provided().as_bytes(), key(key_parameters).token_binding_id());
        assert_eq!(verified.provided().key_parameters(), key_parameters);
        assert_eq!(verified.referred(), None);
        assert_eq!((verified.others().len(), verified.others_header_value()), (0, None));
    }
}

#[test]
fn a_referred_binding_may_have_other_key_parameters() {
    for provided in ALL {
        for referred in ALL {
            let parts = [part(REFERRED, referred, &ekm()), part(PROVIDED, provided, &ekm())];
            let verified = verdict(&message(&parts), provided, &ekm()).unwrap();
            assert_eq!(verified.provided().as_bytes(), key(provided).token_binding_id());
            assert_eq!(verified.referred().unwrap().as_bytes(), key(referred).token_binding_id());
            assert_eq!(verified.referred().unwrap().key_parameters(), referred);
        }
    }
}

#[test]
fn exactly_one_provided_at_most_one_referred() {
    let provided = part(PROVIDED, EC, &ekm());
    let referred = part(REFERRED, EC, &ekm());
    let other = part(UNKNOWN, EC, &ekm());
    let verdict = |parts: &[Part]| verdict(&message(parts), EC, &ekm()).err();
    assert_eq!(verdict(slice::from_ref(&referred)), Some(Error::NoProvided));
    assert_eq!(verdict(&[other]), Some(Error::NoProvided));
    assert_eq!(verdict(&[provided.clone(), provided.clone()]), Some(Error::MultipleProvided));
    assert_eq!(
        verdict(&[referred.clone(), provided.clone(), referred.clone()]),
        Some(Error::MultipleReferred)
    );

    // Key parameters that nobody knows don't make a second one all right.
    let unknown_provided = Part { id: id(KeyParameters(88), &[1]), ..provided.clone() };
    assert_eq!(verdict(&[provided.clone(), unknown_provided]), Some(Error::MultipleProvided));
    let unknown_referred = Part { id: id(KeyParameters(88), &[1]), ..referred.clone() };
    assert_eq!(verdict(&[provided, referred, unknown_referred]), Some(Error::MultipleReferred));
}

#[test]
fn the_provided_key_parameters_are_the_negotiated_ones() {
    for used in ALL {
        for negotiated in ALL.into_iter().chain([KeyParameters(88)]).filter(|negotiated| *negotiated != used)
        {
            let bytes = message(&[part(PROVIDED, used, &ekm())]);
            assert_eq!(
                verdict(&bytes, negotiated, &ekm()),
                Err(Error::KeyParametersMismatch { negotiated, used })
            );
        }
    }
    // Even if a caller negotiates what can't be verified.
    let unknown =
        Part { id: id(KeyParameters(88), &[1]), signature: vec![0; 200], ..part(PROVIDED, EC, &ekm()) };
    assert_eq!(verdict_on(&unknown, &ekm()), Err(Error::InvalidKey(KeyError::UnknownKeyParameters)));
}

#[test]
fn a_signature_holds_for_its_connection_and_type_and_key_parameters_only() {
    for key_parameters in ALL {
        let replayed = part(PROVIDED, key_parameters, &other_ekm());
        assert_eq!(verdict_on(&replayed, &ekm()), Err(BAD_SIGNATURE));

        let retyped = Part { tokenbinding_type: PROVIDED, ..part(REFERRED, key_parameters, &ekm()) };
        assert_eq!(verdict_on(&retyped, &ekm()), Err(BAD_SIGNATURE));
    }
    // The RSA algorithms share a key format: only what is signed keeps them apart, and the padding.
    for (signed_for, claimed) in [(RSA, PSS), (PSS, RSA)] {
        let relabelled = Part { id: key(claimed).token_binding_id(), ..part(PROVIDED, signed_for, &ekm()) };
        assert_eq!(verdict_on(&relabelled, &ekm()), Err(BAD_SIGNATURE));
        let cross_padded = Part {
            signature: key(signed_for).sign(&signed(PROVIDED, claimed, &ekm())).unwrap(),
            ..part(PROVIDED, claimed, &ekm())
        };
        assert_eq!(verdict_on(&cross_padded, &ekm()), Err(BAD_SIGNATURE));
    }
}

#[test]
fn one_bad_signature_rejects_the_whole_message() {
    for key_parameters in ALL {
        for (bad, other) in [(PROVIDED, REFERRED), (REFERRED, PROVIDED)] {
            let mut parts = [part(bad, key_parameters, &ekm()), part(other, key_parameters, &ekm())];
            parts[0].signature[9] ^= 1;
            let verdict = verdict(&message(&parts), key_parameters, &ekm());
            assert_eq!(verdict, Err(Error::BadSignature { binding: bad }));
        }
    }
}

#[test]
fn signatures_have_one_length() {
    for key_parameters in ALL {
        let valid = part(PROVIDED, key_parameters, &ekm());
        let longer = Part { signature: [&valid.signature[..], &[0]].concat(), ..valid.clone() };
        assert_eq!(verdict_on(&longer, &ekm()), Err(BAD_SIGNATURE));
        let padded = Part { signature: [&[0], &valid.signature[..]].concat(), ..valid.clone() };
        assert_eq!(verdict_on(&padded, &ekm()), Err(BAD_SIGNATURE));
        let shorter = Part { signature: valid.signature[1..].to_vec(), ..valid };
        let too_short = Error::LengthMismatch { field: "TokenBinding.signature" };
        assert_eq!(
            verdict_on(&shorter, &ekm()),
            Err(if key_parameters == EC { too_short } else { BAD_SIGNATURE })
        );
    }
}

#[test]
fn a_referred_binding_of_unknown_key_parameters_is_not_reported() {
    let referred =
        Part { id: id(KeyParameters(88), &[1, 2, 3]), signature: vec![0; 64], ..part(REFERRED, EC, &ekm()) };
    let verified = verdict(&message(&[part(PROVIDED, EC, &ekm()), referred]), EC, &ekm()).unwrap();
    assert_eq!(verified.referred(), None);
    assert_eq!(verified.others(), []);
}

#[test]
fn a_referred_key_must_be_well_formed() {
    let referred = Part { id: id(RSA, &[1, 2, 3]), ..part(REFERRED, RSA, &ekm()) };
    let verdict = verdict(&message(&[part(PROVIDED, EC, &ekm()), referred]), EC, &ekm());
    assert_eq!(verdict, Err(Error::InvalidKey(KeyError::Encoding)));
}

#[test]
fn proven_bindings_of_unknown_types_are_reported_in_order() {
    let parts = [
        part(TokenBindingType(255), PSS, &ekm()),
        part(PROVIDED, EC, &ekm()),
        part(UNKNOWN, EC, &ekm()),
        part(TokenBindingType(2), RSA, &ekm()),
    ];
    let verified = verdict(&message(&parts), EC, &ekm()).unwrap();
    let others: Vec<_> =
        verified.others().iter().map(|other| (other.token_binding_type().0, other.id().as_bytes())).collect();
    let expected: Vec<_> =
        [0, 2, 3].map(|i| (parts[i].tokenbinding_type.0, parts[i].id.as_slice())).into_iter().collect();
    assert_eq!(others, expected);

    let value = format!(
        "_w.{},TQ.{},Ag.{}",
        header::encode(&parts[0].id),
        header::encode(&parts[2].id),
        header::encode(&parts[3].id)
    );
    assert_eq!(verified.others_header_value(), Some(value.as_str()));
}

#[test]
fn unproven_bindings_of_unknown_types_are_ignored() {
    let valid = part(UNKNOWN, EC, &ekm());
    let unproven = [
        Part { tokenbinding_type: TokenBindingType(78), ..valid.clone() },
        Part { id: id(KeyParameters(88), &[1, 2, 3]), ..valid.clone() },
        Part { id: id(EC, &[1, 2, 3]), ..valid.clone() },
        Part { id: support::ec_id(&[7; 64]), ..valid.clone() },
        Part { signature: vec![0; 65], ..valid.clone() },
        part(UNKNOWN, RSA, &other_ekm()),
    ];
    for unproven in unproven {
        let parts = [unproven, part(PROVIDED, EC, &ekm()), valid.clone()];
        let verified = verdict(&message(&parts), EC, &ekm()).unwrap();
        assert_eq!(verified.others().len(), 1);
        assert_eq!(verified.others()[0].id().as_bytes(), valid.id);
    }
}

#[test]
fn extensions_are_read_and_ignored() {
    let valid = part(PROVIDED, EC, &ekm());
    for extensions in [&[1, 0, 0][..], &[255, 0, 2, 9, 9], &[0, 0, 1, 5, 0, 0, 0]] {
        let extended = Part { extensions: extensions.to_vec(), ..valid.clone() };
        assert!(verdict_on(&extended, &ekm()).is_ok(), "{extensions:?}");
    }
    for extensions in [&[1][..], &[1, 0], &[1, 0, 1], &[1, 0, 0, 1], &[1, 0, 3, 9, 9]] {
        let malformed = Part { extensions: extensions.to_vec(), ..valid.clone() };
        assert!(matches!(verdict_on(&malformed, &ekm()), Err(Error::Truncated { .. })), "{extensions:?}");
    }
}

#[test]
fn bindings_are_counted() {
    let others = vec![part(UNKNOWN, EC, &ekm()); MAX_BINDINGS - 1];
    let mut parts = [vec![part(PROVIDED, EC, &ekm())], others].concat();
    assert_eq!(verdict(&message(&parts), EC, &ekm()).unwrap().others().len(), MAX_BINDINGS - 1);
    parts.push(part(UNKNOWN, EC, &ekm()));
    assert_eq!(verdict(&message(&parts), EC, &ekm()), Err(Error::TooManyBindings));
}

#[test]
fn a_message_has_bindings() {
    let too_short = Error::LengthMismatch { field: "TokenBindingMessage.tokenbindings" };
    assert_eq!(verdict(&[0, 0], EC, &ekm()), Err(too_short));
    assert_eq!(verdict(&[&[0, 131][..], &[0; 131]].concat(), EC, &ekm()), Err(too_short));
}

#[test]
fn headers_are_strict_base64url() {
    let header = MessageBuilder::new().add(PROVIDED, &key(RSA), &ekm()).unwrap().finish_header();
    let verdict = |header: &str| verify_header(header.as_bytes(), RSA, &ekm()).map(drop);
    assert_eq!(verdict(&header), Ok(()));

    // "AB" has bits set after its one byte, the others a character that base64url doesn't.
    for changed in [
        format!("{header}="),
        format!(" {header}"),
        format!("{header}\n"),
        format!("{header}\0"),
        header.replace(['-', '_'], "+"),
        header.replace(['-', '_'], "/"),
        format!("{}é", header),
        "A".to_owned(),
        "AB".to_owned(),
        "AAA=".to_owned(),
    ] {
        assert_eq!(verdict(&changed), Err(Error::HeaderEncoding), "{changed}");
    }
    assert_eq!(header::decode(b"AA"), Ok(vec![0]));
    assert_eq!(header::decode(b"-_-_"), Ok(vec![0xfb, 0xff, 0xbf]));
    assert_eq!(verdict(""), Err(Error::Truncated { field: "TokenBindingMessage.tokenbindings" }));
}

#[test]
fn headers_are_limited() {
    let longest = vec![b'A'; MAX_HEADER_LENGTH];
    assert!(!matches!(verify_header(&longest, EC, &ekm()), Err(Error::HeaderTooLong { .. })));
    // Too long comes first: what follows is not even base64url.
    let longer = vec![b'!'; MAX_HEADER_LENGTH + 1];
    assert_eq!(
        verify_header(&longer, EC, &ekm()),
        Err(Error::HeaderTooLong { length: MAX_HEADER_LENGTH + 1 })
    );
}
