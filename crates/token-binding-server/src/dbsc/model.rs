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

use super::device::{Asks, take};
use super::endpoints::{Answer, Call, answer};
use super::pending::Waiting;
use super::settings::{DbscSettings, Endpoint};
use super::tokens::ShortLived;
use super::{TEST_CLOCK, now};
use crate::cookies::incoming;
use crate::cookies::outgoing::{self, Outgoing};
use crate::cookies::settings::{Client, CookiePolicy, CookieSettings, Proved};
use crate::cookies::testing::settings;

/// The value of the owner's session.
const OWNER: &str = "owner";
/// The application's cookies: it logs a client in by the first, and may set either again with what it has received.
const NAMES: [&str; 2] = ["sid", "rid"];
const PROOF: &str = "__Host-tb-dbsc";
const START: u64 = 1_000_000;
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
    /// The application sets the cookie of this name again, with what it has received in any: a sliding expiry, or a session that is
    /// continued under another name.
    Roll(Who, &'static str),
    Register(Who),
    Refresh(Who),
    /// The thief copies the owner's jar.
    Steal,
    /// From now on, the thief sends only these of the application's cookies.
    Send(&'static [&'static str]),
    Wait(u64),
}

/// What the application does with a request.
#[derive(Debug, Clone, Copy)]
enum Act {
    Nothing,
    LogIn,
    Roll(&'static str),
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
    /// Which of the application's cookies it sends.
    sends: &'static [&'static str],
    /// The challenge of the last offer to register.
    offer: Option<String>,
    session: Option<String>,
}

struct World {
    settings: CookieSettings,
    owner: Party,
    thief: Party,
    /// Whether an application has made a cookie of the thief's own out of the owner's: where pending ones are good for ever, it may.
    has_remade: bool,
    /// Each text of the owner's cookie.
    classes: BTreeMap<String, Class>,
    /// Until when each of the owner's proofs counts.
    proofs: BTreeMap<String, u64>,
}

impl Party {
    fn new(token_binding: Option<&'static [u8]>, has_device: bool, value: &'static str) -> Self {
        let key = has_device.then(|| SigningKey::generate(Algorithm::Es256).unwrap());
        Self { token_binding, key, value, jar: BTreeMap::new(), sends: &NAMES, offer: None, session: None }
    }

