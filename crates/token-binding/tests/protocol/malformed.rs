//! Whatever is cut off, added or miscounted is an error.

use token_binding::message::TokenBindingMessage;
use token_binding::verify::verify_header;
use token_binding::{Ekm, Error, KeyParameters};

use crate::support::{PROVIDED, Part, REFERRED, ekm, message, part, vectors, verdict};

/// A message, and the connection it's for.
struct Sample {
    bytes: Vec<u8>,
    key_parameters: KeyParameters,
    ekm: Ekm,
}

/// Recorded messages, and one of each kind of key with extensions.
fn samples() -> Vec<Sample> {
    let recorded = vectors().into_iter().map(|vector| Sample {
        bytes: vector.message,
        key_parameters: KeyParameters::ECDSAP256,
        ekm: vector.ekm,
    });
    recorded.chain(own_samples()).collect()
}

fn own_samples() -> impl Iterator<Item = Sample> {
    KeyParameters::ALL_KNOWN.into_iter().map(|key_parameters| {
        let extended = |tokenbinding_type, extensions: &[u8]| Part {
            extensions: extensions.to_vec(),
            ..part(tokenbinding_type, key_parameters, &ekm())
        };
        let parts = [extended(PROVIDED, &[7, 0, 2, 9, 9]), extended(REFERRED, &[8, 0, 0, 9, 0, 1, 1])];
        Sample { bytes: message(&parts), key_parameters, ekm: ekm() }
    })
}

fn is_codec_error<T>(result: &Result<T, Error>) -> bool {
    matches!(
        result,
        Err(Error::Truncated { .. } | Error::TrailingBytes { .. } | Error::LengthMismatch { .. })
    )
}

#[test]
fn a_message_cut_anywhere_is_an_error() {
    for sample in samples() {
        assert!(TokenBindingMessage::parse(&sample.bytes).is_ok());
        for length in 0..sample.bytes.len() {
            let cut = TokenBindingMessage::parse(&sample.bytes[..length]);
            assert!(matches!(cut, Err(Error::Truncated { .. })), "cut at {length}: {cut:?}");
        }
    }
}

#[test]
fn a_message_cut_anywhere_with_its_length_made_right_is_an_error() {
    for sample in samples() {
        let ends = binding_ends(&sample.bytes);
        for length in (2..sample.bytes.len()).filter(|length| !ends.contains(length)) {
            let mut bytes = sample.bytes[..length].to_vec();
            bytes[..2].copy_from_slice(&(length as u16 - 2).to_be_bytes());
            let cut = TokenBindingMessage::parse(&bytes);
            assert!(is_codec_error(&cut), "cut at {length}: {cut:?}");
        }
    }
}

#[test]
fn a_header_cut_anywhere_is_an_error() {
    for vector in vectors() {
        for length in 0..vector.header.len() {
            let cut =
                verify_header(&vector.header.as_bytes()[..length], KeyParameters::ECDSAP256, &vector.ekm);
            assert!(
                matches!(cut, Err(Error::Truncated { .. } | Error::HeaderEncoding)),
                "cut at {length}: {cut:?}"
            );
        }
    }
}

#[test]
fn a_byte_too_many_is_an_error() {
    for sample in samples() {
        let longer = [&sample.bytes[..], &[0]].concat();
        let trailing = TokenBindingMessage::parse(&longer).err();
        assert_eq!(trailing, Some(Error::TrailingBytes { field: "TokenBindingMessage" }));

        // With the length made right, the byte is the start of a binding that isn't there.
        let mut bytes = longer;
        let length = bytes.len() as u16 - 2;
        bytes[..2].copy_from_slice(&length.to_be_bytes());
        assert!(matches!(TokenBindingMessage::parse(&bytes), Err(Error::Truncated { .. })));
    }
}

#[test]
fn a_length_off_by_one_is_an_error() {
    for sample in own_samples() {
        assert!(verdict(&sample.bytes, sample.key_parameters, &sample.ekm).is_ok());
        let fields = length_fields(&sample.bytes);
        let keys = if sample.key_parameters == KeyParameters::ECDSAP256 { 1 } else { 2 };
        assert_eq!(fields.len(), 1 + 2 * (3 + keys) + 1 + 2, "outer, two bindings, one and two extensions");
        for Field { at, size } in fields {
            for off in [1, u16::MAX] {
                let mut bytes = sample.bytes.clone();
                add(&mut bytes[at..at + size], off);
                let verdict = verdict(&bytes, sample.key_parameters, &sample.ekm);
                assert!(
                    is_codec_error(&verdict) || matches!(verdict, Err(Error::InvalidKey(_))),
                    "length at {at}: {verdict:?}"
                );
            }
        }
    }
}

/// Where a length field of `size` bytes is.
struct Field {
    at: usize,
    size: usize,
}

/// All length fields of a well-formed message, found by reading it once more, by hand.
fn length_fields(bytes: &[u8]) -> Vec<Field> {
    let mut fields = vec![Field { at: 0, size: 2 }];
    let mut at = 2;
    while at < bytes.len() {
        let key_parameters = KeyParameters(bytes[at + 1]);
        let key = at + 4;
        fields.push(Field { at: at + 2, size: 2 });
        if key_parameters == KeyParameters::ECDSAP256 {
            fields.push(Field { at: key, size: 1 });
        } else {
            fields.push(Field { at: key, size: 2 });
            fields.push(Field { at: key + 2 + number(bytes, key), size: 1 });
        }
        let signature = key + number(bytes, at + 2);
        fields.push(Field { at: signature, size: 2 });
        let extensions = signature + 2 + number(bytes, signature);
        fields.push(Field { at: extensions, size: 2 });
        let end = extensions + 2 + number(bytes, extensions);
        at = extensions + 2;
        while at < end {
            fields.push(Field { at: at + 1, size: 2 });
            at += 3 + number(bytes, at + 1);
        }
    }
    fields
}

fn binding_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 2;
    while at < bytes.len() {
        let signature = at + 4 + number(bytes, at + 2);
        let extensions = signature + 2 + number(bytes, signature);
        at = extensions + 2 + number(bytes, extensions);
        ends.push(at);
    }
    ends
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

/// Adds to a big-endian number of one or two bytes, wrapping.
fn add(field: &mut [u8], number: u16) {
    match field {
        [byte] => *byte = byte.wrapping_add(number as u8),
        [high, low] => [*high, *low] = u16::from_be_bytes([*high, *low]).wrapping_add(number).to_be_bytes(),
        _ => panic!("no such length field"),
    }
}
