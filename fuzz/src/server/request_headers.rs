use token_binding::forwarded::ForwardedHeaders;
use token_binding::negotiate::Negotiated;
use token_binding::{KeyParameters, ProtocolVersion};

use token_binding_server::config::ServerConfig;
use token_binding_server::headers::{
    Field, Reserved, Taken, connection_names_reserved, may_be_reserved, reserved,
};
use token_binding_server::outcome::Refusal;
use token_binding_server::policy::{Judgement, Standing, judge};
use token_binding_server::variable::Variable;

const NEGOTIATED: Standing = Standing::Negotiated(Negotiated {
    version: ProtocolVersion::V1_0,
    key_parameters: KeyParameters::ECDSAP256,
});

/// The variables that CGI programs must not get from a client.
const VARIABLES: [&[u8]; 7] = [
    b"HTTP_SEC_TOKEN_BINDING",
    b"HTTP_SEC_PROVIDED_TOKEN_BINDING_ID",
    b"HTTP_SEC_REFERRED_TOKEN_BINDING_ID",
    b"HTTP_SEC_OTHER_TOKEN_BINDING_ID",
    b"HTTP_SEC_TOKEN_BINDING_CONTEXT",
    b"HTTP_TB_SSL_CLIENT_CERT_FINGERPRINT",
    b"HTTP_SEC_DEVICE_BOUND_SESSION_KEY",
];

/// A request's header lines: which are taken out, what is believed of them and by whom.
pub fn request_headers(data: &[u8]) {
    let mut taken = Taken::default();
    let mut lines = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default().trim_ascii());
        assert_eq!(taken.add(name, value), is_ours(name), "{}", name.escape_ascii());
        spoofs(name);
        assert!(!is_ours(name) || may_be_reserved(name[0]), "{}", name.escape_ascii());
        let passed_on =
            || Variable::ALL.into_iter().flat_map(Variable::header_names).map(|name| name.to_bytes());
        let takes_ours = |option: &&[u8]| passed_on().any(|name| option.eq_ignore_ascii_case(name));
        if mod_proxys_options(value).iter().any(takes_ours) {
            assert!(connection_names_reserved(value), "{}", value.escape_ascii());
        }
        lines.push((name, value));
    }
    assert_eq!(taken, expected(&lines));
    for trusted in [false, true] {
        unbound_connection(taken, trusted);
        bound_connection(taken, trusted);
    }
    if let Ok(Some(bindings)) = taken.forwarded.bindings() {
        assert_eq!(taken.forwarded.provided, Some(bindings.provided().base64url().as_bytes()));
    }
}

/// Whether a CGI program sees this header as one of ours.
fn is_ours(name: &[u8]) -> bool {
    let as_cgi = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_uppercase() } else { b'_' };
    let variable: Vec<u8> = b"HTTP_".iter().copied().chain(name.iter().map(as_cgi)).collect();
    VARIABLES.contains(&&*variable)
}

/// What mod_proxy takes out of a request with this `Connection` header (`find_conn_headers`, `ap_get_token`).
fn mod_proxys_options(value: &[u8]) -> Vec<&[u8]> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let mut options = Vec::new();
    let mut rest = value;
    loop {
        while let [b',' | b';', behind @ ..] = rest {
            rest = behind;
        }
        while let Some((_, behind)) = rest.split_first().filter(|(first, _)| is_space(first)) {
            rest = behind;
        }
        let mut end = 0;
        while rest.get(end).is_some_and(|byte| !is_space(byte) && !matches!(byte, b';' | b',')) {
            end += 1;
            if rest[end - 1] == b'"' {
                let close = rest[end..].iter().position(|byte| *byte == b'"');
                end = close.map_or(rest.len(), |close| end + close + 1);
            }
        }
        options.push(&rest[..end]);
        rest = &rest[end..];
        while let Some((_, behind)) = rest.split_first().filter(|(first, _)| is_space(first)) {
            rest = behind;
        }
        if rest.is_empty() {
            return options;
        }
    }
}

/// Only the dashed spelling means what it says.
fn spoofs(name: &[u8]) {
    let is_dashed = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    match reserved(name) {
        Some(Reserved::Spoof) => {
            let ours_alone = [
                &b"Sec-Token-Binding-Context"[..],
                b"TB-SSL-Client-Cert-Fingerprint",
                b"Sec-Device-Bound-Session-Key",
            ];
            assert!(!is_dashed || ours_alone.iter().any(|ours| name.eq_ignore_ascii_case(ours)))
        }
        Some(_) => assert!(is_dashed),
        None => {}
    }
}

/// The same, asked of each name for itself.
fn expected<'a>(lines: &[(&'a [u8], &'a [u8])]) -> Taken<'a> {
    let values = |wanted: &str| -> Vec<&'a [u8]> {
        let of_name = lines.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        of_name.map(|(_, value)| *value).collect()
    };
    let message = match values("Sec-Token-Binding")[..] {
        [] => Field::Absent,
        [value] => Field::One(value),
        _ => Field::Several,
    };
    let [provided, referred, other] =
        ["Provided", "Referred", "Other"].map(|kind| values(&format!("Sec-{kind}-Token-Binding-ID")));
    Taken {
        message,
        forwarded: ForwardedHeaders {
            provided: provided.last().copied(),
            referred: referred.last().copied(),
            other: other.last().copied(),
        },
        forwarded_twice: [provided, referred, other].iter().any(|values| values.len() > 1),
    }
}

/// Two lines, or one in which httpd has joined them.
fn is_several(message: Field<'_>) -> bool {
    match message {
        Field::Absent => false,
        Field::One(value) => value.contains(&b','),
        Field::Several => true,
    }
}

fn verdict<'a>(standing: Standing, taken: Taken<'a>, trusted: bool) -> Judgement<'a> {
    judge(&ServerConfig::default(), standing, &taken, || trusted, || false)
}

fn unbound_connection(taken: Taken<'_>, trusted: bool) {
    let says_something = trusted && !taken.forwarded.is_empty();
    let expected = match taken.message {
        message if is_several(message) => Judgement::Refuse(Refusal::DuplicateHeader),
        Field::One(_) | Field::Several => Judgement::Refuse(Refusal::NotNegotiated),
        Field::Absent if says_something && taken.forwarded_twice => {
            Judgement::Refuse(Refusal::ForwardedTwice)
        }
        Field::Absent if says_something => Judgement::TakeOver(taken.forwarded),
        Field::Absent => Judgement::Unbound,
    };
    assert_eq!(verdict(Standing::NotNegotiated, taken, trusted), expected);
}

/// On a connection with Token Binding nobody is unbound, and nobody speaks for somebody else.
fn bound_connection(taken: Taken<'_>, trusted: bool) {
    let speaks_for_another = trusted && !taken.forwarded.is_empty();
    let expected = match taken.message {
        Field::Several => Judgement::Refuse(Refusal::DuplicateHeader),
        message if speaks_for_another && is_several(message) => Judgement::Refuse(Refusal::DuplicateHeader),
        _ if speaks_for_another => Judgement::Refuse(Refusal::ForwardedOnBound),
        Field::One(value) => Judgement::Verify(value),
        Field::Absent => Judgement::Refuse(Refusal::MissingHeader),
    };
    assert_eq!(verdict(NEGOTIATED, taken, trusted), expected);
    // A list that gets as far as being verified is none that could be.
    let Field::One(value) = taken.message else { return };
    assert!(!is_several(taken.message) || token_binding::header::decode(value).is_err());
}
