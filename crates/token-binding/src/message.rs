//! The Token Binding message as it arrives: well-formed, and not yet verified (RFC 8471 section 3).

use std::fmt;

use crate::codec::Reader;
use crate::{Error, KeyParameters, TokenBindingType};

pub use crate::limits::MAX_BINDINGS;

/// The shortest list of bindings that RFC 8471 section 3 allows, in bytes.
const MIN_TOKENBINDINGS: usize = 132;
/// The shortest signature that RFC 8471 section 3 allows, in bytes.
const MIN_SIGNATURE: usize = 64;

/// `TokenBindingMessage`: all its bindings, borrowed from the bytes it was read from.
#[derive(Clone, Debug)]
pub struct TokenBindingMessage<'a> {
    bindings: Vec<TokenBinding<'a>>,
}

impl<'a> TokenBindingMessage<'a> {
    /// Reads a message, which must fill `bytes`. Keys and signatures are not looked at.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::TrailingBytes`] or [`Error::LengthMismatch`] when a length is wrong,
    /// [`Error::TooManyBindings`] when there are more than [`MAX_BINDINGS`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        const TOKENBINDINGS: &str = "TokenBindingMessage.tokenbindings";
        let list = Reader::read_all(bytes, "TokenBindingMessage", |reader| {
            reader.opaque16_of(MIN_TOKENBINDINGS, TOKENBINDINGS)
        })?;
        Reader::read_all(list, TOKENBINDINGS, |reader| {
            let mut bindings = Vec::with_capacity(2);
            while !reader.is_empty() {
                if bindings.len() == MAX_BINDINGS {
                    return Err(Error::TooManyBindings);
                }
                bindings.push(TokenBinding::read(reader)?);
            }
            Ok(Self { bindings })
        })
    }

    /// The bindings, in the client's order.
    #[must_use]
    pub fn bindings(&self) -> &[TokenBinding<'a>] {
        &self.bindings
    }
}

/// `TokenBinding`: a claim to hold a key. Nothing in it is proven before [`verify`](crate::verify) says so.
///
/// Its extensions are well-formed. No extension is defined and unknown ones are ignored (RFC 8471 section 4.2), so they
/// are not kept.
#[derive(Clone)]
pub struct TokenBinding<'a> {
    tokenbinding_type: TokenBindingType,
    tokenbindingid: TokenBindingId<'a>,
    signature: &'a [u8],
}

impl<'a> TokenBinding<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        const EXTENSIONS: &str = "TokenBinding.extensions";
        let tokenbinding_type = TokenBindingType(reader.u8("TokenBinding.tokenbinding_type")?);
        let tokenbindingid = TokenBindingId::read(reader)?;
        let signature = reader.opaque16_of(MIN_SIGNATURE, "TokenBinding.signature")?;
        let extensions = reader.opaque16(EXTENSIONS)?;
        Reader::read_all(extensions, EXTENSIONS, skip_extensions)?;
        Ok(Self { tokenbinding_type, tokenbindingid, signature })
    }

    /// What the binding is for.
    #[must_use]
    pub const fn tokenbinding_type(&self) -> TokenBindingType {
        self.tokenbinding_type
    }

    /// The key that the client claims to hold.
    #[must_use]
    pub const fn tokenbindingid(&self) -> TokenBindingId<'a> {
        self.tokenbindingid
    }

    /// The claim's proof, at least 64 bytes.
    #[must_use]
    pub const fn signature(&self) -> &'a [u8] {
        self.signature
    }
}

impl fmt::Debug for TokenBinding<'_> {
    /// Leaves out the signature: what a client sent has no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBinding")
            .field("tokenbinding_type", &self.tokenbinding_type)
            .field("tokenbindingid", &self.tokenbindingid)
            .finish_non_exhaustive()
    }
}

fn skip_extensions(reader: &mut Reader<'_>) -> Result<(), Error> {
    while !reader.is_empty() {
        reader.u8("TB_Extension.extension_type")?;
        reader.opaque16("TB_Extension.extension_data")?;
    }
    Ok(())
}

/// `TokenBindingID`: key parameters and a public key, which may be of a kind this crate doesn't know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenBindingId<'a> {
    bytes: &'a [u8],
    key_parameters: KeyParameters,
    public_key: &'a [u8],
}

impl<'a> TokenBindingId<'a> {
    /// Reads an ID, which must fill `bytes`. The key is not looked at.
    ///
    /// # Errors
    /// [`Error::Truncated`] or [`Error::TrailingBytes`] when its length is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        Reader::read_all(bytes, "TokenBindingID", Self::read)
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let ((key_parameters, public_key), bytes) =
            reader.spanned("TokenBinding.tokenbindingid", |reader| {
                let key_parameters = KeyParameters(reader.u8("TokenBindingID.key_parameters")?);
                Ok((key_parameters, reader.opaque16("TokenBindingID.key_length")?))
            })?;
        Ok(Self { bytes, key_parameters, public_key })
    }

    /// The whole ID, opaque to applications.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The algorithm that the key is for.
    #[must_use]
    pub const fn key_parameters(&self) -> KeyParameters {
        self.key_parameters
    }

    /// The `key_length` bytes of the key, in the format of its key parameters:
    /// [`PublicKey::parse`](crate::key::PublicKey::parse) reads them.
    #[must_use]
    pub const fn public_key(&self) -> &'a [u8] {
        self.public_key
    }
}

impl fmt::Debug for TokenBindingId<'_> {
    /// Leaves out the key: an ID follows its user about, and has no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBindingId").field("key_parameters", &self.key_parameters).finish_non_exhaustive()
    }
}
