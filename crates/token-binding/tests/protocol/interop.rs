//! Messages of real clients: every field of every vector, through every backend.

use token_binding::message::{TokenBinding, TokenBindingMessage};
use token_binding::sign::MessageBuilder;
use token_binding::verify::{
    OpenSsl, RustCrypto, SignatureBackend, VerifiedBindings, verify_binding, verify_header, verify_message,
};
use token_binding::{Error, KeyParameters, TokenBindingType, header};

use crate::support::{self, PROVIDED, REFERRED, Vector, vectors};

#[test]
fn fields_are_as_recorded() {
    for vector in vectors() {
        let message = TokenBindingMessage::parse(&vector.message).unwrap();
        assert_eq!(message.bindings().len(), vector.bindings.len(), "{}", vector.name);
        for (binding, recorded) in message.bindings().iter().zip(&vector.bindings) {
            assert_eq!(binding.tokenbinding_type(), recorded.tokenbinding_type, "{}", vector.name);
            assert_eq!(binding.tokenbindingid().key_parameters(), recorded.key_parameters, "{}", vector.name);
            assert_eq!(header::encode(binding.tokenbindingid().as_bytes()), recorded.id, "{}", vector.name);
        }
    }
}

#[test]
fn each_signature_is_as_recorded() {
    for vector in vectors() {
        let message = TokenBindingMessage::parse(&vector.message).unwrap();
        for (binding, recorded) in message.bindings().iter().zip(&vector.bindings) {
            for valid in
                [signature_valid(&OpenSsl, &vector, binding), signature_valid(&RustCrypto, &vector, binding)]
            {
                assert_eq!(valid, recorded.signature_valid, "{}", vector.name);
            }
        }
    }
}

#[test]
fn each_binding_is_as_recorded_by_itself() {
    for vector in vectors() {
        let message = TokenBindingMessage::parse(&vector.message).unwrap();
        for (binding, recorded) in message.bindings().iter().zip(&vector.bindings) {
            let valid = match verify_binding(&OpenSsl, binding, &vector.ekm) {
                Ok(id) => Some(id.base64url() == recorded.id),
                Err(Error::BadSignature { binding }) => {
                    assert_eq!(binding, recorded.tokenbinding_type);
                    Some(false)
                }
                Err(Error::InvalidKey(_)) => None,
                Err(other) => panic!("{other}"),
            };
            assert_eq!(valid, recorded.signature_valid, "{}", vector.name);
        }
    }
}

/// The verdict on one binding alone. Its type is part of what it signs, so that it can't be sent alone as a provided one;
/// a proven key beside it makes a whole message.
fn signature_valid(
    backend: &impl SignatureBackend,
    vector: &Vector,
    binding: &TokenBinding<'_>,
) -> Option<bool> {
    let mut builder = MessageBuilder::new();
    let id = binding.tokenbindingid();
    if binding.tokenbinding_type() != PROVIDED {
        builder.add(PROVIDED, &support::key(KeyParameters::ECDSAP256), &vector.ekm).unwrap();
    }
    builder.add_raw(binding.tokenbinding_type(), id.as_bytes(), binding.signature(), &[]).unwrap();
    let bytes = builder.finish();
    let message = TokenBindingMessage::parse(&bytes).unwrap();
    let negotiated =
        if binding.tokenbinding_type() == PROVIDED { id.key_parameters() } else { KeyParameters::ECDSAP256 };
    let verdict = verify_message(backend, &message, negotiated, &vector.ekm);
    match (binding.tokenbinding_type(), verdict) {
        (_, Err(Error::BadSignature { .. })) => Some(false),
        (_, Err(Error::InvalidKey(_))) => None,
        (PROVIDED, Ok(_)) => Some(true),
        (REFERRED, Ok(verified)) => verified.referred().map(|_| true),
        (_, Ok(verified)) => Some(!verified.others().is_empty()),
        (_, Err(other)) => panic!("{other}"),
    }
}

#[test]
fn each_verdict_is_as_recorded() {
    for vector in vectors() {
        let message = TokenBindingMessage::parse(&vector.message).unwrap();
        for verdict in [
            verify_header(vector.header.as_bytes(), KeyParameters::ECDSAP256, &vector.ekm),
            verify_message(&OpenSsl, &message, KeyParameters::ECDSAP256, &vector.ekm),
            verify_message(&RustCrypto, &message, KeyParameters::ECDSAP256, &vector.ekm),
        ] {
            assert_eq!(verdict.is_ok(), vector.accepted, "{}", vector.name);
            match verdict {
                Ok(verified) => assert_reported(&vector, &verified),
                Err(error) => assert_eq!(error, expected_error(&vector.name)),
            }
        }
    }
}

fn assert_reported(vector: &Vector, verified: &VerifiedBindings) {
    let id_of = |wanted| {
        vector
            .bindings
            .iter()
            .find(|binding| binding.tokenbinding_type == wanted)
            .map(|binding| binding.id.as_str())
    };
    assert_eq!(Some(verified.provided().base64url()), id_of(PROVIDED), "{}", vector.name);
    assert_eq!(verified.referred().map(|id| id.base64url()), id_of(REFERRED), "{}", vector.name);
    for id in [Some(verified.provided()), verified.referred()].into_iter().flatten() {
        assert_eq!(header::encode(id.as_bytes()), id.base64url());
        assert_eq!(id.key_parameters(), KeyParameters::ECDSAP256);
    }

    let others: Vec<(TokenBindingType, &str)> =
        verified.others().iter().map(|other| (other.token_binding_type(), other.id().base64url())).collect();
    let recorded: Vec<(TokenBindingType, &str)> = vector
        .bindings
        .iter()
        .filter(|binding| !binding.tokenbinding_type.is_known())
        .map(|binding| (binding.tokenbinding_type, binding.id.as_str()))
        .collect();
    assert_eq!(others, recorded, "{}", vector.name);
    // 77 is "M", and that is "TQ" in base64url.
    let header_value = recorded.first().map(|(_, id)| format!("TQ.{id}"));
    assert_eq!(verified.others_header_value(), header_value.as_deref(), "{}", vector.name);
}

fn expected_error(name: &str) -> Error {
    match name {
        "provided_unknown_key_parameters" => {
            Error::KeyParametersMismatch { negotiated: KeyParameters::ECDSAP256, used: KeyParameters(88) }
        }
        "provided_signature_invalid" => Error::BadSignature { binding: PROVIDED },
        "only_referred" => Error::NoProvided,
        other => panic!("{other} should have been accepted"),
    }
}
