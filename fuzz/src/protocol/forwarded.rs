use super::reference;
use token_binding::forwarded::{ForwardedError, ForwardedHeaders};
use token_binding::header::MAX_HEADER_LENGTH;
use token_binding::key::PublicKey;
use token_binding::{KeyParameters, header};

/// A trusted proxy's headers, a line each: provided, referred, other. A line that is not there, or is `-`, is no header.
pub fn forwarded(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n').map(|line| Some(line).filter(|line| *line != b"-"));
    let mut line = || lines.next().flatten();
    let headers = ForwardedHeaders { provided: line(), referred: line(), other: line() };
    let ForwardedHeaders { provided, referred, other } = headers;

    let bindings = headers.bindings();
    let Some(provided) = provided else {
        match bindings {
            Ok(None) => assert!(headers.is_empty()),
            Err(ForwardedError::NoProvided { .. }) => assert!(!headers.is_empty()),
            other => panic!("{other:?}"),
        }
        return;
    };
    let is_right =
        is_id(provided) && referred.is_none_or(is_id) && other.is_none_or(|list| elements(list).is_some());
    assert_eq!(bindings.is_ok(), is_right, "{bindings:?}");
    let Ok(Some(bindings)) = bindings else { return };

    assert_eq!(bindings.provided().base64url().as_bytes(), provided);
    assert_eq!(bindings.referred().map(|id| id.base64url().as_bytes()), referred);
    let written = other.and_then(elements).map(|elements| elements.join(&b','));
    assert_eq!(bindings.others_header_value().map(str::as_bytes), written.as_deref());
    let again = ForwardedHeaders { other: written.as_deref(), ..headers };
    assert_eq!(again.bindings(), Ok(Some(bindings)));
}

/// base64url of an ID whose key is well-formed, if anybody here knows its form.
fn is_id(text: &[u8]) -> bool {
    if text.len() > MAX_HEADER_LENGTH || !reference::is_base64url(text) {
        return false;
    }
    let id = header::decode(text).unwrap();
    let Some((number, rest)) = id.split_first() else { return false };
    match reference::prefixed(rest) {
        Some((key, [])) => *number > 2 || PublicKey::parse(KeyParameters(*number), key).is_ok(),
        _ => false,
    }
}

/// The elements of `Sec-Other-Token-Binding-ID`, if each is right and there are 1 to 16.
fn elements(list: &[u8]) -> Option<Vec<&[u8]>> {
    let elements: Vec<&[u8]> = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
    let is_right = |element: &&[u8]| match element {
        // Two letters are one byte; AA is 0, AQ is 1.
        [first, second, b'.', id @ ..] => {
            let tokenbinding_type = [*first, *second];
            reference::is_base64url(&tokenbinding_type)
                && !matches!(&tokenbinding_type, b"AA" | b"AQ")
                && is_id(id)
        }
        _ => false,
    };
    (elements.len() <= 16 && elements.iter().all(is_right)).then_some(elements)
}
