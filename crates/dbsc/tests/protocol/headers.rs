//! What is printed is read back, and no bytes make a parser panic.

use dbsc::headers::{Challenge, RegistrationOffer, Skipped, proof, quote, session_id};
use dbsc::{Algorithm, HeaderError};
use proptest::prelude::*;

fn printable() -> impl Strategy<Value = String> {
    "[ -~]{0,60}"
}

fn offers() -> impl Strategy<Value = RegistrationOffer> {
    let algorithm = proptest::sample::select(Algorithm::ALL);
    let algorithms = proptest::collection::vec(algorithm, 1..3);
    (algorithms, printable(), printable(), proptest::option::of(printable())).prop_map(
        |(algorithms, path, challenge, authorization)| {
            let offer = RegistrationOffer::new(algorithms, path, challenge);
            match authorization {
                Some(authorization) => offer.with_authorization(authorization),
                None => offer,
            }
        },
    )
}

proptest! {
    #[test]
    fn offers_are_read_as_they_were_printed(list in proptest::collection::vec(offers(), 1..4)) {
        let lines: Vec<String> = list.iter().map(|offer| offer.to_header().unwrap()).collect();
        prop_assert_eq!(RegistrationOffer::parse_list(lines.join(", ").as_bytes()).unwrap(), list);
    }

    #[test]
    fn challenges_are_read_as_they_were_printed(challenge in printable(), id in printable()) {
        let challenge = Challenge::new(challenge, id);
        let line = challenge.to_header().unwrap();
        prop_assert_eq!(Challenge::parse_list(line.as_bytes()).unwrap(), vec![challenge]);
    }

    #[test]
    fn a_quoted_string_is_read_as_it_was_printed(text in printable()) {
        let read = session_id(quote(&text).unwrap().as_bytes());
        prop_assert_eq!(read, if text.is_empty() { Err(HeaderError::Empty) } else { Ok(text) });
    }

    #[test]
    fn what_is_printed_is_one_line(challenge in any::<String>(), id in any::<String>()) {
        if let Ok(line) = Challenge::new(challenge, id).to_header() {
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[\"a-zES256();=, \\\\.:]{0,60}") {
        for bytes in [&bytes[..], text.as_bytes()] {
            let _ = RegistrationOffer::parse_list(bytes);
            let _ = Challenge::parse_list(bytes);
            let _ = Skipped::parse_list(bytes);
            for read in [session_id(bytes), proof(bytes)] {
                prop_assert!(read.is_err() || read.is_ok_and(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte))));
            }
        }
    }
}
