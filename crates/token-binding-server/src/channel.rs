//! One TLS connection with Token Binding: what its handshake agreed on, its exported keying material (EKM), and the
//! messages that were verified with it.
//!
//! The cache of verified messages belongs to one EKM and dies with it: a message that was accepted on another
//! connection, or before a renegotiation, is never found here.

use std::sync::{Arc, Mutex};

use token_binding::Ekm;
use token_binding::header::context_value;
use token_binding::negotiate::Negotiated;
use token_binding::verify::verify_header;

use zeroize::Zeroizing;

use crate::headers::is_list;
use crate::outcome::{Fault, Refusal};
use crate::texts::Texted;

/// Messages remembered per connection. A browser repeats one message per site for as long as the connection lives; a
/// few sites can share an HTTP/2 connection.
const REMEMBERED_MESSAGES: usize = 4;

/// How far the handshakes of a connection have come with Token Binding.
///
/// `renegotiations` is OpenSSL's count of them on this connection: a renegotiation in which the client leaves the
/// extension out calls none of our callbacks, and only the count tells that the old result no longer holds.
#[derive(Debug, Default)]
pub enum Handshake {
    /// No ClientHello with an acceptable offer in this handshake.
    #[default]
    NotOffered,
    /// A ClientHello was accepted; the answer may be on its way.
    Agreed { negotiated: Negotiated, renegotiations: i64, answered: bool },
    /// The handshake is over, the EKM known.
    Open { channel: Arc<Channel>, renegotiations: i64 },
}

impl Handshake {
    /// A ClientHello with the extension has arrived: `agreed` is what we will answer, if anything.
    pub fn offered(&mut self, agreed: Option<Negotiated>, renegotiations: i64) {
        *self = match agreed {
            Some(negotiated) => Self::Agreed { negotiated, renegotiations, answered: false },
            None => Self::NotOffered,
        };
    }

    /// The server's answer is being written: what to answer with.
    pub fn answer(&mut self) -> Option<Negotiated> {
        match self {
            Self::Agreed { negotiated, answered, .. } => {
                *answered = true;
                Some(*negotiated)
            }
            Self::NotOffered | Self::Open { .. } => None,
        }
    }

    /// The channel in force; for the connection's own thread. `renegotiations` is the current count. `export` fetches the EKM,
    /// and is called once per finished handshake.
    pub fn open(
        &mut self,
        renegotiations: i64,
        export: impl FnOnce() -> Result<Ekm, Fault>,
    ) -> Result<Option<Arc<Channel>>, Fault> {
        match self {
            Self::NotOffered => Ok(None),
            Self::Agreed { negotiated, renegotiations: at, answered: true } if *at == renegotiations => {
                let channel = Arc::new(Channel::new(*negotiated, export()?));
                *self = Self::Open { channel: Arc::clone(&channel), renegotiations };
                Ok(Some(channel))
            }
            Self::Open { channel, renegotiations: at, .. } if *at == renegotiations => {
                Ok(Some(Arc::clone(channel)))
            }
            Self::Agreed { .. } | Self::Open { .. } => {
                *self = Self::NotOffered;
                Ok(None)
            }
        }
    }

    /// The same for an HTTP/2 worker thread, which must not touch the TLS connection.
    pub fn opened(&self) -> Result<Option<Arc<Channel>>, Fault> {
        match self {
            Self::Open { channel, .. } => Ok(Some(Arc::clone(channel))),
            Self::Agreed { answered: true, .. } => Err(Fault::Incomplete),
            Self::Agreed { answered: false, .. } | Self::NotOffered => Ok(None),
        }
    }
}

/// A connection on which Token Binding is in force.
#[derive(Debug)]
pub struct Channel {
    negotiated: Negotiated,
    ekm: Ekm,
    /// Newest first. Requests of one HTTP/2 connection run on several threads; the lock is held while a signature is
    /// verified, so that the same message arriving on all of them is verified once.
    verified: Mutex<[Option<Arc<Verified>>; REMEMBERED_MESSAGES]>,
}

