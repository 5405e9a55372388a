//! How a key is proved again.

use ::dbsc::Algorithm;
use ::dbsc::instructions::Credential;
use ::dbsc::sign::Signer as _;
use ::dbsc::sign::openssl::SigningKey;

use super::proof::{jwt, refresh_header, registration_header, set};
use super::site::{Begun, Site, challenge, cookies, is_private, is_success};
use crate::check::finding::Seen;
use crate::check::probe::Probe;
use crate::error::{Error, Result};
use crate::message::Response;

pub(super) static PROBES: &[Probe<Site>] = &[
    Probe {
        name: "challenge",
        section: "Secure-Session-Challenge",
        rule: "a refresh without a proof is answered 403 with a challenge for this session",
        allows: "on another 4xx browsers end the session, and on a success there is nothing to prove",
        run: |site| Box::pin(gives_challenge(site)),
    },
    Probe {
        name: "refresh",
        section: "Refresh procedure",
        rule: "a right proof is answered with a success that sets the session's cookies",
        allows: "every session ends when its cookie does",
        run: |site| Box::pin(refresh(site)),
    },
    Probe {
        name: "refresh-not-cached",
        section: "Security considerations",
        rule: "the answers to refreshes are no-store",
        allows: "a cache gives one visitor's cookie to others",
        run: |site| Box::pin(refresh_not_cached(site)),
    },
    Probe {
        name: "refresh-key",
        section: "DBSC Proof JWT Syntax",
        rule: "a proof by another key is refused",
        allows: "whoever has the session identifier has the session",
        run: |site| Box::pin(wrong(site, Wrong::Key)),
    },
    Probe {
        name: "refresh-alg-none",
        section: "DBSC Proof JWT Syntax",
        rule: "a proof without a signature is refused",
        allows: "whoever has the session identifier has the session",
        run: |site| Box::pin(wrong(site, Wrong::AlgNone)),
    },
    Probe {
        name: "refresh-typ",
        section: "DBSC Proof JWT Syntax",
        rule: "a JWT of another typ is refused",
        allows: "a signature made for something else is taken for a proof",
        run: |site| Box::pin(wrong(site, Wrong::Typ)),
    },
    Probe {
        name: "refresh-jwk",
        section: "DBSC Proof JWT Syntax",
        rule: "a proof with a jwk of its own is refused: the key is that of the session",
        allows: "a thief proves a key of his own",
        run: |site| Box::pin(wrong(site, Wrong::Jwk)),
    },
    Probe {
        name: "refresh-challenge",
        section: "Refresh procedure",
        rule: "a proof for a challenge that was never given is refused, with a new challenge",
        allows: "a proof made long ago is good; without the challenge, browsers end the session",
        run: |site| Box::pin(invented_challenge(site)),
    },
    Probe {
        name: "refresh-other-session",
        section: "Refresh procedure",
        rule: "a proof for another session's challenge is refused",
        allows: "a challenge that a thief was given is answered by the victim's browser",
        run: |site| Box::pin(other_session(site)),
    },
    Probe {
        name: "session-identifier",
        section: "Sec-Secure-Session-Id",
        rule: "a changed session identifier gets no cookie",
        allows: "sessions are guessed",
        run: |site| Box::pin(changed_identifier(site)),
    },
    Probe {
        name: "refresh-replayed",
        section: "Security considerations",
        rule: "a recorded proof is refused when its challenge is old",
        allows: "whoever has seen one proof has the session for ever",
        run: |site| Box::pin(replayed(site)),
    },
];

/// Whether a response gives any of the session's cookies.
fn gives_cookie(begun: &Begun, response: &Response) -> bool {
    begun.session.credentials.iter().any(|credential| match credential {
        Credential::Cookie { name, .. } => !cookies(response, name).is_empty(),
        _ => false,
    })
}

fn seen_unless_refused(begun: &Begun, response: &Response) -> Seen {
    let is_taken = gives_cookie(begun, response) || is_success(response);
    Seen::unless(is_taken, format!("status {}", response.status))
}

macro_rules! begun {
    ($site:expr) => {
        match $site.begin().await? {
            Ok(begun) => begun,
            Err(why) => return Ok(Seen::NotApplicable(why)),
        }
    };
}

macro_rules! challenge_of {
    ($site:expr, $begun:expr) => {
        match $site.challenge($begun).await? {
            Some(challenge) => challenge,
            None => return Ok(Seen::NotApplicable("the server gives no challenge".into())),
        }
    };
}

async fn gives_challenge(site: &Site) -> Result<Seen> {
    let begun = begun!(site);
    let id = &begun.session.session_identifier;
    let response = site.refresh(&begun, id, None).await?;
    let has_challenge = challenge(&response, id).is_some();
    Ok(Seen::unless(
        response.status != 403 || !has_challenge || gives_cookie(&begun, &response),
        format!("status {}, {}", response.status, if has_challenge { "a challenge" } else { "no challenge" }),
    ))
}

