//! Keys in a PKCS #11 token: a TPM, a smart card, SoftHSM. They are made in it and never leave it (RFC 8471 section 7.1).
//!
//! A key is a pair of objects with one `CKA_ID` and the label `tokbind DOMAIN PARAMETERS`. Tokens sign with P-256 here, and
//! with nothing else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use openssl::sha::sha256;
use token_binding::key::PublicKey;
use token_binding::sign::Signer;
use zeroize::Zeroizing;

use super::error::KeyStoreError;
use super::uri::TokenUri;
use crate::KeyParameters;

/// The OID of P-256, in DER (RFC 5480 section 2.1.1.1).
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const PREFIX: &str = "tokbind ";

type Result<T> = std::result::Result<T, KeyStoreError>;

/// A token, logged in to.
#[derive(Clone, Debug)]
pub(super) struct Token {
    session: Arc<Mutex<Session>>,
    name: Arc<str>,
}

/// A key in a token.
#[derive(Debug)]
pub(super) struct TokenKey {
    token: Token,
    private: ObjectHandle,
    public: PublicKey,
}

impl Token {
    /// Finds the token and logs in. `ask` is asked for the PIN of the token of this name, where the URI does not say it.
    pub(super) fn open(
        uri: &str,
        ask: impl FnOnce(&str) -> std::io::Result<Zeroizing<String>>,
    ) -> Result<Self> {
        let uri = TokenUri::parse(uri).map_err(|reason| failed("the URI", reason))?;
        let module = uri.module.display();
        let pkcs11 = Pkcs11::new(&uri.module)
            .map_err(|error| failed(&format!("loading the PKCS #11 module {module}"), explained(&error)))?;
        match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another store of this process has it open.
            Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(failed(&format!("the PKCS #11 module {module}"), explained(&error))),
        }
        let (slot, name) = find(&pkcs11, &uri)?;
        let at = |doing: &str| {
            let place = format!("{doing} the token {name:?}");
            move |error: Pkcs11Error| failed(&place, explained(&error))
        };
        let info = pkcs11.get_token_info(slot).map_err(at("asking"))?;
        if info.user_pin_locked() {
            return Err(failed(
                &format!("the token {name:?}"),
                "its PIN is locked, after wrong ones".to_owned(),
            ));
        }
        let session = pkcs11.open_rw_session(slot).map_err(at("opening"))?;
        if info.login_required() {
            let read = uri.pin().map_err(|error| failed("reading the pin-source", error.to_string()))?;
            let pin = match read {
                Some(pin) => pin,
                None => ask(&name).map_err(|error| failed("asking for the PIN", error.to_string()))?,
            };
            match session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into()))) {
                Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
                Err(error) => return Err(at("logging in to")(error)),
            }
        }
        Ok(Token { session: Arc::new(Mutex::new(session)), name: name.into() })
    }

    /// The token's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The key for a domain, made if there is none and one is wanted.
    pub(super) fn key(
        &self,
        domain: &str,
        key_parameters: KeyParameters,
        make: bool,
    ) -> Result<Option<TokenKey>> {
        let Some(label) = label(domain, key_parameters) else {
            if !make {
                return Ok(None);
            }
            let reason = format!("keys for {key_parameters} can't be made in it: only for ecdsap256");
            return Err(failed(&format!("the token {:?}", self.name), reason));
        };
        let session = self.session();
        if self.public(&session, &label)?.is_none() {
            if !make {
                return Ok(None);
            }
            self.generate(&session, &label)?;
        }
        // Of two that were made at the same time, everybody takes the same.
        let Some((public, id)) = self.public(&session, &label)? else {
            return Err(self.failed("making a key in", "it is not there".to_owned()));
        };
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id)];
        let found = session.find_objects(&template).map_err(self.at("looking for a key in"))?;
        let private = found.first().copied();
        let private = private
            .ok_or_else(|| self.failed("looking for a key in", format!("{label:?} has no private half")))?;
        Ok(Some(TokenKey { token: self.clone(), private, public }))
    }

    fn generate(&self, session: &Session, label: &str) -> Result<()> {
        let mut id = vec![0; 16];
        openssl::rand::rand_bytes(&mut id)
            .map_err(|error| self.failed("making a key in", error.to_string()))?;
        let label = Attribute::Label(label.as_bytes().to_vec());
        let public = [
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::KeyType(KeyType::EC),
            Attribute::EcParams(P256.to_vec()),
            Attribute::Verify(true),
            Attribute::Id(id.clone()),
            label.clone(),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Id(id),
            label,
        ];
        let made = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private);
        made.map(|_| ()).map_err(self.at("making a key in"))
    }

    /// The public half of the key of this label, and its ID.
    fn public(&self, session: &Session, label: &str) -> Result<Option<(PublicKey, Vec<u8>)>> {
        let template =
            [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Label(label.as_bytes().to_vec())];
        let mut all = Vec::new();
        for handle in session.find_objects(&template).map_err(self.at("looking for a key in"))? {
            all.extend(self.read(session, handle)?.map(|(_, public, id)| (public, id)));
        }
        Ok(all.into_iter().min_by(|(_, a), (_, b)| a.cmp(b)))
    }

    /// Label, key and ID of a public key; `None` for one that is no P-256 key.
    fn read(&self, session: &Session, handle: ObjectHandle) -> Result<Option<(String, PublicKey, Vec<u8>)>> {
        let wanted = [AttributeType::Label, AttributeType::EcPoint, AttributeType::Id];
        let attributes = session.get_attributes(handle, &wanted).map_err(self.at("reading a key of"))?;
        let (mut label, mut point, mut id) = (None, None, None);
        for attribute in attributes {
            match attribute {
                Attribute::Label(bytes) => label = String::from_utf8(bytes).ok(),
                Attribute::EcPoint(bytes) => point = coordinates(&bytes),
                Attribute::Id(bytes) => id = Some(bytes),
                _ => {}
            }
        }
        let public = point.and_then(|point| {
            // As a TokenBindingID has it: the length, then the coordinates (RFC 8471 section 3.2).
            let bytes: Vec<u8> = std::iter::once(64).chain(point).collect();
            PublicKey::parse(KeyParameters::ECDSAP256, &bytes).ok()
        });
        Ok(label.zip(public).zip(id).map(|((label, public), id)| (label, public, id)))
    }

    /// The domains of all keys, with their public halves.
    pub(super) fn list(&self) -> Result<Vec<(String, PublicKey)>> {
        let session = self.session();
        let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::KeyType(KeyType::EC)];
        let mut list = Vec::new();
        for handle in session.find_objects(&template).map_err(self.at("looking for keys in"))? {
            if let Some((label, public, _)) = self.read(&session, handle)?
                && let Some(domain) = domain(&label)
            {
                list.push((domain.to_owned(), public));
            }
        }
        list.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(list)
    }

    /// Deletes the key for a domain; `false` when there is none.
    pub(super) fn delete(&self, domain: &str, key_parameters: KeyParameters) -> Result<bool> {
        let Some(label) = label(domain, key_parameters) else { return Ok(false) };
        let session = self.session();
        let template = [Attribute::Label(label.into_bytes())];
        let found = session.find_objects(&template).map_err(self.at("looking for a key in"))?;
        for handle in &found {
            session.destroy_object(*handle).map_err(self.at("deleting a key of"))?;
        }
        Ok(!found.is_empty())
    }

    /// One thread at a time. A panic elsewhere leaves no operation half-done: each is one call.
    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, doing: &str) -> impl Fn(Pkcs11Error) -> KeyStoreError + use<> {
        let place = format!("{doing} the token {:?}", self.name);
        move |error| failed(&place, explained(&error))
    }

    fn failed(&self, doing: &str, reason: String) -> KeyStoreError {
        failed(&format!("{doing} the token {:?}", self.name), reason)
    }
}

