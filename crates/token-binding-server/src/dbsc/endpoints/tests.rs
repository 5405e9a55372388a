use ::dbsc::Algorithm;
use ::dbsc::sign::Signer as _;
use ::dbsc::sign::openssl::SigningKey;

use super::*;
use crate::cookies::testing::{keyring, keyring_of};
use crate::dbsc::settings::DbscSettings;
use crate::dbsc::tokens::{RegistrationId, ShortLived};

const NOW: u64 = 1000;
const ID: RegistrationId = RegistrationId::from_bytes([1; 12]);

/// A browser with a key.
struct Browser {
    settings: DbscSettings,
    key: SigningKey,
    now: u64,
    newest: Option<Registered>,
}

impl Browser {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let settings = DbscSettings { enabled: Some(true), ..DbscSettings::default() };
        Self { settings, key, now: NOW, newest: None }
    }

    fn call(&self, endpoint: Endpoint, proof: Option<&str>, session_id: Option<&str>) -> Answer {
        let call = Call {
            is_post: true,
            proof: proof.map(str::as_bytes),
            session_id: session_id.map(str::as_bytes),
            newest: self.newest,
            now: self.now,
        };
        answer(endpoint, self.settings.in_force().unwrap(), &keyring(), call)
    }

    fn register(&self, challenge: &str) -> Answer {
        self.call(Endpoint::Register, Some(&self.key.registration_proof(challenge, None).unwrap()), None)
    }

    /// Registers, and returns the session's identifier.
    fn registered(&self) -> String {
        identifier(&self.register(&offered(NOW)))
    }

    /// The challenge of a refresh without a proof.
    fn challenge(&self, session: &str) -> String {
        challenge(&self.call(Endpoint::Refresh, None, Some(session)))
    }

    fn refresh(&self, session: &str, challenge: &str) -> Answer {
        self.call(Endpoint::Refresh, Some(&self.key.refresh_proof(challenge).unwrap()), Some(session))
    }
}

fn offered(at: u64) -> String {
    Offered { registration: ID, at }.seal(&keyring()).unwrap()
}

