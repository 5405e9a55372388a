//! Exported keying material (RFC 8471 section 3.3).

use std::fmt;

use zeroize::Zeroize;

/// The TLS exporter's label, without a terminating NUL. No context value goes with it (RFC 8471 section 3.3).
pub const EXPORTER_LABEL: &str = "EXPORTER-Token-Binding";

/// How many bytes to ask of the TLS exporter (RFC 8471 section 3.3).
pub const EKM_LENGTH: usize = 32;

/// The exported keying material of one TLS connection: what a Token Binding signature signs, and so what ties a message
/// to that connection and to no other.
///
/// It is never printed, and wiped when dropped.
#[derive(Clone)]
pub struct Ekm([u8; EKM_LENGTH]);

impl Ekm {
    /// Takes the exporter's output for [`EXPORTER_LABEL`], without a context value.
    #[must_use]
    pub const fn new(bytes: [u8; EKM_LENGTH]) -> Self {
        Self(bytes)
    }

    /// The exporter's output.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; EKM_LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Ekm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ekm(..)")
    }
}

impl Drop for Ekm {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_keeps_the_secret() {
        assert_eq!(format!("{:?}", Ekm::new([0xab; EKM_LENGTH])), "Ekm(..)");
    }
}