async fn right(site: &Site, begun: &Begun) -> Result<Option<Response>> {
    let Some(challenge) = site.challenge(begun).await? else { return Ok(None) };
    let proof = begun.key.refresh_proof(&challenge).map_err(Error::session)?;
    site.refresh(begun, &begun.session.session_identifier, Some(&proof)).await.map(Some)
}

async fn refresh(site: &Site) -> Result<Seen> {
    let begun = begun!(site);
    Ok(match right(site, &begun).await? {
        None => Seen::Wrong("the server gives no challenge".into()),
        Some(response) => Seen::unless(
            !is_success(&response) || !gives_cookie(&begun, &response),
            format!("status {}, and the cookie is not set", response.status),
        ),
    })
}

async fn refresh_not_cached(site: &Site) -> Result<Seen> {
    let begun = begun!(site);
    let asked = site.refresh(&begun, &begun.session.session_identifier, None).await?;
    let answered = right(site, &begun).await?;
    let is_kept = |response: &Response| !is_private(response, &["no-store"]);
    Ok(Seen::unless(is_kept(&asked) || answered.as_ref().is_some_and(is_kept), "not no-store"))
}

#[derive(Clone, Copy)]
enum Wrong {
    Key,
    AlgNone,
    Typ,
    Jwk,
}

async fn wrong(site: &Site, wrong: Wrong) -> Result<Seen> {
    let begun = begun!(site);
    let challenge = challenge_of!(site, &begun);
    let other = SigningKey::generate(Algorithm::Es256).map_err(Error::session)?;
    let mut header = refresh_header(&begun.key);
    let mut signer = Some(&begun.key);
    match wrong {
        Wrong::Key => {
            header = refresh_header(&other);
            signer = Some(&other);
        }
        Wrong::AlgNone => {
            set(&mut header, "alg", "none");
            signer = None;
        }
        Wrong::Typ => set(&mut header, "typ", "jwt"),
        Wrong::Jwk => {
            header = registration_header(&other);
            signer = Some(&other);
        }
    }
    let proof = jwt(&header, &challenge, signer)?;
    let response = site.refresh(&begun, &begun.session.session_identifier, Some(&proof)).await?;
    Ok(seen_unless_refused(&begun, &response))
}

async fn invented_challenge(site: &Site) -> Result<Seen> {
    let begun = begun!(site);
    let id = &begun.session.session_identifier;
    let proof = begun.key.refresh_proof("a-challenge-that-nobody-gave").map_err(Error::session)?;
    let response = site.refresh(&begun, id, Some(&proof)).await?;
    if gives_cookie(&begun, &response) || is_success(&response) {
        return Ok(Seen::Wrong(format!("status {}", response.status)));
    }
    Ok(Seen::unless(
        response.status != 403 || challenge(&response, id).is_none(),
        format!("status {}, and no new challenge", response.status),
    ))
}

async fn other_session(site: &Site) -> Result<Seen> {
    let (begun, others) = (begun!(site), begun!(site));
    let challenge = challenge_of!(site, &others);
    let proof = begun.key.refresh_proof(&challenge).map_err(Error::session)?;
    let response = site.refresh(&begun, &begun.session.session_identifier, Some(&proof)).await?;
    Ok(seen_unless_refused(&begun, &response))
}

async fn changed_identifier(site: &Site) -> Result<Seen> {
    let begun = begun!(site);
    let challenge = challenge_of!(site, &begun);
    let proof = begun.key.refresh_proof(&challenge).map_err(Error::session)?;
    let id = &begun.session.session_identifier;
    let last = if id.ends_with('A') { 'B' } else { 'A' };
    let changed: String = id.chars().take(id.chars().count().saturating_sub(1)).chain([last]).collect();
    let response = site.refresh(&begun, &changed, Some(&proof)).await?;
    Ok(seen_unless_refused(&begun, &response))
}

async fn replayed(site: &Site) -> Result<Seen> {
    let Some(patience) = site.patience else {
        return Ok(Seen::NotApplicable("not waited for (--wait)".into()));
    };
    let begun = begun!(site);
    let challenge = challenge_of!(site, &begun);
    let proof = begun.key.refresh_proof(&challenge).map_err(Error::session)?;
    site.refresh(&begun, &begun.session.session_identifier, Some(&proof)).await?;
    tokio::time::sleep(patience).await;
    let response = site.refresh(&begun, &begun.session.session_identifier, Some(&proof)).await?;
    let is_taken = gives_cookie(&begun, &response) || is_success(&response);
    Ok(Seen::unless(is_taken, format!("status {} after {patience:?}", response.status)))
}