#[derive(Debug)]
struct Verified {
    header: Box<[u8]>,
    bindings: Texted,
}

impl Channel {
    fn new(negotiated: Negotiated, ekm: Ekm) -> Self {
        Self { negotiated, ekm, verified: Mutex::default() }
    }

    pub fn negotiated(&self) -> Negotiated {
        self.negotiated
    }

    /// Verifies the value of a `Sec-Token-Binding` header for this connection. Also returns whether it was cached.
    pub fn verify(self: &Arc<Self>, header: &[u8]) -> Result<(Binding, bool), Refusal> {
        let mut verified = self.verified.lock().map_err(|_| Refusal::Fault(Fault::Poisoned))?;
        if let Some(known) = verified.iter().flatten().find(|known| *known.header == *header) {
            return Ok((Binding { channel: Arc::clone(self), verified: Arc::clone(known) }, true));
        }
        if is_list(header) {
            return Err(Refusal::DuplicateHeader);
        }
        let bindings =
            verify_header(header, self.negotiated.key_parameters, &self.ekm).map_err(Refusal::Message)?;
        let fresh = Arc::new(Verified { header: header.into(), bindings: Texted::new(bindings) });
        // The oldest comes to the front, where it is replaced.
        verified.rotate_right(1);
        let [front, ..] = &mut *verified;
        *front = Some(Arc::clone(&fresh));
        Ok((Binding { channel: Arc::clone(self), verified: fresh }, false))
    }
}

/// A request's verified Token Binding. It outlives the connection's cache and a renegotiation: the request that
/// triggers one was signed with the EKM before it, and stays valid.
#[derive(Debug, Clone)]
pub struct Binding {
    channel: Arc<Channel>,
    verified: Arc<Verified>,
}

impl Binding {
    pub fn texted(&self) -> &Texted {
        &self.verified.bindings
    }