impl Signer for TokenKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The token gets the hash, and gives r and s, 32 bytes each, as the message carries them (RFC 8471 section 3.3).
    fn sign(&self, signed: &[u8]) -> std::result::Result<Vec<u8>, token_binding::Error> {
        let signature = self.token.session().sign(&Mechanism::Ecdsa, self.private, &sha256(signed));
        signature
            .ok()
            .filter(|signature| signature.len() == 64)
            .ok_or(token_binding::Error::Backend { operation: "sign", reason: "the token did not" })
    }
}

fn find(pkcs11: &Pkcs11, uri: &TokenUri) -> Result<(Slot, String)> {
    let failed_to = |error: Pkcs11Error| failed("looking for tokens", explained(&error));
    let mut names = Vec::new();
    let mut found = None;
    for slot in pkcs11.get_slots_with_token().map_err(failed_to)? {
        // One that is not ready is none.
        let Ok(info) = pkcs11.get_token_info(slot) else { continue };
        let is =
            |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|wanted| wanted == has.trim());
        let fits = is(&uri.token, info.label())
            && is(&uri.manufacturer, info.manufacturer_id())
            && is(&uri.model, info.model())
            && is(&uri.serial, info.serial_number())
            && uri.slot.is_none_or(|wanted| wanted == slot.id());
        if !info.token_initialized() {
            continue;
        }
        let name = info.label().trim().to_owned();
        names.push(format!("{name:?}"));
        if fits && found.replace((slot, name)).is_some() {
            return Err(failed("looking for the token", "the URI fits several; say more".to_owned()));
        }
    }
    found.ok_or_else(|| {
        let there = if names.is_empty() {
            "there is none".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        };
        failed("looking for the token", format!("the URI fits no token that is ready: {there}"))
    })
}

