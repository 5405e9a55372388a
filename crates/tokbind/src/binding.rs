//! The `Sec-Token-Binding` header (RFC 8473 section 2).

pub(crate) mod once;

pub use token_binding::header::{INCLUDE_REFERRED_TOKEN_BINDING_ID, SEC_TOKEN_BINDING};
pub use token_binding::sign::{MessageBuilder, Signer};

use crate::{Ekm, Result, TokenBindingType};

/// Makes the header's value for a connection: the provided binding and, when a redirect asked for it, the referred one.
///
/// `ekm` is the connection's exported keying material: [`TlsConnection::ekm`](crate::tls::TlsConnection::ekm), or any
/// other TLS library's exporter with [`EXPORTER_LABEL`](token_binding::EXPORTER_LABEL), no context and 32 bytes. The
/// provided key must have the negotiated parameters (RFC 8472 section 4); the referred one may have others.
///
/// The value stays the same for the connection's life, so sign once and send it with each request. After a TLS 1.2
/// renegotiation it must be made again. Use [`MessageBuilder`] for any other message.
///
/// ```
/// use tokbind::{Ekm, KeyParameters, PrivateKey, binding};
///
/// # fn main() -> tokbind::Result<()> {
/// let key = PrivateKey::generate(KeyParameters::ECDSAP256)?;
/// let exported = [7; 32]; // from the TLS session
/// let value = binding::header(&Ekm::new(exported), &key, None)?;
/// # assert!(value.len() > 100);
/// # Ok(())
/// # }
/// ```
pub fn header(ekm: &Ekm, provided: &dyn Signer, referred: Option<&dyn Signer>) -> Result<String> {
    let mut message = MessageBuilder::new();
    message.add(TokenBindingType::PROVIDED, provided, ekm)?;
    if let Some(referred) = referred {
        message.add(TokenBindingType::REFERRED, referred, ekm)?;
    }
    Ok(message.finish_header())
}

#[cfg(test)]
mod tests {
    use token_binding::verify::verify_header;

    use super::*;
    use crate::{KeyParameters, PrivateKey};

    #[test]
    fn a_server_verifies_it() {
        let ekm = Ekm::new([7; 32]);
        let ec = PrivateKey::generate(KeyParameters::ECDSAP256).unwrap();
        let rsa = PrivateKey::generate(KeyParameters::RSA2048_PSS).unwrap();

        let value = header(&ekm, &ec, None).unwrap();
        let verified = verify_header(value.as_bytes(), KeyParameters::ECDSAP256, &ekm).unwrap();
        assert_eq!(verified.provided().as_bytes(), ec.token_binding_id());
        assert!(verified.referred().is_none());

        let value = header(&ekm, &rsa, Some(&ec)).unwrap();
        let verified = verify_header(value.as_bytes(), KeyParameters::RSA2048_PSS, &ekm).unwrap();
        assert_eq!(verified.provided().as_bytes(), rsa.token_binding_id());
        assert_eq!(verified.referred().unwrap().as_bytes(), ec.token_binding_id());
        assert!(verify_header(value.as_bytes(), KeyParameters::RSA2048_PSS, &Ekm::new([8; 32])).is_err());
    }
}
