use super::reference::{self, Part};
use token_binding::header::{self, MAX_HEADER_LENGTH};
use token_binding::key::PublicKey;
use token_binding::message::{TokenBinding, TokenBindingId, TokenBindingMessage};
use token_binding::sign::MessageBuilder;
use token_binding::verify::verify_header;
use token_binding::{Ekm, KeyParameters, TokenBindingType};

/// The value of a `Sec-Token-Binding` header, from base64url to the fields of each binding.
pub fn message(value: &[u8]) {
    let decoded = header::decode(value);
    let is_short = value.len() <= MAX_HEADER_LENGTH;
    assert_eq!(decoded.is_ok(), is_short && reference::is_base64url(value));
    if let Ok(bytes) = decoded {
        assert_eq!(header::encode(&bytes).as_bytes(), value);
        parsed(&bytes);
    }
    // Nobody has signed for this connection.
    for negotiated in 0..4 {
        let verdict = verify_header(value, KeyParameters(negotiated), &Ekm::new([0; 32]));
        assert!(verdict.is_err_and(|error| !error.is_internal()));
    }
}

fn parsed(bytes: &[u8]) {
    let message = TokenBindingMessage::parse(bytes);
    let expected = reference::message(bytes);
    let (message, expected) = match (message, expected) {
        (Ok(message), Some(expected)) => (message, expected),
        (Err(_), None) => return,
        (message, _) => panic!("{message:?}"),
    };
    assert_eq!(message.bindings().len(), expected.len());
    let mut again = MessageBuilder::new();
    for (binding, part) in message.bindings().iter().zip(&expected) {
        same(binding, part);
        again
            .add_raw(TokenBindingType(part.tokenbinding_type), part.id, part.signature, part.extensions)
            .unwrap();
    }
    assert_eq!(again.finish(), bytes);

    // Its length says where it ends.
    assert!(TokenBindingMessage::parse(&bytes[..bytes.len() - 1]).is_err());
    assert!(TokenBindingMessage::parse(&[bytes, &[0]].concat()).is_err());
}

fn same(binding: &TokenBinding<'_>, part: &Part<'_>) {
    let id = binding.tokenbindingid();
    assert_eq!(binding.tokenbinding_type().0, part.tokenbinding_type);
    assert_eq!(id.as_bytes(), part.id);
    assert_eq!((id.key_parameters().0, id.public_key()), (part.id[0], &part.id[3..]));
    assert_eq!(binding.signature(), part.signature);
    assert_eq!(TokenBindingId::parse(part.id), Ok(id));
    assert!(TokenBindingId::parse(&[part.id, &[0]].concat()).is_err());
    if let Ok(key) = PublicKey::parse(id.key_parameters(), id.public_key()) {
        assert_eq!(key.token_binding_id(), part.id);
        assert_eq!(key.key_parameters(), id.key_parameters());
    }
}
