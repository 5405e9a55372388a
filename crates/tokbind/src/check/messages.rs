//! Messages (RFC 8471 section 3, RFC 8473 section 2): which are accepted, and which must not be.

use std::future::Future;

use super::finding::Seen;
use super::probe::Probe;
use super::subject::{Subject, id, not_negotiated};
use crate::binding::{MessageBuilder, Signer as _};
use crate::error::Result;
use crate::http1::Http1;
use crate::tls::{Offer, TlsConnection};
use crate::{Ekm, KeyParameters, PrivateKey, TokenBindingType, binding};

const ANY_KEY: &str = "whoever knows a Token Binding ID can pass for its owner";
const REPLAY: &str = "a message recorded anywhere is good here: a stolen cookie needs no key";

pub(super) static PROBES: &[Probe<Subject>] = &[
    Probe {
        name: "good-message",
        section: "RFC 8473 s2",
        rule: "a good message is accepted, and accepted again on the same connection",
        allows: "Token Binding clients are locked out",
        run: |subject| Box::pin(good(subject)),
    },
    Probe {
        name: "replay-sequential",
        section: "RFC 8471 s4.2",
        rule: "a message of a connection that is closed is refused on another",
        allows: REPLAY,
        run: |subject| Box::pin(replay(subject, false)),
    },
    Probe {
        name: "replay-concurrent",
        section: "RFC 8471 s4.2",
        rule: "a message of a connection that is open is refused on another",
        allows: REPLAY,
        run: |subject| Box::pin(replay(subject, true)),
    },
    Probe {
        name: "replay-other-key-parameters",
        section: "RFC 8471 s4.2",
        rule: "a message is refused on a connection with other key parameters",
        allows: REPLAY,
        run: |subject| Box::pin(replay_with_other_key_parameters(subject)),
    },
    Probe {
        name: "invented-signature",
        section: "RFC 8471 s4.2",
        rule: "an invalid signature is refused, also right after a good message of the same key",
        allows: ANY_KEY,
        run: |subject| {
            Box::pin(refused(subject, |key, ekm| async move {
                let mut message = decoded(&key, &ekm)?;
                if let Some(byte) = message.iter_mut().rev().nth(2) {
                    *byte ^= 0xff;
                }
                Ok(token_binding::header::encode(&message))
            }))
        },
    },
    Probe {
        name: "other-ekm",
        section: "RFC 8471 s3.3",
        rule: "a signature over other keying material is refused",
        allows: ANY_KEY,
        run: |subject| {
            Box::pin(refused(
                subject,
                |key, _| async move { binding::header(&Ekm::new([0; 32]), &key, None) },
            ))
        },
    },
    Probe {
        name: "wrong-key-parameters",
        section: "RFC 8472 s4",
        rule: "a provided key of a kind that was not negotiated is refused",
        allows: "a weaker kind of key than the server wants",
        run: |subject| {
            Box::pin(refused(subject, |key, ekm| async move {
                let mut kinds = KeyParameters::ALL_KNOWN.into_iter();
                let other = kinds.rfind(|kind| *kind != key.key_parameters());
                binding::header(&ekm, &PrivateKey::generate(other.unwrap_or(KeyParameters::ECDSAP256))?, None)
            }))
        },
    },
    Probe {
        name: "two-provided",
        section: "RFC 8473 s2",
        rule: "a message with two provided bindings is refused",
        allows: "two parts of the site may take one request for different clients'",
        run: |subject| {
            Box::pin(refused(subject, |key, ekm| async move {
                let second = PrivateKey::generate(key.key_parameters())?;
                let mut message = MessageBuilder::new();
                message.add(TokenBindingType::PROVIDED, &key, &ekm)?.add(
                    TokenBindingType::PROVIDED,
                    &second,
                    &ekm,
                )?;
                Ok(message.finish_header())
            }))
        },
    },
    Probe {
        name: "referred-only",
        section: "RFC 8473 s2",
        rule: "a message without a provided binding is refused",
        allows: "tokens may be bound to a key that the client uses elsewhere",
        run: |subject| {
            Box::pin(refused(subject, |key, ekm| async move {
                let mut message = MessageBuilder::new();
                message.add(TokenBindingType::REFERRED, &key, &ekm)?;
                Ok(message.finish_header())
            }))
        },
    },
    Probe {
        name: "bad-referred",
        section: "RFC 8471 s4.2",
        rule: "a bad signature of the referred binding makes the whole message bad",
        allows: "an id_token bound to a key that its client does not hold",
        run: |subject| {
            Box::pin(refused(subject, |key, ekm| async move {
                let second = PrivateKey::generate(KeyParameters::ECDSAP256)?;
                let mut message = MessageBuilder::new();
                message.add(TokenBindingType::PROVIDED, &key, &ekm)?;
                message.add_raw(TokenBindingType::REFERRED, &second.token_binding_id(), &[7; 64], &[])?;
                Ok(message.finish_header())
            }))
        },
    },
    Probe {
        name: "trailing-bytes",
        section: "RFC 8471 s3",
        rule: "bytes after the message are refused",
        allows: "two parsers may read two messages",
        run: |subject| {
            Box::pin(refused(subject, |key, ekm| async move {
                let mut message = decoded(&key, &ekm)?;
                message.push(0);
                Ok(token_binding::header::encode(&message))
            }))
        },
    },
    Probe {
        name: "truncated",
        section: "RFC 8471 s3",
        rule: "a message that ends early is refused",
        allows: "two parsers may read two messages",
        run: |subject| {
            Box::pin(refused(subject, |key, ekm| async move {
                let mut message = decoded(&key, &ekm)?;
                message.truncate(message.len() / 2);
                Ok(token_binding::header::encode(&message))
            }))
        },
    },
    Probe {
        name: "not-base64url",
        section: "RFC 8473 s2",
        rule: "a header that is not base64url is refused",
        allows: "two parsers may read two messages",
        run: |subject| {
            Box::pin(refused(subject, |key, ekm| async move { Ok(binding::header(&ekm, &key, None)? + "*") }))
        },
    },
    Probe {
        name: "unknown-type",
        section: "RFC 8471 s3.1",
        rule: "a binding of unknown type does not spoil the message",
        allows: "clients of later standards are locked out",
        run: |subject| Box::pin(accepted(subject, TokenBindingType(77), None)),
    },
    Probe {
        name: "referred-unknown-key-parameters",
        section: "RFC 8473 s5",
        rule: "a referred binding with unknown key parameters does not spoil the message",
        allows: "clients of other sites' later standards are locked out",
        run: |subject| Box::pin(accepted(subject, TokenBindingType::REFERRED, Some(88))),
    },
];

