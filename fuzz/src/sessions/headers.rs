//! Values of the header fields of DBSC, and session instructions.

use dbsc::headers::{Challenge, RegistrationOffer, Skipped, proof, quote, session_id};
use dbsc::instructions::Instructions;

pub fn dbsc_headers(data: &[u8]) {
    for offer in RegistrationOffer::parse_list(data).unwrap_or_default() {
        assert!(!offer.algorithms.is_empty());
        let line = offer.to_header().unwrap();
        assert_eq!(RegistrationOffer::parse_list(line.as_bytes()), Ok(vec![offer]));
    }
    for challenge in Challenge::parse_list(data).unwrap_or_default() {
        let line = challenge.to_header().unwrap();
        assert!(is_printable(&line));
        assert_eq!(Challenge::parse_list(line.as_bytes()), Ok(vec![challenge]));
    }
    for skipped in Skipped::parse_list(data).unwrap_or_default() {
        let id = skipped.session_id.as_deref().unwrap_or_default();
        let line = format!("{};session_identifier={}", skipped.reason, quote(id).unwrap());
        let again = Skipped::parse_list(line.as_bytes()).unwrap();
        assert_eq!(again[0].reason, skipped.reason);
        assert_eq!(again[0].session_id.as_deref(), Some(id));
    }
    for read in [session_id, proof] {
        let Ok(text) = read(data) else { continue };
        assert!(!text.is_empty() && is_printable(&text));
        // The bare form is what it is, and the quoted one means the same.
        assert!(data.starts_with(b"\"") || text.as_bytes() == data);
        assert_eq!(read(quote(&text).unwrap().as_bytes()).as_deref(), Ok(&*text));
        // Two header lines are never one identifier.
        assert!(read(&[data, b", ", data].concat()).is_err());
    }
    if let Ok(instructions) =
        str::from_utf8(data).map_err(drop).and_then(|text| Instructions::from_json(text).map_err(drop))
    {
        assert_eq!(Instructions::from_json(&instructions.to_json()).unwrap(), instructions);
    }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
