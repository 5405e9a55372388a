//! Bytes that are no text, in a string. Servers set cookies in Latin-1 and worse, and get back what they set.

/// Where the bytes 0x80 to 0xff are: at the end of the last private plane, which no text uses.
const BASE: u32 = 0x0010_FE00;

/// A string for these bytes: text as it is, other bytes each as a character of their own.
pub(super) fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(BASE + u32::from(*byte))));
    }
    text
}

/// The bytes that such a string is for.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character).wrapping_sub(BASE)) {
            Ok(byte) if !byte.is_ascii() => bytes.push(byte),
            _ => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_back() {
        let all: Vec<u8> = (0..=u8::MAX).chain("\u{e9}\u{1f36a}".bytes()).collect();
        assert_eq!(encode(&decode(&all)), all);
        assert_eq!(decode("caf\u{e9}".as_bytes()), "caf\u{e9}");
    }
}