fn label(domain: &str, key_parameters: KeyParameters) -> Option<String> {
    (key_parameters == KeyParameters::ECDSAP256).then(|| format!("{PREFIX}{domain} ecdsap256"))
}

fn domain(label: &str) -> Option<&str> {
    label.strip_prefix(PREFIX)?.strip_suffix(" ecdsap256")
}

/// The coordinates of a `CKA_EC_POINT`: a point in the form of SEC 1, in a DER octet string; some tokens leave that out.
fn coordinates(point: &[u8]) -> Option<[u8; 64]> {
    let bare = point.strip_prefix(&[0x04, 65, 0x04]).or_else(|| point.strip_prefix(&[0x04]))?;
    bare.try_into().ok()
}

fn failed(doing: &str, reason: String) -> KeyStoreError {
    KeyStoreError::Token { doing: doing.to_owned(), reason }
}

/// What a token's user can do about it.
fn explained(error: &Pkcs11Error) -> String {
    let advice = match error {
        Pkcs11Error::Pkcs11(RvError::PinIncorrect, _) => {
            "the PIN is wrong; after some wrong ones it is locked"
        }
        Pkcs11Error::Pkcs11(RvError::PinLocked, _) => "its PIN is locked, after wrong ones",
        Pkcs11Error::Pkcs11(RvError::DeviceMemory, _) => "it is full: delete keys that are not needed",
        Pkcs11Error::Pkcs11(RvError::TokenNotPresent | RvError::DeviceRemoved, _) => {
            "it is not there any more"
        }
        Pkcs11Error::Pkcs11(RvError::TokenWriteProtected, _) => "it can't be written to",
        _ => return error.to_string(),
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_has_one_form_or_the_other() {
        let raw: Vec<u8> = std::iter::once(4).chain(1..65).collect();
        let der: Vec<u8> = [4, 65].into_iter().chain(raw.iter().copied()).collect();
        assert_eq!(coordinates(&raw), coordinates(&der));
        assert_eq!(coordinates(&raw).unwrap()[0], 1);
        assert!(coordinates(&raw[1..]).is_none() && coordinates(&[]).is_none());
    }
}
