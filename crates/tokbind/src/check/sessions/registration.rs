//! How a session is begun.

use ::dbsc::Algorithm;
use ::dbsc::instructions::Credential;
use ::dbsc::sign::Signer as _;
use ::dbsc::sign::openssl::SigningKey;

use super::proof::{jwt, leave_curve, registration_header, set};
use super::site::{Offered, Site, cookies, is_private, is_success};
use crate::check::finding::Seen;
use crate::check::probe::Probe;
use crate::error::{Error, Result};
use crate::keys::registered_domain;

pub(super) static PROBES: &[Probe<Site>] = &[
    Probe {
        name: "offer",
        section: "Secure-Session-Registration",
        rule: "the login's response offers a registration with an algorithm, a path on the site and a challenge",
        allows: "no browser registers a key, or one does elsewhere",
        run: |site| Box::pin(offer(site)),
    },
    Probe {
        name: "offer-not-shared",
        section: "Security considerations",
        rule: "a response that offers a registration is not kept by shared caches",
        allows: "a cache gives one visitor's challenge to all others",
        run: |site| Box::pin(offer_not_shared(site)),
    },
    Probe {
        name: "registration",
        section: "JSON Session Instruction Format",
        rule: "a right proof is answered with application/json: an identifier, a refresh URL of the site, credentials",
        allows: "no session begins",
        run: |site| Box::pin(registration(site)),
    },
    Probe {
        name: "registration-not-cached",
        section: "Security considerations",
        rule: "the answer to a registration is no-store",
        allows: "a cache gives one visitor's session to others",
        run: |site| Box::pin(registration_not_cached(site)),
    },
    Probe {
        name: "cookie-attributes",
        section: "JSON Session Credentials Format",
        rule: "each credential's cookie is set, with the attributes that the credential names",
        allows: "the browser takes the session's cookie for missing, and refreshes before every request",
        run: |site| Box::pin(cookie_attributes(site)),
    },
    Probe {
        name: "registration-alg-none",
        section: "DBSC Proof JWT Syntax",
        rule: "a registration without a signature is refused",
        allows: "whoever has seen a challenge registers any key in the visitor's name",
        run: |site| Box::pin(wrong(site, Wrong::AlgNone)),
    },
    Probe {
        name: "registration-typ",
        section: "DBSC Proof JWT Syntax",
        rule: "a JWT of another typ is refused",
        allows: "a signature made for something else is taken for a registration",
        run: |site| Box::pin(wrong(site, Wrong::Typ)),
    },
    Probe {
        name: "registration-alg",
        section: "DBSC Proof JWT Syntax",
        rule: "an alg that is not the key's is refused",
        allows: "the server verifies by another rule than the key is for",
        run: |site| Box::pin(wrong(site, Wrong::Alg)),
    },
    Probe {
        name: "registration-key",
        section: "DBSC Proof JWT Syntax",
        rule: "a proof that another key than its jwk has signed is refused",
        allows: "somebody registers a key that they don't hold",
        run: |site| Box::pin(wrong(site, Wrong::Key)),
    },
    Probe {
        name: "registration-no-point",
        section: "RFC 7518 s6.2.1",
        rule: "a jwk whose point is not on its curve is refused",
        allows: "signatures by keys that are none",
        run: |site| Box::pin(wrong(site, Wrong::NoPoint)),
    },
    Probe {
        name: "registration-challenge",
        section: "DBSC Proof JWT Syntax",
        rule: "a proof for a challenge that the server has not given is refused",
        allows: "a proof made long ago, or for another server, registers a key",
        run: |site| Box::pin(wrong(site, Wrong::Challenge)),
    },
    Probe {
        name: "registration-replayed",
        section: "Security considerations",
        rule: "a recorded registration is refused when its challenge is old",
        allows: "whoever has seen a registration begins sessions with it for ever",
        run: |site| Box::pin(replayed(site)),
    },
];

fn nothing_offered() -> Seen {
    Seen::NotApplicable("the login's response offers no registration".into())
}

async fn offer(site: &Site) -> Result<Seen> {
    let Some(Offered { offer, .. }) = site.log_in().await? else {
        return Ok(Seen::Wrong("no Secure-Session-Registration, or one that no browser understands".into()));
    };
    let own = site.url()?;
    let url = site.registration_url(&offer)?;
    let domain = |url: &url::Url| registered_domain(url.host_str().unwrap_or_default());
    let is_elsewhere = url.scheme() != "https" || domain(&url) != domain(&own);
    Ok(if is_elsewhere {
        Seen::Wrong(format!("the path leads to {url}"))
    } else {
        Seen::unless(offer.challenge.as_deref().unwrap_or_default().is_empty(), "no challenge")
    })
}

