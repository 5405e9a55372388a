//! Makes a Token Binding message, signs it and verifies it, as client and server do on one connection.
//!
//! usage: message

use token_binding::sign::openssl::PrivateKey;
use token_binding::sign::{MessageBuilder, Signer};
use token_binding::verify::verify_header;
use token_binding::{Ekm, Error, KeyParameters, TokenBindingType};

fn main() -> Result<(), Error> {
    // Both ends of a TLS connection export the same 32 bytes. Here is no connection, so these are made up.
    let ekm = Ekm::new([7; 32]);
    let negotiated = KeyParameters::ECDSAP256;

    // The client: its key for this site, and the header that proves it.
    let key = PrivateKey::generate(negotiated)?;
    let mut message = MessageBuilder::new();
    message.add(TokenBindingType::PROVIDED, &key, &ekm)?;
    let header = message.finish_header();
    println!("Sec-Token-Binding: {header}");

    // The server: whose key is it?
    let verified = verify_header(header.as_bytes(), negotiated, &ekm)?;
    println!("Token Binding ID: {}", verified.provided().base64url());
    assert_eq!(verified.provided().as_bytes(), key.token_binding_id());

    // On another connection the same header proves nothing.
    match verify_header(header.as_bytes(), negotiated, &Ekm::new([8; 32])) {
        Ok(_) => unreachable!("a stolen header was accepted"),
        Err(error) => println!("on another connection: {error}"),
    }
    Ok(())
}
