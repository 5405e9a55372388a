use super::*;

fn version(text: &str) -> ProtocolVersion {
    text.parse().unwrap()
}

fn offer(text: &str, key_parameters: &'static [u8]) -> TokenBindingParameters<'static> {
    TokenBindingParameters::new(version(text), key_parameters).unwrap()
}

const DEFAULTS: ServerPreferences<'_> =
    ServerPreferences { min_version: ProtocolVersion::OLDEST, key_parameters: &KeyParameters::ALL_KNOWN };

/// What Chromium 69 offers: draft 16, ecdsap256.
const CHROMIUM: [u8; 4] = [0, 16, 1, 2];

#[test]
fn a_real_offer() {
    let offer = TokenBindingParameters::parse(&CHROMIUM).unwrap();
    assert_eq!(offer.version, version("0.16"));
    assert!(offer.key_parameters().eq([KeyParameters::ECDSAP256]));
    let negotiated = DEFAULTS.select(&offer).unwrap();
    assert_eq!(negotiated, Negotiated { version: version("0.16"), key_parameters: KeyParameters::ECDSAP256 });
    assert_eq!(negotiated.extension_body(), CHROMIUM);
}

#[test]
fn bodies_are_read_to_the_last_byte() {
    let body = [1, 0, 3, 2, 1, 88];
    assert!(TokenBindingParameters::parse(&body).is_ok());
    for length in 0..body.len() {
        let cut = TokenBindingParameters::parse(&body[..length]);
        assert!(matches!(cut, Err(Error::Truncated { .. })), "cut at {length}: {cut:?}");
    }
    let trailing = Error::TrailingBytes { field: "TokenBindingParameters" };
    assert_eq!(TokenBindingParameters::parse(&[1, 0, 1, 2, 0]), Err(trailing));
    assert_eq!(
        TokenBindingParameters::parse(&[1, 0, 2, 2]),
        Err(Error::Truncated { field: KEY_PARAMETERS_LIST })
    );
}

#[test]
fn a_list_has_1_to_255_key_parameters() {
    let wrong_length = Err(Error::LengthMismatch { field: KEY_PARAMETERS_LIST });
    assert_eq!(TokenBindingParameters::parse(&[1, 0, 0]), wrong_length);
    assert_eq!(TokenBindingParameters::new(ProtocolVersion::V1_0, &[]), wrong_length);
    assert_eq!(TokenBindingParameters::new(ProtocolVersion::V1_0, &[0; 256]), wrong_length);
    let longest = TokenBindingParameters::new(ProtocolVersion::V1_0, &[7; 255]).unwrap().encode();
    assert_eq!(longest.len(), 258);
    assert!(TokenBindingParameters::parse(&longest).is_ok());
}

#[test]
fn the_version_is_the_lower_one() {
    for (offered, answered) in [
        ("0.13", "0.13"),
        ("0.18", "0.18"),
        ("0.255", "0.255"),
        ("1.0", "1.0"),
        ("1.1", "1.0"),
        ("255.255", "1.0"),
    ] {
        let negotiated = DEFAULTS.select(&offer(offered, &[2])).unwrap();
        assert_eq!(negotiated.version, version(answered), "{offered}");
    }
    for too_old in ["0.0", "0.12"] {
        assert_eq!(DEFAULTS.select(&offer(too_old, &[2])), None, "{too_old}");
    }

    let rfc_only = ServerPreferences { min_version: ProtocolVersion::V1_0, ..DEFAULTS };
    assert_eq!(rfc_only.select(&offer("0.18", &[2])), None);
    assert!(rfc_only.select(&offer("1.0", &[2])).is_some());

    // A minimum that nobody speaks: the answer would be below it.
    let future = ServerPreferences { min_version: version("2.0"), ..DEFAULTS };
    assert_eq!(future.select(&offer("2.0", &[2])), None);
}

#[test]
fn the_key_parameters_are_the_servers_favourite() {
    let select = |preferences: &[u8], offered: &'static [u8]| {
        let key_parameters: Vec<_> = preferences.iter().copied().map(KeyParameters).collect();
        let server =
            ServerPreferences { min_version: ProtocolVersion::OLDEST, key_parameters: &key_parameters };
        server.select(&offer("1.0", offered)).map(|negotiated| negotiated.key_parameters.0)
    };
    assert_eq!(select(&[2, 1, 0], &[0, 1, 2]), Some(2));
    assert_eq!(select(&[0, 2], &[2, 0]), Some(0));
    assert_eq!(select(&[2, 1], &[88, 0, 1]), Some(1));
    assert_eq!(select(&[2], &[0, 1, 88]), None);
    assert_eq!(select(&[], &[2]), None);
}

#[test]
fn answers_break_no_rule() {
    let offer = offer("0.16", &[2, 1]);
    let accept = |answer: &[u8]| accept_answer(&offer, version("0.14"), answer);
    let settled =
        |text, number| Ok(Some(Negotiated { version: version(text), key_parameters: KeyParameters(number) }));
    assert_eq!(accept(&[0, 16, 1, 2]), settled("0.16", 2));
    assert_eq!(accept(&[0, 14, 1, 1]), settled("0.14", 1));
    assert_eq!(accept(&[0, 13, 1, 2]), Ok(None));

    let answered = version("0.17");
    let too_high = AnswerError::VersionTooHigh { offered: version("0.16"), answered };
    assert_eq!(accept(&[0, 17, 1, 2]), Err(too_high.into()));
    assert_eq!(accept(&[0, 16, 2, 2, 1]), Err(AnswerError::SeveralKeyParameters.into()));
    assert_eq!(accept(&[0, 16, 2, 2, 2]), Err(AnswerError::SeveralKeyParameters.into()));
    let not_offered = AnswerError::KeyParametersNotOffered(KeyParameters(0));
    assert_eq!(accept(&[0, 16, 1, 0]), Err(not_offered.into()));
    // A rule is broken by an answer of a version that isn't spoken, too.
    assert_eq!(accept(&[0, 1, 1, 0]), Err(not_offered.into()));

    assert_eq!(accept(&[0, 16, 0]), Err(Error::LengthMismatch { field: KEY_PARAMETERS_LIST }));
    for malformed in [&[][..], &[0], &[0, 16], &[0, 16, 1], &[0, 16, 2, 2]] {
        assert!(matches!(accept(malformed), Err(Error::Truncated { .. })), "{malformed:?}");
    }
    assert_eq!(accept(&[0, 16, 1, 2, 0]), Err(Error::TrailingBytes { field: "TokenBindingParameters" }));
}
