//! What a `Location` header says.

use std::borrow::Cow;
use std::fmt::Write;

/// The value as text. Bytes that are no text are percent-encoded, as browsers and curl do with them.
pub(crate) fn text(value: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(value) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(value.len() + 16);
    for byte in value {
        if byte.is_ascii() {
            text.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_a_location() {
        assert_eq!(text(b"/a"), "/a");
        assert_eq!(text("/caf\u{e9}".as_bytes()), "/caf\u{e9}");
        assert_eq!(text(b"/caf\xe9/\xff"), "/caf%E9/%FF");
    }
}
