use token_binding::negotiate::{Negotiated, ServerPreferences, TokenBindingParameters, accept_answer};
use token_binding::{Error, KeyParameters, ProtocolVersion};

const VERSIONS: [ProtocolVersion; 4] = [
    ProtocolVersion::OLDEST,
    ProtocolVersion { major: 0, minor: 16 },
    ProtocolVersion::V1_0,
    ProtocolVersion { major: 1, minor: 1 },
];

/// The TLS extension's body: the first byte is the length of an offer, which a server reads; a client that has made this
/// offer reads the rest as the server's answer.
pub fn extension(data: &[u8]) {
    let Some((length, rest)) = data.split_first() else { return };
    let Some((offer, answer)) = rest.split_at_checked(usize::from(*length)) else { return };
    round_trip(answer);
    let Some(offer) = round_trip(offer) else { return };
    for oldest in VERSIONS {
        for preferences in preferences() {
            settle(&offer, oldest, &preferences);
        }
        answered(&offer, oldest, answer);
    }
}

/// What a body says, if it says anything.
fn round_trip(body: &[u8]) -> Option<TokenBindingParameters<'_>> {
    let parsed = TokenBindingParameters::parse(body);
    let is_body = matches!(body, [_, _, n, list @ ..] if *n > 0 && list.len() == usize::from(*n));
    assert_eq!(parsed.is_ok(), is_body, "{parsed:?}");
    let parameters = parsed.ok()?;
    assert_eq!(parameters.encode(), body);
    assert_eq!((parameters.version.major, parameters.version.minor), (body[0], body[1]));
    assert!(parameters.key_parameters().map(|known| known.0).eq(body[3..].iter().copied()));
    Some(parameters)
}

/// Every choice of known key parameters in every order, and an unknown one.
fn preferences() -> Vec<Vec<KeyParameters>> {
    let mut all = vec![vec![], vec![KeyParameters(7)]];
    for first in KeyParameters::ALL_KNOWN {
        all.push(vec![first]);
        for second in KeyParameters::ALL_KNOWN.into_iter().filter(|second| *second != first) {
            all.push(vec![first, second]);
            let third = KeyParameters::ALL_KNOWN.into_iter().find(|third| ![first, second].contains(third));
            all.push([first, second].into_iter().chain(third).collect());
        }
    }
    all
}

/// What a server settles on, and that its client understands it so.
fn settle(offer: &TokenBindingParameters<'_>, min_version: ProtocolVersion, preferences: &[KeyParameters]) {
    let server = ServerPreferences { min_version, key_parameters: preferences };
    let offered = |wanted: &KeyParameters| offer.key_parameters().any(|known| known == *wanted);
    let Some(settled) = server.select(offer) else {
        let spoken = offer.version >= min_version && min_version <= ProtocolVersion::V1_0;
        assert!(!spoken || !preferences.iter().any(offered));
        return;
    };
    assert!(settled.version <= offer.version && settled.version <= ProtocolVersion::V1_0);
    assert!(settled.version >= min_version);
    assert!(settled.version == offer.version || settled.version == ProtocolVersion::V1_0);
    assert_eq!(preferences.iter().find(|wanted| offered(wanted)), Some(&settled.key_parameters));

    let body = settled.extension_body();
    assert_eq!(accept_answer(offer, min_version, &body), Ok(Some(settled)));
    let newer = ProtocolVersion { major: 2, minor: 0 };
    assert_eq!(accept_answer(offer, newer, &body), Ok(None));
}

/// What a client makes of any answer (RFC 8472 section 4).
fn answered(offer: &TokenBindingParameters<'_>, oldest_spoken: ProtocolVersion, answer: &[u8]) {
    let understood = accept_answer(offer, oldest_spoken, answer);
    match answer {
        [major, minor, 1, number] => {
            let version = ProtocolVersion { major: *major, minor: *minor };
            let key_parameters = KeyParameters(*number);
            let was_offered = offer.key_parameters().any(|known| known == key_parameters);
            if version > offer.version || !was_offered {
                assert!(matches!(understood, Err(Error::UnsupportedExtension(_))), "{understood:?}");
            } else {
                let settled = Negotiated { version, key_parameters };
                assert_eq!(understood, Ok(Some(settled).filter(|_| version >= oldest_spoken)));
                assert_eq!(settled.extension_body(), answer);
            }
        }
        _ => assert!(understood.is_err()),
    }
}