    fn header(&self) -> String {
        let is_sent = |name: &str| self.sends.contains(&name) || !NAMES.contains(&name);
        let sent = self.jar.iter().filter(|(name, _)| is_sent(name));
        sent.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

impl World {
    fn party_ref(&self, who: Who) -> &Party {
        match who {
            Who::Owner => &self.owner,
            Who::Thief => &self.thief,
        }
    }

    fn party(&mut self, who: Who) -> &mut Party {
        match who {
            Who::Owner => &mut self.owner,
            Who::Thief => &mut self.thief,
        }
    }

    /// A request, and the response to it: what the application sees, and does.
    fn request(&mut self, who: Who, act: Act) {
        let (now, settings) = (now(), self.settings.clone());
        let binder = settings.binder().unwrap().unwrap();
        let may_be_remade = self.has_remade;
        let party = self.party(who);
        let mut header = party.header();
        let taken = take(binder.dbsc().unwrap(), binder.keyring, now, header.as_bytes(), Asks::Proof);
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
        let seen: Vec<(&str, &str)> = seen.split("; ").filter_map(|cookie| cookie.split_once('=')).collect();
        let has_owners = seen.iter().any(|(_, value)| *value == OWNER);
        let to_set = match act {
            Act::Nothing => None,
            Act::LogIn => Some((NAMES[0], party.value)),
            Act::Roll(_) if seen.is_empty() => None,
            Act::Roll(name) => Some((name, if has_owners { OWNER } else { party.value })),
        };
        let mut set: Vec<(Vec<u8>, String)> = Vec::new();
        let mut put = |result, value: &str| match result {
            Outgoing::Sealed { line, .. } => set.push((line, value.to_owned())),
            Outgoing::Withheld { .. } => {}
            other => panic!("{other:?}"),
        };
        if let Some((name, value)) = to_set {
            let line = format!("{name}={value}; Path=/");
            put(outgoing::rewrite(binder, client, line.as_bytes()).unwrap(), value);
        }
        if let Some(proved) = proved.filter(|_| party.token_binding.is_none()) {
            let is_set = |name: &[u8]| to_set.is_some_and(|(set, _)| set.as_bytes() == name);
            for upgrade in incoming.upgrades.iter().filter(|upgrade| !is_set(&upgrade.name)) {
                let value = std::str::from_utf8(&upgrade.value).unwrap();
                // With a stolen proof, it is the owner's key that the owner's cookie is sealed to.
                let own_key = party.key.as_ref().map(|key| key.public_key().thumbprint());
                assert!(
                    value == party.value || may_be_remade || own_key != Some(proved.by.thumbprint),
                    "another's cookie is sealed to this key"
                );
                put(outgoing::upgrade(binder, &proved, upgrade).unwrap(), value);
            }
        }
        if let Ok(Some(challenge)) = waiting.challenge(binder.keyring) {
            party.offer = Some(challenge);
        }
        // What the owner's value came in.
        let with_owners = seen.iter().filter(|(_, value)| *value == OWNER);
        let sources: Vec<Class> =
            with_owners.map(|(name, _)| self.classes[&self.party_ref(who).jar[*name]]).collect();
        if matches!(who, Who::Thief) {
            sources.iter().for_each(|class| self.assert_in_time(*class));
        }
        for (line, value) in set {
            let line = String::from_utf8(line).unwrap();
            let (name, text) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value == OWNER {
                let is_login = matches!(act, Act::LogIn) && name == NAMES[0];
                let class = self.class_of_set(client, if is_login { &[] } else { &sources });
                self.has_remade |= self.is_optional() && matches!((who, act), (Who::Thief, Act::Roll(_)));
                self.classes.insert(text.to_owned(), class);
            }
            self.party(who).jar.insert(name.to_owned(), text.to_owned());
        }
    }

    /// What the owner's value is set again as, when it came in these.
    fn class_of_set(&self, client: Client<'_>, sources: &[Class]) -> Class {
        // What is good for ever is good for ever, whatever a thief has it made into.
        if self.is_optional()
            && let Some(pending) = sources.iter().find(|class| matches!(class, Class::Pending(_)))
        {
            return *pending;
        }
        let waits_since = sources.iter().filter_map(|class| match class {
            Class::Pending(since) => Some(*since),
            Class::ToTokenBinding | Class::ToDevice => None,
        });
        match client {
            Client::Bound(_) => Class::ToTokenBinding,
            Client::Device(_) => Class::ToDevice,
            // The owner's next request can come of what waits for the owner's registration.
            _ => Class::Pending(waits_since.min().unwrap_or(now())),
        }
    }

    fn is_optional(&self) -> bool {
        self.settings.policy == Some(CookiePolicy::Optional)
    }

    /// Whether the thief may still use the owner's value in a cookie of this class.
    fn assert_in_time(&self, class: Class) {
        let has_proof = self.thief.jar.get(PROOF).and_then(|text| self.proofs.get(text));
        let in_time = match class {
            Class::ToTokenBinding => false,
            Class::ToDevice => has_proof.is_some_and(|until| now() < until + SKEW),
            Class::Pending(since) => {
                self.is_optional()
                    || now() <= since + 60 + SKEW
                    || has_proof.is_some_and(|until| now() < until + SKEW)
            }
        };
        assert!(in_time, "the thief gets in with {class:?}, {} seconds after the start", now() - START);
    }

    fn call(&mut self, who: Who, endpoint: Endpoint, proof: Option<String>) -> Answer {
        let (now, settings) = (now(), self.settings.clone());
        let binder = settings.binder().unwrap().unwrap();
        let party = self.party(who);
        let header = party.header();
        let taken = take(binder.dbsc().unwrap(), binder.keyring, now, header.as_bytes(), Asks::Newest);
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
            Step::LogIn(who) => self.request(who, Act::LogIn),
            Step::Visit(who) => self.request(who, Act::Nothing),
            Step::Roll(who, name) => self.request(who, Act::Roll(name)),
            Step::Send(names) => self.thief.sends = names,
            Step::Wait(seconds) => TEST_CLOCK.set(Some(now() + seconds)),
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
        3 => (who(), prop::sample::select(&NAMES[..])).prop_map(|(who, name)| Step::Roll(who, name)),
        2 => who().prop_map(Step::Register),
        3 => who().prop_map(Step::Refresh),
        2 => Just(Step::Steal),
        2 => prop::sample::select(vec![&NAMES[..], &NAMES[..1], &NAMES[1..], &[]]).prop_map(Step::Send),
        2 => prop_oneof![1_u64..70, 500_u64..700].prop_map(Step::Wait),
    ]
}

fn world(policy: CookiePolicy, kinds: [(bool, bool); 2]) -> World {
    let [(owner_binds, owner_has), (thief_binds, thief_has)] = kinds;
    TEST_CLOCK.set(Some(START));
    let dbsc = DbscSettings { enabled: Some(true), ..DbscSettings::default() };
    World {
        settings: CookieSettings { dbsc, ..settings(&NAMES, policy) },
        owner: Party::new(owner_binds.then_some(b"owner's id"), owner_has, OWNER),
        thief: Party::new(thief_binds.then_some(b"thief's id"), thief_has, "thief"),
        has_remade: false,
        classes: BTreeMap::new(),
        proofs: BTreeMap::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

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

/// A thief mixes the owner's cookie with younger or older ones of his own, before or behind it, and has both made into another:
/// too long a way for steps by chance.
#[test]
fn mixing_cookies_of_one_s_own_in_does_not_help() {
    use Step::{LogIn, Refresh, Register, Roll, Send, Steal, Visit, Wait};
    use Who::{Owner, Thief};
    const RID: &str = NAMES[1];
    for name in NAMES {
        let own_is_younger =
            [LogIn(Owner), Steal, Roll(Thief, RID), Wait(30), Send(&[]), LogIn(Thief), Send(&NAMES)];
        let own_is_older =
            [LogIn(Thief), Roll(Thief, RID), Wait(30), LogIn(Owner), Steal, Send(&NAMES), Wait(1)];
        for begin in [own_is_younger, own_is_older] {
            for end in [
                &[Roll(Thief, name), Wait(36), Visit(Thief)][..],
                &[Register(Thief), Roll(Thief, name), Refresh(Thief), Visit(Thief), Wait(40), Visit(Thief)],
                &[Roll(Thief, name), Register(Thief), Refresh(Thief), Visit(Thief), Wait(40), Visit(Thief)],
            ] {
                let mut world = world(CookiePolicy::Required, [(false, false), (false, true)]);
                begin.into_iter().chain(end.iter().copied()).for_each(|step| world.play(step));
            }
        }
    }
}