async fn offer_not_shared(site: &Site) -> Result<Seen> {
    let Some(Offered { response, .. }) = site.log_in().await? else { return Ok(nothing_offered()) };
    Ok(Seen::unless(!is_private(&response, &["no-store", "private"]), "neither no-store nor private"))
}

async fn registration(site: &Site) -> Result<Seen> {
    let begun = match site.begin().await? {
        Ok(begun) => begun,
        Err(why) => return Ok(Seen::Wrong(why)),
    };
    let is_json =
        begun.response.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let own = site.url()?;
    let domain = |url: &url::Url| registered_domain(url.host_str().unwrap_or_default());
    Ok(if !is_json {
        Seen::Wrong("the answer is not application/json".into())
    } else if begun.session.session_identifier.is_empty() {
        Seen::Wrong("the session identifier is empty".into())
    } else if begun.refresh.scheme() != "https" || domain(&begun.refresh) != domain(&own) {
        Seen::Wrong(format!("the refresh URL is {}", begun.refresh))
    } else {
        Seen::unless(begun.session.credentials.is_empty(), "no credentials")
    })
}

async fn registration_not_cached(site: &Site) -> Result<Seen> {
    match site.begin().await? {
        Ok(begun) => Ok(Seen::unless(!is_private(&begun.response, &["no-store"]), "not no-store")),
        Err(why) => Ok(Seen::NotApplicable(why)),
    }
}

async fn cookie_attributes(site: &Site) -> Result<Seen> {
    let begun = match site.begin().await? {
        Ok(begun) => begun,
        Err(why) => return Ok(Seen::NotApplicable(why)),
    };
    for credential in &begun.session.credentials {
        let Credential::Cookie { name, attributes } = credential else { continue };
        let lines = cookies(&begun.response, name);
        let Some(line) = lines.last() else { return Ok(Seen::Wrong(format!("{name} is not set"))) };
        let set = sorted(line.split_once(';').map_or("", |(_, attributes)| attributes));
        if set != sorted(attributes) {
            return Ok(Seen::Wrong(format!(
                "{name} is set with {set:?}, and its credential has {attributes:?}"
            )));
        }
    }
    Ok(Seen::AsItShould)
}

/// What a browser recognises a cookie by: all attributes but how long it lives.
fn sorted(attributes: &str) -> Vec<String> {
    let mut all: Vec<String> = attributes
        .split(';')
        .map(|attribute| attribute.trim().to_ascii_lowercase())
        .filter(|one| !one.is_empty() && !one.starts_with("max-age") && !one.starts_with("expires"))
        .collect();
    all.sort();
    all
}

#[derive(Clone, Copy)]
enum Wrong {
    AlgNone,
    Typ,
    Alg,
    Key,
    NoPoint,
    Challenge,
}

async fn wrong(site: &Site, wrong: Wrong) -> Result<Seen> {
    let Some(Offered { offer, .. }) = site.log_in().await? else { return Ok(nothing_offered()) };
    let new_key = || SigningKey::generate(Algorithm::Es256).map_err(Error::session);
    let (key, other) = (new_key()?, new_key()?);
    let mut header = registration_header(&key);
    let mut challenge = offer.challenge.clone().unwrap_or_default();
    let mut signer = Some(&key);
    match wrong {
        Wrong::AlgNone => {
            set(&mut header, "alg", "none");
            signer = None;
        }
        Wrong::Typ => set(&mut header, "typ", "jwt"),
        Wrong::Alg => set(&mut header, "alg", "RS256"),
        Wrong::Key => signer = Some(&other),
        Wrong::NoPoint => leave_curve(&mut header),
        Wrong::Challenge => challenge = "a-challenge-that-nobody-gave".to_owned(),
    }
    let proof = jwt(&header, &challenge, signer)?;
    Ok(match site.register(&offer, &proof).await? {
        None => Seen::NotApplicable("keys are registered with another server".into()),
        Some(response) => Seen::unless(is_success(&response), format!("status {}", response.status)),
    })
}

async fn replayed(site: &Site) -> Result<Seen> {
    let Some(patience) = site.patience else {
        return Ok(Seen::NotApplicable("not waited for (--wait)".into()));
    };
    let Some(Offered { offer, .. }) = site.log_in().await? else { return Ok(nothing_offered()) };
    let key = SigningKey::generate(Algorithm::Es256).map_err(Error::session)?;
    let challenge = offer.challenge.as_deref().unwrap_or_default();
    let proof = key.registration_proof(challenge, offer.authorization.as_deref()).map_err(Error::session)?;
    site.register(&offer, &proof).await?;
    tokio::time::sleep(patience).await;
    Ok(match site.register(&offer, &proof).await? {
        None => Seen::NotApplicable("keys are registered with another server".into()),
        Some(response) => {
            Seen::unless(is_success(&response), format!("status {} after {patience:?}", response.status))
        }
    })
}
