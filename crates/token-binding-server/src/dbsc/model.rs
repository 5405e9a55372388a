//! A model of bound cookies over time: an owner and a thief, each with Token Binding, a device's key, or neither, against the rules
//! as they are. No sequence of steps lets the thief's request reach the application with the owner's value after the time that
//! docs/security.md gives.

use std::collections::BTreeMap;

use ::dbsc::Algorithm;
use ::dbsc::headers::Challenge as ChallengeHeader;
use ::dbsc::instructions::Instructions;
use ::dbsc::sign::Signer as _;
use ::dbsc::sign::openssl::SigningKey;
use proptest::prelude::*;

use super::device::take;
use super::endpoints::{Answer, Call, answer};
use super::now;
use super::pending::Waiting;
use super::settings::{DbscSettings, Endpoint};
use super::tokens::ShortLived;
use crate::cookies::incoming;
use crate::cookies::outgoing::{self, Outgoing};
use crate::cookies::settings::{Client, CookiePolicy, CookieSettings, Proved};
use crate::cookies::testing::settings;

const OWNERS: &str = "sid=owner";
const PROOF: &str = "__Host-tb-dbsc";
/// The clocks of a farm may differ by so much, in seconds.
const SKEW: u64 = 5;

#[derive(Debug, Clone, Copy)]
enum Who {
    Owner,
    Thief,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    LogIn(Who),
    Visit(Who),
    Register(Who),
    Refresh(Who),
    /// The thief copies the owner's jar.
    Steal,
    Wait(u64),
}

/// What the owner's cookie was when the owner got it, as far as the model knows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Class {
    ToTokenBinding,
    ToDevice,
    Pending(u64),
}

/// A client.
struct Party {
    token_binding: Option<&'static [u8]>,
    key: Option<SigningKey>,
    value: &'static str,
    jar: BTreeMap<String, String>,
    /// The challenge of the last offer to register.
    offer: Option<String>,
    session: Option<String>,
}

struct World {
    settings: CookieSettings,
    start: u64,
    /// Seconds since the start.
    gone: u64,
    owner: Party,
    thief: Party,
    /// Each text of the owner's cookie.
    classes: BTreeMap<String, Class>,
    /// Until when each of the owner's proofs counts.
    proofs: BTreeMap<String, u64>,
}

impl Party {
    fn new(token_binding: Option<&'static [u8]>, has_device: bool, value: &'static str) -> Self {
        let key = has_device.then(|| SigningKey::generate(Algorithm::Es256).unwrap());
        Self { token_binding, key, value, jar: BTreeMap::new(), offer: None, session: None }
    }