fn identifier(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let Instructions::Continue(session) = Instructions::from_json(&answer.body).unwrap() else { panic!() };
    session.session_identifier
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn challenge(answer: &Answer) -> String {
    assert_eq!(answer.status, 403, "{answer:?}");
    let header = header(answer, headers::SECURE_SESSION_CHALLENGE).unwrap();
    ChallengeHeader::parse_list(header.as_bytes()).unwrap().remove(0).challenge
}

fn cookie(answer: &Answer) -> ShortLived {
    let line = header(answer, "Set-Cookie").unwrap();
    let (value, _) = line.strip_prefix("__Host-tb-dbsc=").unwrap().split_once(';').unwrap();
    ShortLived::open(&keyring(), value.as_bytes()).unwrap()
}

#[test]
fn a_registration_gives_a_cookie_that_opens_nothing_and_a_refresh_one_that_does() {
    let browser = Browser::new();
    let registered = browser.register(&offered(NOW));
    let first = cookie(&registered);
    assert!(!first.is_proved && first.expires == NOW + 30 && first.registered.id == ID);
    assert!(
        header(&registered, "Set-Cookie")
            .unwrap()
            .ends_with("; Max-Age=30; Path=/; Secure; HttpOnly; SameSite=None")
    );
    assert_eq!(header(&registered, "Cache-Control"), Some("no-store"));
    assert_eq!(header(&registered, "Cross-Origin-Resource-Policy"), Some("same-origin"));
    let session = identifier(&registered);
    let challenge = browser.challenge(&session);
    for _ in 0..2 {
        // A browser does not sign the same challenge twice: it sends the same proof again.
        let refreshed = browser.refresh(&session, &challenge);
        assert_eq!(identifier(&refreshed), session);
        let proved = cookie(&refreshed);
        assert!(proved.is_proved && proved.expires == NOW + 600 && proved.registered == first.registered);
        assert_eq!(proved.thumbprint, browser.key.public_key().thumbprint());
    }
}

#[test]
fn an_old_challenge_registers_nothing() {
    let mut browser = Browser::new();
    browser.now = NOW + 65;
    assert_eq!(browser.register(&offered(NOW)).status, 200);
    browser.now = NOW + 66;
    let answer = browser.register(&offered(NOW));
    assert_eq!((answer.status, answer.count), (403, Some(Count::DbscRefusedChallenge)));
    assert!(answer.body.is_empty() && header(&answer, "Set-Cookie").is_none());
}

#[test]
fn what_is_no_registration_is_refused() {
    let browser = Browser::new();
    let session = browser.registered();
    let refresh_challenge = browser.challenge(&session);
    for challenge in [
        "c".to_owned(),
        refresh_challenge,
        Offered { registration: ID, at: NOW }.seal(&keyring_of(1, b"a.test")).unwrap(),
        Offered { registration: ID, at: NOW }.seal(&keyring_of(0, b"b.test")).unwrap(),
    ] {
        assert_eq!(browser.register(&challenge).status, 403, "{challenge}");
    }
    let good = browser.key.registration_proof(&offered(NOW), None).unwrap();
    let forged = format!("{}A", &good[..good.len() - 1]);
    let forged = if forged == good { format!("{}Q", &good[..good.len() - 1]) } else { forged };
    let refresh = browser.key.refresh_proof(&offered(NOW)).unwrap();
    for proof in [None, Some("x"), Some(""), Some(&*refresh), Some(&*forged)] {
        let answer = browser.call(Endpoint::Register, proof, None);
        assert_eq!(answer.status, 400, "{proof:?}");
        assert!(answer.line.is_some() && answer.count.is_some());
    }
    assert_eq!(browser.call(Endpoint::Register, Some(&format!("\"{good}\"")), None).status, 200);
}

#[test]
fn only_a_post_is_answered() {
    let browser = Browser::new();
    let call = Call { is_post: false, proof: None, session_id: None, newest: None, now: NOW };
    for endpoint in [Endpoint::Register, Endpoint::Refresh] {
        let answer = answer(endpoint, browser.settings.in_force().unwrap(), &keyring(), call);
        assert_eq!((answer.status, header(&answer, "Allow")), (405, Some("POST")));
    }
}

#[test]
fn a_proof_that_does_not_answer_a_live_challenge_of_the_session_gets_a_new_challenge() {
    let mut browser = Browser::new();
    let session = browser.registered();
    let old = browser.challenge(&session);
    browser.now = NOW + 65;
    assert_eq!(browser.refresh(&session, &old).status, 200);
    browser.now = NOW + 66;
    let other = Browser::new();
    let others = other.challenge(&other.registered());
    for wrong in [old, others, offered(browser.now), "c".to_owned()] {
        let answer = browser.refresh(&session, &wrong);
        assert_eq!(answer.count, Some(Count::DbscRefusedChallenge));
        let again = challenge(&answer);
        assert_eq!(browser.refresh(&session, &again).status, 200);
    }
    for proof in
        ["", "x", "a.b.c", &browser.key.registration_proof(&browser.challenge(&session), None).unwrap()]
    {
        let answer = browser.call(Endpoint::Refresh, Some(proof), Some(&session));
        assert_eq!(answer.count, Some(Count::DbscRefusedMalformed), "{proof}");
        challenge(&answer);
    }
    // A challenge that was sealed with a secret that is gone: a new one will do.
    let gone = Challenge { thumbprint: browser.key.public_key().thumbprint(), at: browser.now };
    challenge(&browser.refresh(&session, &gone.seal(&keyring_of(1, b"a.test")).unwrap()));
}

#[test]
fn only_forgery_ends_a_session() {
    let browser = Browser::new();
    let session = browser.registered();
    let thief = Browser::new();
    let answer = thief.refresh(&session, &browser.challenge(&session));
    assert_eq!((answer.status, answer.count), (400, Some(Count::DbscRefusedSignature)));
    for place in [12, 40, session.len() - 1] {
        let mut changed = session.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let answer = browser.refresh(&changed, &browser.challenge(&session));
        assert_eq!((answer.status, answer.count), (400, Some(Count::DbscRefusedIdentifier)), "{place}");
        assert!(header(&answer, headers::SECURE_SESSION_CHALLENGE).is_none());
    }
    for session_id in [None, Some(""), Some("a, b"), Some("short")] {
        assert_eq!(browser.call(Endpoint::Refresh, None, session_id).status, 400, "{session_id:?}");
    }
}

#[test]
fn what_cannot_be_decided_ends_no_session() {
    let browser = Browser::new();
    let key = browser.key.public_key();
    for keyring in [keyring_of(1, b"a.test"), keyring_of(0, b"b.test")] {
        let registered = Registered { id: ID, at: NOW };
        let session = Session { key: key.clone(), registered }.seal(&keyring).unwrap();
        let answer = browser.call(Endpoint::Refresh, None, Some(&session));
        assert_eq!((answer.status, answer.count), (503, Some(Count::DbscRefusedFault)));
    }
}

#[test]
fn the_older_of_two_sessions_ends() {
    let mut browser = Browser::new();
    let session = browser.registered();
    let challenge = browser.challenge(&session);
    let with = |at: u64, fill: u8| Some(Registered { id: RegistrationId::from_bytes([fill; 12]), at });
    let (newer, tied, same, older) = (with(NOW + 1, 0), with(NOW, 2), with(NOW, 1), with(NOW - 1, 9));
    for (newest, ends) in [(newer, true), (tied, true), (same, false), (older, false), (None, false)] {
        browser.newest = newest;
        let answer = browser.refresh(&session, &challenge);
        assert_eq!(answer.body == r#"{"continue":false}"#, ends, "{answer:?}");
        assert_eq!(answer.status, 200);
        let says_newest = answer.headers.iter().any(|(_, value)| value.starts_with("__Host-tb-dbsc-newest="));
        assert_eq!(says_newest, !ends && newest != same);
    }
}

#[test]
fn a_site_says_who_may_register_for_it() {
    let mut browser = Browser::new();
    browser.settings.origins = vec!["https://a.test".into(), "https://b.a.test:8443".into()];
    let answer = browser.call(Endpoint::WellKnown, None, None);
    assert_eq!(answer.body, r#"{"registering_origins":["https://a.test","https://b.a.test:8443"]}"#);
}