    /// base64url of version, key parameters and EKM. It holds secret keying material, so it is passed on only where it is
    /// configured.
    pub fn context(&self) -> Zeroizing<String> {
        context_value(self.channel.negotiated, &self.channel.ekm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use token_binding::sign::MessageBuilder;
    use token_binding::sign::openssl::PrivateKey;
    use token_binding::{Error, KeyParameters, ProtocolVersion, TokenBindingType};

    const NEGOTIATED: Negotiated =
        Negotiated { version: ProtocolVersion::V1_0, key_parameters: KeyParameters::ECDSAP256 };

    fn ekm(fill: u8) -> Ekm {
        Ekm::new([fill; 32])
    }

    fn header(ekm: &Ekm) -> String {
        let key = PrivateKey::generate(KeyParameters::ECDSAP256).unwrap();
        let mut message = MessageBuilder::new();
        message.add(TokenBindingType::PROVIDED, &key, ekm).unwrap();
        message.finish_header()
    }

    fn channel(fill: u8) -> Arc<Channel> {
        Arc::new(Channel::new(NEGOTIATED, ekm(fill)))
    }

    fn remembered(channel: &Channel) -> usize {
        channel.verified.lock().unwrap().iter().flatten().count()
    }

    #[test]
    fn a_message_is_verified_once_and_remembered() {
        let channel = channel(1);
        let value = header(&ekm(1));
        let (first, first_known) = channel.verify(value.as_bytes()).unwrap();
        let (second, second_known) = channel.verify(value.as_bytes()).unwrap();
        assert_eq!((first_known, second_known), (false, true));
        assert!(Arc::ptr_eq(&first.verified, &second.verified));
        assert_eq!(remembered(&channel), 1);
    }

    #[test]
    fn a_message_accepted_on_one_channel_is_refused_on_another() {
        let value = header(&ekm(1));
        assert!(channel(1).verify(value.as_bytes()).is_ok());
        let other = channel(2);
        let refusal = other.verify(value.as_bytes()).unwrap_err();
        assert!(matches!(refusal, Refusal::Message(Error::BadSignature { .. })), "{refusal}");
        assert_eq!(remembered(&other), 0);
    }

    #[test]
    fn two_messages_in_one_header_are_two_headers() {
        let channel = channel(1);
        let value = header(&ekm(1));
        channel.verify(value.as_bytes()).unwrap();
        let refusal = channel.verify(format!("{value}, {value}").as_bytes()).unwrap_err();
        assert!(matches!(refusal, Refusal::DuplicateHeader), "{refusal}");
    }

    #[test]
    fn the_cache_is_bounded_and_forgets_the_oldest() {
        let channel = channel(1);
        let values: Vec<String> = (0..=REMEMBERED_MESSAGES).map(|_| header(&ekm(1))).collect();
        let (first, _) = channel.verify(values[0].as_bytes()).unwrap();
        for value in &values {
            channel.verify(value.as_bytes()).unwrap();
        }
        assert_eq!(remembered(&channel), REMEMBERED_MESSAGES);
        let (again, _) = channel.verify(values[0].as_bytes()).unwrap();
        assert!(!Arc::ptr_eq(&first.verified, &again.verified));
        assert_eq!(
            first.texted().verified.provided().base64url(),
            again.texted().verified.provided().base64url()
        );
    }

    #[test]
    fn the_context_is_version_key_parameters_and_ekm() {
        let (binding, _) = channel(7).verify(header(&ekm(7)).as_bytes()).unwrap();
        let mut expected = vec![1, 0, 2];
        expected.extend([7; 32]);
        assert_eq!(token_binding::header::decode(binding.context().as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_channel_opens_after_offer_and_answer_and_exports_once() {
        let mut handshake = Handshake::default();
        handshake.offered(Some(NEGOTIATED), 0);
        assert_eq!(handshake.answer(), Some(NEGOTIATED));
        assert_eq!(handshake.opened().unwrap_err(), Fault::Incomplete);
        let first = handshake.open(0, || Ok(ekm(1))).unwrap().unwrap();
        let second = handshake.open(0, || panic!("exported twice")).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&first, &handshake.opened().unwrap().unwrap()));
    }

    #[test]
    fn an_offer_that_was_not_answered_opens_nothing() {
        let mut handshake = Handshake::default();
        assert_eq!(handshake.answer(), None);
        handshake.offered(Some(NEGOTIATED), 0);
        assert!(handshake.opened().unwrap().is_none());
        assert!(handshake.open(0, || Ok(ekm(1))).unwrap().is_none());
    }

    #[test]
    fn a_renegotiation_without_the_extension_ends_it() {
        let mut handshake = Handshake::default();
        handshake.offered(Some(NEGOTIATED), 0);
        handshake.answer();
        handshake.open(0, || Ok(ekm(1))).unwrap().unwrap();
        assert!(handshake.open(1, || Ok(ekm(2))).unwrap().is_none());
        assert!(handshake.opened().unwrap().is_none());
    }

    #[test]
    fn a_renegotiation_with_the_extension_opens_a_new_channel_and_the_old_binding_stays_valid() {
        let mut handshake = Handshake::default();
        handshake.offered(Some(NEGOTIATED), 0);
        handshake.answer();
        let before = handshake.open(0, || Ok(ekm(1))).unwrap().unwrap();
        let (binding, _) = before.verify(header(&ekm(1)).as_bytes()).unwrap();
        handshake.offered(Some(NEGOTIATED), 1);
        handshake.answer();
        let after = handshake.open(1, || Ok(ekm(2))).unwrap().unwrap();
        assert!(after.verify(binding.verified.header.as_ref()).is_err());
        assert!(after.verify(header(&ekm(2)).as_bytes()).is_ok());
        assert_eq!(binding.texted().verified.provided().key_parameters(), KeyParameters::ECDSAP256);
    }

    #[test]
    fn a_failed_export_is_a_fault_each_time_and_never_not_negotiated() {
        let mut handshake = Handshake::default();
        handshake.offered(Some(NEGOTIATED), 0);
        handshake.answer();
        for _ in 0..2 {
            assert_eq!(handshake.open(0, || Err(Fault::Exporter)).unwrap_err(), Fault::Exporter);
        }
        assert_eq!(handshake.opened().unwrap_err(), Fault::Incomplete);
    }
}
