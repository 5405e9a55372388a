use super::*;
use crate::KeyParameters;

const RP: &str = "https://rp.test/login";
const IDP: &str = "https://idp.test/authorize?state=1";

struct Scene {
    referrals: Referrals,
    key: Arc<Key>,
    now: Instant,
}

fn scene() -> Scene {
    let key = Arc::new(Key::from(crate::PrivateKey::generate(KeyParameters::ECDSAP256).unwrap()));
    Scene { referrals: Referrals::default(), key, now: Instant::now() }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, value.parse().unwrap());
    }
    map
}

fn redirect(location: &str) -> HeaderMap {
    headers(&[("location", location), ("include-referred-token-binding-id", "true")])
}

fn browser(user_agent: &str) -> Browser {
    Browser::new(IpAddr::from([127, 0, 0, 1]), &headers(&[("user-agent", user_agent)]))
}

impl Scene {
    fn note(&self, status: u16, response: &HeaderMap) {
        let status = StatusCode::from_u16(status).unwrap();
        self.referrals.note(browser("a"), RP, status, response, Arc::clone(&self.key), self.now);
    }

    fn take(&self, who: &str, url: &str) -> bool {
        let taken = self.referrals.take(&browser(who), &Method::GET, &HeaderMap::new(), url, self.now);
        taken.is_some_and(|key| Arc::ptr_eq(&key, &self.key))
    }
}

#[test]
fn the_next_request_for_the_location_refers_once() {
    let scene = scene();
    scene.note(302, &redirect(IDP));
    assert!(!scene.take("a", "https://idp.test/authorize?state=2"));
    assert!(!scene.take("a", "https://idp.test/authorize"));
    assert!(!scene.take("a", "https://idp.test:8443/authorize?state=1"));
    assert!(!scene.take("a", "http://idp.test/authorize?state=1"));
    assert!(!scene.take("b", IDP));
    assert!(scene.take("a", IDP));
    assert!(!scene.take("a", IDP));
}

#[test]
fn a_location_is_resolved_as_a_browser_does() {
    for (location, request) in [
        ("/next", "https://rp.test/next"),
        ("next?a=b#fragment", "https://rp.test/next?a=b"),
        ("//idp.test", "https://idp.test/"),
        ("https://IDP.test:443/a/../b", "https://idp.test/b"),
        ("https://idp.test/ä b", "https://idp.test/%C3%A4%20b"),
    ] {
        let scene = scene();
        let mut response = redirect("x");
        response.insert(LOCATION, HeaderValue::from_bytes(location.as_bytes()).unwrap());
        scene.note(303, &response);
        assert!(scene.take("a", request), "{location}");
    }
}

#[test]
fn only_a_redirect_that_asks_for_it_does() {
    let plain = headers(&[("location", IDP)]);
    let no = headers(&[("location", IDP), ("include-referred-token-binding-id", "false")]);
    let nowhere = headers(&[("include-referred-token-binding-id", "true")]);
    let mut twice = redirect(IDP);
    twice.append(INCLUDE_REFERRED_TOKEN_BINDING_ID, "true".parse().unwrap());
    let insecure = redirect("http://idp.test/");
    let script = redirect("javascript:alert(1)");
    for (status, response) in [
        (200, &redirect(IDP)),
        (401, &redirect(IDP)),
        (302, &plain),
        (302, &no),
        (302, &nowhere),
        (302, &twice),
        (302, &insecure),
        (302, &script),
    ] {
        let scene = scene();
        scene.note(status, response);
        assert_eq!(scene.referrals.len(), 0, "{status} {response:?}");
    }
    let loud = headers(&[("location", IDP), ("include-referred-token-binding-id", "TRUE")]);
    let scene = scene();
    scene.note(307, &loud);
    assert!(scene.take("a", IDP));
}

#[test]
fn a_preflight_does_not_count() {
    let scene = scene();
    scene.note(307, &redirect(IDP));
    let preflight = headers(&[("access-control-request-method", "POST")]);
    let taken = scene.referrals.take(&browser("a"), &Method::OPTIONS, &preflight, IDP, scene.now);
    assert!(taken.is_none());
    assert!(scene.take("a", IDP));
}

#[test]
fn they_are_forgotten_and_there_are_not_many() {
    let mut scene = scene();
    scene.note(302, &redirect(IDP));
    scene.now += LIFETIME;
    assert!(!scene.take("a", IDP));
    assert_eq!(scene.referrals.len(), 0);

    for number in 0..1000 {
        scene.note(302, &redirect(&format!("https://idp.test/{number}")));
    }
    assert_eq!(scene.referrals.len(), MAX_OF_ONE);
    assert!(!scene.take("a", "https://idp.test/0"));
    assert!(scene.take("a", "https://idp.test/999"));
}

#[test]
fn nobody_else_can_crowd_a_redirect_out() {
    let scene = scene();
    scene.note(302, &redirect(IDP));
    let evil = |who: &str, site: usize, number: usize| {
        let (from, to) =
            (format!("https://www.evil{site}.test/"), format!("https://idp.test/{site}/{number}"));
        let key = Arc::clone(&scene.key);
        scene.referrals.note(browser(who), &from, StatusCode::FOUND, &redirect(&to), key, scene.now);
    };
    for number in 0..2 * MAX_OF_ONE {
        (0..2 * MAX_PENDING / MAX_OF_ONE).for_each(|site| evil("a", site, number));
        evil("b", 0, number);
    }
    assert_eq!(scene.referrals.len(), MAX_PENDING);
    assert!(scene.take("a", IDP));
}

#[test]
fn of_two_redirects_to_one_place_the_later_counts() {
    let scene = scene();
    let other = Arc::new(Key::from(crate::PrivateKey::generate(KeyParameters::ECDSAP256).unwrap()));
    scene.referrals.note(browser("a"), RP, StatusCode::FOUND, &redirect(IDP), other, scene.now);
    scene.note(302, &redirect(IDP));
    assert_eq!(scene.referrals.len(), 1);
    assert!(scene.take("a", IDP));
}
