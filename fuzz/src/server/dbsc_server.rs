use std::sync::LazyLock;

use super::given::{ELSEWHERE, KEYRING, STRANGER};
use super::readers::{as_applications_see, every_name};
use token_binding_server::dbsc::device::{Asks, is_own, take};
use token_binding_server::dbsc::endpoints::{Call, answer};
use token_binding_server::dbsc::pending::Pending;
use token_binding_server::dbsc::settings::{DbscSettings, Endpoint};
use token_binding_server::dbsc::tokens::{Challenge, Offered, Registered, Session, ShortLived};

const NOW: u64 = 1_800_000_000;

static SETTINGS: LazyLock<DbscSettings> =
    LazyLock::new(|| DbscSettings { enabled: Some(true), ..DbscSettings::default() });

/// Three lines: a `Cookie` header, a session identifier, a proof; each may also be a text of the server's own, or a cookie's
/// content. Nobody without the secret and a key has the server do anything but say no: no cookie is given, no session
/// ends, and none of the server's own cookies is left for the application.
pub fn dbsc_server(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let [cookies, session_id, proof] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let dbsc = SETTINGS.in_force().unwrap();
    let mut newest = None;
    if let Some(taken) = take(dbsc, &KEYRING, NOW, cookies, Asks::Newest) {
        assert!(taken.cookie.is_none() && taken.newest.is_none(), "nobody has sealed it");
        assert!(taken.header.len() < cookies.len());
        for name in every_name(&taken.header) {
            let left = as_applications_see(name).into_iter().any(|name| is_own(&name));
            assert!(!left, "{} is left", name.escape_ascii());
        }
        assert_eq!(
            take(dbsc, &KEYRING, NOW, &taken.header, Asks::Newest),
            None,
            "a second time there is nothing to take"
        );
        newest = taken.newest;
    }
    for endpoint in [Endpoint::Register, Endpoint::Refresh] {
        for (session_id, proof) in [
            (Some(session_id), Some(proof)),
            (Some(session_id), None),
            (None, Some(proof)),
            (Some(proof), Some(session_id)),
        ] {
            let call = Call { is_post: true, proof, session_id, newest, now: NOW };
            for keyring in [&KEYRING, &ELSEWHERE, &STRANGER] {
                let answer = answer(endpoint, dbsc, keyring, call);
                assert!((400..600).contains(&answer.status), "{answer:?}");
                assert!(answer.body.is_empty() && answer.line.is_some() && answer.count.is_some());
                assert!(answer.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("set-cookie")));
                let (_, _, line) = answer.line.unwrap();
                assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
            }
        }
    }
    for text in [cookies, session_id, proof] {
        assert!(ShortLived::open(&KEYRING, text).is_err() && Registered::open(&KEYRING, text).is_err());
        if let Ok(text) = std::str::from_utf8(text) {
            assert!(Session::open(&KEYRING, text).is_err());
            assert!(Challenge::open(&KEYRING, text).is_err() && Offered::open(&KEYRING, text).is_err());
        }
        if let Some(pending) = Pending::read(text) {
            let written = pending.to_content().unwrap();
            assert_eq!(Pending::read(&written), Some(pending.clone()));
            pending.attributes_now(NOW);
            assert_eq!(
                pending.attributes_now(pending.at).split(|byte| *byte == b';').count(),
                pending.attributes.split(|byte| *byte == b';').count()
            );
        }
    }
}