fn decoded(key: &PrivateKey, ekm: &Ekm) -> Result<Vec<u8>> {
    Ok(token_binding::header::decode(binding::header(ekm, key, None)?.as_bytes())?)
}

async fn good(subject: &Subject) -> Result<Seen> {
    let Some((connection, key)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let header = binding::header(&connection.ekm()?, &key, None)?;
    let request = subject.request().header(binding::SEC_TOKEN_BINDING, header);
    let mut http = Http1::new(connection);
    for _ in 0..2 {
        let response = super::subject::answer_of(http.request(&request).await)?;
        if let Some(400) = response.as_ref().map(|response| response.status) {
            return Ok(Seen::Wrong("status 400".into()));
        }
        match subject.accepted(response.as_ref(), &id(&key)) {
            Seen::AsItShould if http.reusable() => {}
            seen => return Ok(seen),
        }
    }
    Ok(Seen::AsItShould)
}

/// A message of connection A on connection B, right after A's was accepted.
async fn replay(subject: &Subject, with_a_open: bool) -> Result<Seen> {
    let Some((a, key)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let stolen = binding::header(&a.ekm()?, &key, None)?;
    let request = subject.request().header(binding::SEC_TOKEN_BINDING, stolen);
    let mut http = Http1::new(a);
    http.request(&request).await?;
    if !with_a_open {
        drop(http);
    }
    let Some((b, _)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let response = subject.send(b, request).await?;
    Ok(subject.refused(response.as_ref(), &id(&key)))
}

async fn replay_with_other_key_parameters(subject: &Subject) -> Result<Seen> {
    let Some((a, key)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let stolen = binding::header(&a.ekm()?, &key, None)?;
    let request = subject.request().header(binding::SEC_TOKEN_BINDING, stolen);
    subject.send(a, request.clone()).await?;
    for other in KeyParameters::ALL_KNOWN.into_iter().filter(|other| *other != key.key_parameters()) {
        let b = subject.connect(&subject.options().offer(Offer::v1([other]))).await?;
        if b.negotiated().is_some() {
            let response = subject.send(b, request).await?;
            return Ok(subject.refused(response.as_ref(), &id(&key)));
        }
    }
    Ok(Seen::NotApplicable("the server accepts one kind of key only".into()))
}

/// A wrong message, on a connection on which a good one of the same key was accepted.
async fn refused<F>(subject: &Subject, make: impl FnOnce(PrivateKey, Ekm) -> F + Send) -> Result<Seen>
where
    F: Future<Output = Result<String>> + Send,
{
    let Some((connection, key)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let ekm = connection.ekm()?;
    let good = binding::header(&ekm, &key, None)?;
    let wrong = make(key.clone(), ekm).await?;
    let mut http: Http1<TlsConnection> = Http1::new(connection);
    http.request(&subject.request().header(binding::SEC_TOKEN_BINDING, good)).await?;
    if !http.reusable() {
        return Ok(Seen::NotApplicable("the server closes the connection after each request".into()));
    }
    let request = subject.request().header(binding::SEC_TOKEN_BINDING, wrong);
    let response = super::subject::answer_of(http.request(&request).await)?;
    Ok(subject.refused(response.as_ref(), &id(&key)))
}

/// A good message with one more binding that a server may not know.
async fn accepted(subject: &Subject, kind: TokenBindingType, key_parameters: Option<u8>) -> Result<Seen> {
    let Some((connection, key)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let ekm = connection.ekm()?;
    let mut message = MessageBuilder::new();
    message.add(TokenBindingType::PROVIDED, &key, &ekm)?;
    match key_parameters {
        Some(unknown) => message.add_raw(kind, &[unknown, 0, 3, 1, 2, 3], &[4; 64], &[])?,
        None => message.add(kind, &PrivateKey::generate(KeyParameters::ECDSAP256)?, &ekm)?,
    };
    let request = subject.request().header(binding::SEC_TOKEN_BINDING, message.finish_header());
    let response = subject.send(connection, request).await?;
    Ok(subject.accepted(response.as_ref(), &id(&key)))
}
