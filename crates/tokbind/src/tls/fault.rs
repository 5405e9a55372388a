//! What can be wrong with an answer.

/// The rule of RFC 8472 section 4 that an answer breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerFault {
    /// The answer doesn't fit the offer, or is malformed.
    #[error(transparent)]
    Parameters(#[from] token_binding::Error),
    /// What this client offered can't be read as an offer, so no answer can fit it.
    #[error("the offer was not one that can be answered")]
    Unanswerable,
    /// TLS 1.2 without the Extended Master Secret.
    #[error("the Extended Master Secret was not negotiated")]
    NoExtendedMasterSecret,
}
