//! One cursor over bytes a peer sent. It can't run past its end, and a length prefix opens a reader of its own, so an
//! inner field can't run past its frame either.

use crate::Error;

/// Reads the TLS presentation language (RFC 8446 section 3). Each method names the field it reads, for the error.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Runs `read` over all of `bytes`: it's an error when any are left.
    pub(crate) fn read_all<T>(
        bytes: &'a [u8],
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut reader = Self { rest: bytes };
        let value = read(&mut reader)?;
        if reader.is_empty() { Ok(value) } else { Err(Error::TrailingBytes { field }) }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize, field: &'static str) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Error::Truncated { field })?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Error::Truncated { field })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Error> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// The bytes of a vector with a `u8` length, `opaque field<0..2^8-1>`.
    pub(crate) fn opaque8(&mut self, field: &'static str) -> Result<&'a [u8], Error> {
        let length = self.u8(field)?;
        self.take(length.into(), field)
    }

    /// The bytes of a vector with a `u16` length, `opaque field<0..2^16-1>`.
    pub(crate) fn opaque16(&mut self, field: &'static str) -> Result<&'a [u8], Error> {
        let length = self.array(field).map(u16::from_be_bytes)?;
        self.take(length.into(), field)
    }

    /// Like [`opaque16`](Self::opaque16), for a vector that must have `min` bytes, `opaque field<min..2^16-1>`.
    pub(crate) fn opaque16_of(&mut self, min: usize, field: &'static str) -> Result<&'a [u8], Error> {
        let bytes = self.opaque16(field)?;
        if bytes.len() < min { Err(Error::LengthMismatch { field }) } else { Ok(bytes) }
    }

    /// What `read` makes of the next bytes, and those bytes.
    pub(crate) fn spanned<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<(T, &'a [u8]), Error> {
        let mut ahead = Self { rest: self.rest };
        let value = read(&mut ahead)?;
        let span = self.take(self.rest.len() - ahead.rest.len(), field)?;
        Ok((value, span))
    }
}

/// Appends `bytes` behind their length as a `u16`.
///
/// # Errors
/// [`Error::LengthMismatch`] when there are more than 65,535 bytes; nothing is appended then.
pub(crate) fn put_opaque16(out: &mut Vec<u8>, bytes: &[u8], field: &'static str) -> Result<(), Error> {
    let length = u16::try_from(bytes.len()).map_err(|_| Error::LengthMismatch { field })?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_runs_past_its_frame() {
        let truncated = Error::Truncated { field: "f" };
        assert_eq!(Reader::read_all(&[], "f", |r| r.u8("f")), Err(truncated));
        assert_eq!(Reader::read_all(&[2, 1], "f", |r| r.opaque8("f")), Err(truncated));
        assert_eq!(Reader::read_all(&[0], "f", |r| r.opaque16("f")), Err(truncated));
        assert_eq!(Reader::read_all(&[0, 2, 1], "f", |r| r.opaque16("f")), Err(truncated));
        assert_eq!(Reader::read_all(&[1, 2, 3], "f", |r| r.array::<4>("f")), Err(truncated));
        assert_eq!(Reader::read_all(&[0, 1, 9], "f", |r| r.opaque16("f")), Ok(&[9][..]));
    }

    #[test]
    fn nothing_is_left_over() {
        assert_eq!(Reader::read_all(&[1, 2], "f", |r| r.u8("f")), Err(Error::TrailingBytes { field: "f" }));
        assert_eq!(Reader::read_all(&[1, 2], "f", |r| r.array("f")), Ok([1, 2]));
    }

    #[test]
    fn short_vectors_are_refused() {
        let read = |bytes| Reader::read_all(bytes, "f", |r| r.opaque16_of(2, "f"));
        assert_eq!(read(&[0, 1, 9]), Err(Error::LengthMismatch { field: "f" }));
        assert_eq!(read(&[0, 2, 9, 9]), Ok(&[9, 9][..]));
    }

    #[test]
    fn a_span_is_what_was_read() {
        let read = |r: &mut Reader<'static>| Ok((r.spanned("f", |r| r.opaque8("f"))?, r.u8("f")?));
        assert_eq!(Reader::read_all(&[1, 7, 8], "f", read), Ok(((&[7][..], &[1, 7][..]), 8)));
    }

    #[test]
    fn writing_stops_at_the_longest_vector() {
        let mut out = Vec::new();
        put_opaque16(&mut out, &[0; 65_535], "f").unwrap();
        assert_eq!((out.len(), out[0], out[1]), (65_537, 255, 255));
        assert_eq!(put_opaque16(&mut out, &[0; 65_536], "f"), Err(Error::LengthMismatch { field: "f" }));
        assert_eq!(out.len(), 65_537);
    }
}