    fn header(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

impl World {
    fn now(&self) -> u64 {
        self.start + self.gone
    }

    fn party(&mut self, who: Who) -> &mut Party {
        match who {
            Who::Owner => &mut self.owner,
            Who::Thief => &mut self.thief,
        }
    }

    /// A request, and the response to it: what the application sees, and does.
    fn request(&mut self, who: Who, logs_in: bool) {
        let (now, settings) = (self.now(), self.settings.clone());
        let binder = settings.binder().unwrap().unwrap();
        let party = self.party(who);
        let mut header = party.header();
        let taken = take(binder.dbsc().unwrap(), binder.keyring, now, header.as_bytes());
        let short_lived: Option<ShortLived> = taken.as_ref().and_then(|taken| taken.cookie);
        if let Some(taken) = taken {
            header = String::from_utf8(taken.header).unwrap();
        }
        // As the module's state has it: Token Binding counts before a device's key.
        let proved = short_lived.filter(|by| by.is_proved).map(|by| Proved { by, now });
        let waiting =
            short_lived.map_or_else(Waiting::default, |by| Waiting::for_registered(by.registered.id));
        let client = match (party.token_binding, &proved) {
            (Some(id), _) => Client::Bound(id),
            (None, Some(proved)) => Client::Device(proved),
            (None, None) => Client::Waiting(&waiting, now),
        };
        let incoming = incoming::rewrite(binder, client, header.as_bytes());
        let seen = incoming.header.map(|header| String::from_utf8(header).unwrap()).unwrap_or_default();
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut sealed_values = if logs_in { vec![party.value.as_bytes().to_vec()] } else { Vec::new() };
        let mut put = |result| match result {
            Outgoing::Sealed { line, .. } => lines.push(line),
            Outgoing::Withheld { .. } => {}
            other => panic!("{other:?}"),
        };
        if logs_in {
            let line = format!("sid={}; Path=/", party.value);
            put(outgoing::rewrite(binder, client, line.as_bytes()).unwrap());
        } else if let Some(proved) = &proved {
            for upgrade in incoming.upgrades.iter().filter(|_| party.token_binding.is_none()) {
                put(outgoing::upgrade(binder, proved, upgrade).unwrap());
                // With a stolen proof, it is the owner's key that the owner's cookie is sealed to.
                let own_key = party.key.as_ref().map(|key| key.public_key().thumbprint());
                let is_own = upgrade.value == party.value.as_bytes();
                assert!(
                    is_own || own_key != Some(proved.by.thumbprint),
                    "another's cookie is sealed to this key"
                );
                sealed_values.push(upgrade.value.clone());
            }
        }
        if let Ok(Some(challenge)) = waiting.challenge(binder.keyring) {
            party.offer = Some(challenge);
        }
        let sent = party.jar.get("sid").cloned();
        for (line, value) in lines.into_iter().zip(sealed_values) {
            let line = String::from_utf8(line).unwrap();
            let text = line.split(';').next().unwrap().strip_prefix("sid=").unwrap().to_owned();
            let class = match client {
                Client::Bound(_) => Class::ToTokenBinding,
                Client::Device(_) => Class::ToDevice,
                _ => Class::Pending(now),
            };
            self.party(who).jar.insert("sid".into(), text.clone());
            if value == b"owner" {
                self.classes.insert(text, class);
            }
        }
        if matches!(who, Who::Thief) && seen.split("; ").any(|cookie| cookie == OWNERS) {
            self.assert_in_time(&sent.unwrap());
        }
    }

    /// Whether the thief may still use this text of the owner's cookie.
    fn assert_in_time(&self, text: &str) {
        let class = self.classes[text];
        let has_proof = self.thief.jar.get(PROOF).and_then(|text| self.proofs.get(text));
        let is_optional = self.settings.policy == Some(CookiePolicy::Optional);
        let in_time = match class {
            Class::ToTokenBinding => false,
            Class::ToDevice => has_proof.is_some_and(|until| self.now() < until + SKEW),
            Class::Pending(since) => {
                is_optional
                    || self.now() <= since + 60 + SKEW
                    || has_proof.is_some_and(|until| self.now() < until + SKEW)
            }
        };
        assert!(in_time, "the thief gets in with {class:?}, {} seconds after the start", self.gone);
    }

    fn call(&mut self, who: Who, endpoint: Endpoint, proof: Option<String>) -> Answer {
        let (now, settings) = (self.now(), self.settings.clone());
        let binder = settings.binder().unwrap().unwrap();
        let party = self.party(who);
        let header = party.header();
        let taken = take(binder.dbsc().unwrap(), binder.keyring, now, header.as_bytes());
        let call = Call {
            is_post: true,
            proof: proof.as_deref().map(str::as_bytes),
            session_id: party.session.as_deref().map(str::as_bytes),
            newest: taken.and_then(|taken| taken.newest),
            now,
        };
        let answer = answer(endpoint, binder.dbsc().unwrap(), binder.keyring, call);
        for (_, line) in answer.headers.iter().filter(|(name, _)| *name == "Set-Cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.party(who).jar.insert(name.to_owned(), value.to_owned());
            if name == PROOF && matches!(who, Who::Owner) {
                let until = ShortLived::open(binder.keyring, value.as_bytes()).unwrap().expires;
                self.proofs.insert(value.to_owned(), until);
            }
        }
        let party = self.party(who);
        if let Ok(Instructions::Continue(session)) = Instructions::from_json(&answer.body) {
            party.session = Some(session.session_identifier);
        }
        answer
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::LogIn(who) => self.request(who, true),
            Step::Visit(who) => self.request(who, false),
            Step::Wait(seconds) => self.gone += seconds,
            Step::Steal => {
                let loot = self.owner.jar.clone();
                self.thief.session = self.owner.session.clone().or(self.thief.session.take());
                self.thief.jar.extend(loot);
            }
            Step::Register(who) => {
                let party = self.party(who);
                let (Some(key), Some(offer)) = (&party.key, &party.offer) else { return };
                let proof = key.registration_proof(offer, None).unwrap();
                self.call(who, Endpoint::Register, Some(proof));
            }
            Step::Refresh(who) => {
                if self.party(who).session.is_none() || self.party(who).key.is_none() {
                    return;
                }
                let challenged = self.call(who, Endpoint::Refresh, None);
                let header = challenged.headers.iter().find(|(name, _)| *name == "Secure-Session-Challenge");
                let Some((_, header)) = header else { return };
                let challenge = ChallengeHeader::parse_list(header.as_bytes()).unwrap().remove(0).challenge;
                let proof = self.party(who).key.as_ref().unwrap().refresh_proof(&challenge).unwrap();
                self.call(who, Endpoint::Refresh, Some(proof));
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let who = || prop_oneof![Just(Who::Owner), Just(Who::Thief)];
    prop_oneof![
        2 => who().prop_map(Step::LogIn),
        4 => who().prop_map(Step::Visit),
        2 => who().prop_map(Step::Register),
        3 => who().prop_map(Step::Refresh),
        2 => Just(Step::Steal),
        2 => prop_oneof![1_u64..70, 500_u64..700].prop_map(Step::Wait),
    ]
}

fn world(policy: CookiePolicy, kinds: [(bool, bool); 2]) -> World {
    let [(owner_binds, owner_has), (thief_binds, thief_has)] = kinds;
    let dbsc = DbscSettings { enabled: Some(true), ..DbscSettings::default() };
    World {
        settings: CookieSettings { dbsc, ..settings(&["sid"], policy) },
        start: now(),
        gone: 0,
        owner: Party::new(owner_binds.then_some(b"owner's id"), owner_has, "owner"),
        thief: Party::new(thief_binds.then_some(b"thief's id"), thief_has, "thief"),
        classes: BTreeMap::new(),
        proofs: BTreeMap::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_thief_never_gets_in_after_the_documented_time(
        policy in prop_oneof![Just(CookiePolicy::Optional), Just(CookiePolicy::Required)],
        kinds: [(bool, bool); 2],
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut world = world(policy, kinds);
        for step in steps {
            world.play(step);
        }
    }
}

/// The model is not blind: the paths that are documented are there, and where they end, too.
#[test]
fn what_is_documented_happens() {
    use Step::{LogIn, Refresh, Register, Steal, Visit, Wait};
    use Who::{Owner, Thief};
    let begin = [LogIn(Owner), Register(Owner), Refresh(Owner), Visit(Owner), Steal, Visit(Thief)];
    let mut world = world(CookiePolicy::Required, [(false, true), (false, false)]);
    begin.into_iter().for_each(|step| world.play(step));
    let stolen = &world.thief.jar["sid"];
    assert_eq!(world.classes[stolen], Class::ToDevice);
    assert!(world.proofs.contains_key(&world.thief.jar[PROOF]));
    for step in [Wait(700), Visit(Thief), Refresh(Owner), Visit(Owner), Visit(Thief)] {
        world.play(step);
    }
}
