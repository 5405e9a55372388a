use super::reference::{self, Part};
use token_binding::message::{TokenBinding, TokenBindingMessage};
use token_binding::sign::MessageBuilder;
use token_binding::verify::{
    OpenSsl, RustCrypto, VerifiedBindings, verify_binding, verify_header, verify_message,
};
use token_binding::{EKM_LENGTH, Ekm, Error, KeyParameters, TokenBindingType, header};

/// The negotiated key parameters, the EKM, a message: OpenSSL, the crates p256 and rsa, and a second reading of the
/// RFC's rules give one verdict, and what they accept holds for nothing else.
pub fn verification(data: &[u8]) {
    let Some((&[negotiated, ref ekm @ ..], bytes)) = data.split_first_chunk::<{ 1 + EKM_LENGTH }>() else {
        return;
    };
    let (negotiated, ekm) = (KeyParameters(negotiated), Ekm::new(*ekm));
    let Ok(message) = TokenBindingMessage::parse(bytes) else { return };

    let signatures: Vec<bool> = message.bindings().iter().map(|binding| is_valid(binding, &ekm)).collect();
    let verdict = verify_message(&OpenSsl, &message, negotiated, &ekm);
    assert!(openssl::error::Error::get().is_none(), "an error is left in OpenSSL's queue");
    assert_eq!(verdict, verify_message(&RustCrypto, &message, negotiated, &ekm));
    assert_eq!(verdict, verify_header(header::encode(bytes).as_bytes(), negotiated, &ekm));
    let parts = reference::message(bytes).unwrap();
    assert_eq!(verdict.is_ok(), is_acceptable(&parts, &signatures, negotiated), "{verdict:?}");
    match verdict {
        Ok(verified) => accepted(&verified, &parts, &signatures, negotiated, &ekm),
        Err(error) => assert!(!error.is_internal(), "{error}: a peer's bytes are no fault of ours"),
    }
}

/// Both backends' word on one signature.
fn is_valid(binding: &TokenBinding<'_>, ekm: &Ekm) -> bool {
    let verdict = verify_binding(&OpenSsl, binding, ekm);
    assert_eq!(verdict, verify_binding(&RustCrypto, binding, ekm), "the backends disagree");
    verdict.is_ok()
}

/// RFC 8471 section 4.2 and RFC 8473 section 2, given which signatures are valid.
fn is_acceptable(parts: &[Part<'_>], signatures: &[bool], negotiated: KeyParameters) -> bool {
    let of_type = |number| {
        let pairs = parts.iter().zip(signatures);
        pairs.filter(|(part, _)| part.tokenbinding_type == number).collect::<Vec<_>>()
    };
    let provided = matches!(of_type(0)[..], [(part, true)] if part.id[0] == negotiated.0);
    let referred = match of_type(1)[..] {
        [] => true,
        [(part, is_valid)] => *is_valid || part.id[0] > 2,
        _ => false,
    };
    provided && referred
}

fn accepted(
    verified: &VerifiedBindings,
    parts: &[Part<'_>],
    signatures: &[bool],
    negotiated: KeyParameters,
    ekm: &Ekm,
) {
    let proven = || parts.iter().zip(signatures).filter(|(_, is_valid)| **is_valid).map(|(part, _)| part);
    let one = |number: u8| proven().find(|part| part.tokenbinding_type == number).map(|part| part.id);
    assert_eq!(Some(verified.provided().as_bytes()), one(0));
    assert_eq!(verified.referred().map(|id| id.as_bytes()), one(1));
    let others = verified.others().iter().map(|other| (other.token_binding_type().0, other.id().as_bytes()));
    let expected = proven().filter(|part| part.tokenbinding_type > 1);
    assert!(others.eq(expected.map(|part| (part.tokenbinding_type, part.id))));

    // No other connection, no other negotiation, no other signature, no other use of the key.
    let verdict = |parts: &[(u8, &[u8], &[u8])], negotiated, ekm: &Ekm| {
        let mut message = MessageBuilder::new();
        for (number, id, signature) in parts {
            message.add_raw(TokenBindingType(*number), id, signature, &[]).unwrap();
        }
        verify_header(message.finish_header().as_bytes(), negotiated, ekm)
    };
    let provided = parts.iter().find(|part| part.tokenbinding_type == 0).unwrap();
    let alone =
        |number, signature: &[u8], ekm: &Ekm| verdict(&[(number, provided.id, signature)], negotiated, ekm);
    let id = |verdict: Result<VerifiedBindings, Error>| verdict.map(|verified| verified.provided().clone());
    assert_eq!(id(alone(0, provided.signature, ekm)).as_ref(), Ok(verified.provided()));
    let bad = Err(Error::BadSignature { binding: TokenBindingType::PROVIDED });
    let mut other_ekm = *ekm.as_bytes();
    other_ekm[usize::from(provided.signature[1]) % EKM_LENGTH] ^= 1;
    assert_eq!(alone(0, provided.signature, &Ekm::new(other_ekm)), bad);
    let mut spoiled = provided.signature.to_vec();
    let at = usize::from(provided.signature[0]) % spoiled.len();
    spoiled[at] ^= 1;
    assert_eq!(alone(0, &spoiled, ekm), bad);
    let used = negotiated;
    for negotiated in (0..4).map(KeyParameters).filter(|other| *other != used) {
        let mismatch = Err(Error::KeyParametersMismatch { negotiated, used });
        assert_eq!(verdict(&[(0, provided.id, provided.signature)], negotiated, ekm), mismatch);
    }
    let as_referred = [(0, provided.id, provided.signature), (1, provided.id, provided.signature)];
    let bad = Err(Error::BadSignature { binding: TokenBindingType::REFERRED });
    assert_eq!(verdict(&as_referred, negotiated, ekm), bad);
}
