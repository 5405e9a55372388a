//! The formats, read a second time: nothing here is shared with the decoders it is compared with.

/// One binding of a message.
pub(super) struct Part<'a> {
    pub(super) tokenbinding_type: u8,
    /// The whole `TokenBindingID`.
    pub(super) id: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) extensions: &'a [u8],
}

/// A message with 1 to 16 bindings, or nothing (RFC 8471 section 3).
pub(super) fn message(bytes: &[u8]) -> Option<Vec<Part<'_>>> {
    let (mut list, after) = prefixed(bytes)?;
    if list.len() < 132 || !after.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    while !list.is_empty() {
        let (tokenbinding_type, from_id) = list.split_first()?;
        let (key, rest) = prefixed(from_id.get(1..)?)?;
        let (signature, rest) = prefixed(rest)?;
        let (extensions, rest) = prefixed(rest)?;
        if signature.len() < 64 || !are_extensions(extensions) {
            return None;
        }
        let id = &from_id[..3 + key.len()];
        parts.push(Part { tokenbinding_type: *tokenbinding_type, id, signature, extensions });
        list = rest;
    }
    (parts.len() <= 16).then_some(parts)
}

fn are_extensions(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match prefixed(&bytes[1..]) {
            Some((_, rest)) => bytes = rest,
            None => return false,
        }
    }
    true
}

/// The bytes behind a 16 bit length, and those after them.
pub(super) fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [high, low, rest @ ..] = bytes else { return None };
    rest.split_at_checked(usize::from(*high) * 256 + usize::from(*low))
}

/// base64url without padding, in the one way to write it.
pub(super) fn is_base64url(text: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = |byte: &u8| ALPHABET.iter().position(|known| known == byte);
    let Some(values) = text.iter().map(value).collect::<Option<Vec<usize>>>() else { return false };
    match (values.len() % 4, values.last()) {
        (1, _) => false,
        (2, Some(last)) => last % 16 == 0,
        (3, Some(last)) => last % 4 == 0,
        _ => true,
    }
}
