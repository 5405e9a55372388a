use super::given::{ELSEWHERE, KEYRING, STRANGER, seal_value, unseal};
use token_binding_server::cookies::seal::{Broken, Form, SealedFor};

/// How to seal; a name and a Token Binding ID, each behind its length; the rest is a value, and something that may be a
/// sealed value. What is sealed is unsealed for its name, client and server only, and there is one MAC for one value.
pub fn seal(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first() else { return };
    let Some((name, rest)) = short(rest) else { return };
    let Some((id, value)) = short(rest) else { return };
    let form = if flags & 1 == 1 { Form::Encrypted } else { Form::Readable };
    let mut thumbprint = [0; 32];
    thumbprint.iter_mut().zip(id).for_each(|(place, byte)| *place = *byte);
    let client = match flags >> 1 & 3 {
        0 => SealedFor::Key(id),
        1 => SealedFor::Unbound,
        2 => SealedFor::Device(&thumbprint),
        _ => SealedFor::Pending,
    };

    let sealed = seal_value(&KEYRING, form, name, value, client);
    assert_eq!(sealed.len(), form.length(value.len()));
    assert_eq!(unseal(&KEYRING, name, &sealed, client).as_deref(), Ok(value));
    assert_eq!(unseal(&ELSEWHERE, name, &sealed, client), Err(Broken::OtherRealm));
    assert_eq!(unseal(&STRANGER, name, &sealed, client), Err(Broken::UnknownSecret));
    assert_eq!(unseal(&KEYRING, &[name, b"x"].concat(), &sealed, client), Err(Broken::Invalid));
    let longer = [id, b"x"].concat();
    let (other, broken) = match client {
        SealedFor::Unbound | SealedFor::Pending => (SealedFor::Key(id), Broken::ForUnbound),
        SealedFor::Key(_) => (SealedFor::Unbound, Broken::ForBound),
        SealedFor::Device(_) => (SealedFor::Pending, Broken::ForDevice),
    };
    assert_eq!(unseal(&KEYRING, name, &sealed, other), Err(broken));
    if client == SealedFor::Key(id) {
        assert_eq!(unseal(&KEYRING, name, &sealed, SealedFor::Key(&longer)), Err(Broken::Invalid));
    }
    if let SealedFor::Device(thumbprint) = client {
        let mut another = *thumbprint;
        another[usize::from(flags) % 32] ^= 1;
        assert_eq!(unseal(&KEYRING, name, &sealed, SealedFor::Device(&another)), Err(Broken::Invalid));
    }
    changed(name, &sealed, client, usize::from(flags) * 251 + value.len());
    borders(form, name, value, client);
    given(name, value, client);
}

fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// One bit less or more, one byte less or more.
fn changed(name: &[u8], sealed: &[u8], client: SealedFor<'_>, at: usize) {
    let mut flipped = sealed.to_vec();
    flipped[at / 8 % sealed.len()] ^= 1 << (at % 8);
    assert!(unseal(&KEYRING, name, &flipped, client).is_err());
    assert!(unseal(&KEYRING, name, &sealed[..sealed.len() - 1], client).is_err());
    assert!(unseal(&KEYRING, name, &[sealed, b"A"].concat(), client).is_err());
}

/// A byte that goes from the value to the name makes another seal.
fn borders(form: Form, name: &[u8], value: &[u8], client: SealedFor<'_>) {
    let Some((first, rest)) = value.split_first() else { return };
    let longer = [name, &[*first]].concat();
    let sealed = seal_value(&KEYRING, form, &longer, rest, client);
    assert_eq!(unseal(&KEYRING, &longer, &sealed, client).as_deref(), Ok(rest));
    assert_eq!(unseal(&KEYRING, name, &sealed, client), Err(Broken::Invalid));
}

/// Something that may be a sealed value: what is accepted is what sealing writes.
fn given(name: &[u8], given: &[u8], client: SealedFor<'_>) {
    match unseal(&KEYRING, name, given, client) {
        Ok(value) if given.get(4) == Some(&b'm') => {
            assert_eq!(seal_value(&KEYRING, Form::Readable, name, &value, client), given);
        }
        Ok(_) => assert_eq!(given.get(4), Some(&b'e')),
        Err(_) => {}
    }
    assert!(unseal(&STRANGER, name, given, client).is_err());
    assert!(
        unseal(&KEYRING, name, given, SealedFor::Key(b"mallory")).is_err()
            || client == SealedFor::Key(b"mallory")
    );
}
