//! From the JWT of `Secure-Session-Response` to what it proves (the draft's "DBSC Proof JWT Syntax").
//!
//! A proof that has only been read and a proof that was verified are different types.

use std::fmt;

use crate::jwt::Jwt;
use crate::key::PublicKey;
use crate::verify::{DEFAULT, SignatureBackend, SignatureError};
use crate::{Algorithm, KeyError, ProofError};

/// A registration's proof, read and not verified: anybody can write one.
///
/// A server checks the challenge first. That costs little, and turns away whoever has none before a signature is
/// checked.
#[derive(Clone)]
pub struct UnverifiedRegistration<'a> {
    signature: Signature<'a>,
    registration: Registration,
}

impl<'a> UnverifiedRegistration<'a> {
    /// Reads a proof that must have a `jwk`.
    ///
    /// # Errors
    /// Which rule the JWT or its key breaks. Never [`ProofError::Forged`].
    pub fn parse(jwt: &'a str) -> Result<Self, ProofError> {
        let jwt = Jwt::parse(jwt)?;
        let jwk = jwt.header.get("jwk").ok_or(ProofError::NoKey)?;
        let jwk = jwk.as_object().ok_or(ProofError::Key(KeyError::Json))?;
        let key = PublicKey::from_members(jwk)?;
        let challenge = jwt.challenge()?;
        let authorization = match jwt.payload.get("authorization") {
            None => None,
            Some(claim) => Some(claim.as_str().ok_or(ProofError::Authorization)?.to_owned()),
        };
        let signature = Signature::new(jwt);
        signature.check_form(&key)?;
        Ok(Self { signature, registration: Registration { key, challenge, authorization } })
    }

    /// The challenge that the client says it answers (`jti`).
    #[must_use]
    pub fn challenge(&self) -> &str {
        &self.registration.challenge
    }

    /// Verifies the signature, by the proof's own key.
    ///
    /// # Errors
    /// [`ProofError::Forged`], or [`ProofError::Undecided`] when the cryptographic library failed.
    pub fn verify(self) -> Result<Registration, ProofError> {
        self.verify_with(&DEFAULT)
    }

    /// [`verify`](Self::verify) with a backend of the caller's choice.
    ///
    /// # Errors
    /// [`ProofError::Forged`], or [`ProofError::Undecided`] when the backend failed.
    pub fn verify_with<B: SignatureBackend + ?Sized>(self, backend: &B) -> Result<Registration, ProofError> {
        self.signature.verify(backend, &self.registration.key)?;
        Ok(self.registration)
    }
}

/// A registration that its own key has signed: whoever sent it holds the key.
///
/// Whether the challenge is one that this server gave, and to whom, is for the caller to know.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The session's key.
    pub key: PublicKey,
    /// The challenge of the offer (`jti`).
    pub challenge: String,
    /// The offer's `authorization`, if it had one.
    pub authorization: Option<String>,
}

impl Registration {
    /// Reads and verifies a proof in one step.
    ///
    /// # Errors
    /// What is wrong with the proof, or [`ProofError::Undecided`] when the cryptographic library failed.
    pub fn verify(jwt: &str) -> Result<Self, ProofError> {
        UnverifiedRegistration::parse(jwt)?.verify()
    }
}

/// A refresh's proof, read and not verified: anybody can write one.
#[derive(Clone)]
pub struct UnverifiedRefresh<'a> {
    signature: Signature<'a>,
    challenge: String,
}

impl<'a> UnverifiedRefresh<'a> {
    /// Reads a proof that must have no `jwk`: the draft forbids it, and so a registration's proof is never taken for a
    /// refresh, whatever a caller makes of its challenges.
    ///
    /// # Errors
    /// Which rule the JWT breaks. Never [`ProofError::Forged`].
    pub fn parse(jwt: &'a str) -> Result<Self, ProofError> {
        let jwt = Jwt::parse(jwt)?;
        if jwt.header.contains_key("jwk") {
            return Err(ProofError::UnexpectedKey);
        }
        let challenge = jwt.challenge()?;
        Ok(Self { signature: Signature::new(jwt), challenge })
    }

    /// The challenge that the client says it answers (`jti`).
    #[must_use]
    pub fn challenge(&self) -> &str {
        &self.challenge
    }

    /// Verifies the signature by the session's key.
    ///
    /// # Errors
    /// [`ProofError::AlgorithmMismatch`] and [`ProofError::SignatureLength`] when it can't be one of this key,
    /// [`ProofError::Forged`], or [`ProofError::Undecided`] when the cryptographic library failed.
    pub fn verify(self, key: &PublicKey) -> Result<Refresh, ProofError> {
        self.verify_with(&DEFAULT, key)
    }

    /// [`verify`](Self::verify) with a backend of the caller's choice.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_with<B: SignatureBackend + ?Sized>(
        self,
        backend: &B,
        key: &PublicKey,
    ) -> Result<Refresh, ProofError> {
        self.signature.check_form(key)?;
        self.signature.verify(backend, key)?;
        Ok(Refresh { challenge: self.challenge })
    }
}

/// A refresh that the session's key has signed.
///
/// Whether the challenge is a fresh one of this server and this session is for the caller to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refresh {
    /// The challenge that was answered (`jti`).
    pub challenge: String,
}

impl Refresh {
    /// Reads and verifies a proof in one step.
    ///
    /// # Errors
    /// What is wrong with the proof, or [`ProofError::Undecided`] when the cryptographic library failed.
    pub fn verify(jwt: &str, key: &PublicKey) -> Result<Self, ProofError> {
        UnverifiedRefresh::parse(jwt)?.verify(key)
    }
}

/// A signature, and what it is said to sign.
#[derive(Clone)]
struct Signature<'a> {
    algorithm: Algorithm,
    signed: &'a str,
    bytes: Vec<u8>,
}

impl<'a> Signature<'a> {
    fn new(jwt: Jwt<'a>) -> Self {
        Self { algorithm: jwt.algorithm, signed: jwt.signed, bytes: jwt.signature }
    }

    /// Whether it can be a signature of this key, before any arithmetic.
    fn check_form(&self, key: &PublicKey) -> Result<(), ProofError> {
        if self.algorithm != key.algorithm() {
            return Err(ProofError::AlgorithmMismatch { used: self.algorithm, key: key.algorithm() });
        }
        let (length, expected) = (self.bytes.len(), key.signature_length());
        if length != expected {
            return Err(ProofError::SignatureLength { length, expected });
        }
        Ok(())
    }

    fn verify<B: SignatureBackend + ?Sized>(&self, backend: &B, key: &PublicKey) -> Result<(), ProofError> {
        backend.verify(key, self.signed.as_bytes(), &self.bytes).map_err(|error| match error {
            SignatureError::Invalid => ProofError::Forged,
            SignatureError::Undecided { operation, reason } => ProofError::Undecided { operation, reason },
        })
    }
}

/// Without the authorization, which may be a secret.
impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("key", &self.key)
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UnverifiedRegistration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedRegistration")
            .field("challenge", &self.registration.challenge)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UnverifiedRefresh<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedRefresh").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}
