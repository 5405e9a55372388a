//! base64url as JOSE has it (RFC 7515 section 2): without padding, white space or line breaks, and in one form only: bits
//! after the last byte are zero.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_form() {
        // RFC 7515 appendix C.
        assert_eq!(encode([3, 236, 255, 224, 193]), "A-z_4ME");
        assert_eq!(decode("A-z_4ME").unwrap(), [3, 236, 255, 224, 193]);
        for other in ["A-z_4ME=", "A-z_4MF", "A+z/4ME", "A-z_4M", " A-z_4ME", "A-z_\n4ME", "A"] {
            assert_eq!(decode(other).filter(|bytes| encode(bytes) != *other), None, "{other}");
        }
        assert!(decode("A-z_4MF").is_none() && decode("A-z_4ME=").is_none());
    }
}
