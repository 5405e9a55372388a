//! Negotiation (RFC 8472, draft-ietf-tokbind-tls13).

use openssl::ssl::SslVersion;

use super::finding::Seen;
use super::probe::Probe;
use super::subject::{Subject, id, not_negotiated};
use crate::error::{Error, Result};
use crate::probe::{ClientHello, EXTENDED_MASTER_SECRET, RENEGOTIATION_INFO, Reply, probe};
use crate::tls::{ConnectOptions, Connector, Location, Offer, TlsConnection};
use crate::{KeyParameters, PrivateKey, ProtocolVersion, binding};

pub(super) static PROBES: &[Probe<Subject>] = &[
    Probe {
        name: "tls12-answer",
        section: "RFC 8472 s3",
        rule: "an offer on TLS 1.2 is answered in ServerHello, with one kind of key",
        allows: "nothing is bound on TLS 1.2",
        run: |subject| Box::pin(answered(subject, SslVersion::TLS1_2, Location::Tls12ServerHello)),
    },
    Probe {
        name: "tls13-answer",
        section: "tls13 s2",
        rule: "an offer on TLS 1.3 is answered in EncryptedExtensions",
        allows: "nothing is bound on TLS 1.3; strict clients end the handshake",
        run: |subject| Box::pin(answered(subject, SslVersion::TLS1_3, Location::EncryptedExtensions)),
    },
    Probe {
        name: "version-higher",
        section: "RFC 8472 s3",
        rule: "a client of a later version is answered with the server's own",
        allows: "clients of later versions end the handshake, or go on without Token Binding",
        run: |subject| Box::pin(version(subject, ProtocolVersion { major: 2, minor: 0 })),
    },
    Probe {
        name: "version-lower",
        section: "RFC 8472 s3",
        rule: "a client of an earlier version is answered with a version it speaks, or not at all",
        allows: "the client must end the handshake: the site is down for it",
        run: |subject| Box::pin(version(subject, ProtocolVersion { major: 0, minor: 16 })),
    },
    Probe {
        name: "key-parameters",
        section: "RFC 8472 s3",
        rule: "only key parameters that the client offered are answered",
        allows: "the client must end the handshake: the site is down for it",
        run: |subject| Box::pin(key_parameters(subject)),
    },
    Probe {
        name: "key-parameters-unknown",
        section: "RFC 8472 s3",
        rule: "an offer of nothing that the server knows is not answered",
        allows: "the client must end the handshake: the site is down for it",
        run: |subject| Box::pin(unanswered(subject, Offer::v1([KeyParameters(200), KeyParameters(201)]))),
    },
    Probe {
        name: "not-offered",
        section: "RFC 8472 s3",
        rule: "a client that does not offer gets no answer",
        allows: "clients without Token Binding must end the handshake: the site is down for them",
        run: |subject| Box::pin(raw(subject, |hello| hello)),
    },
    Probe {
        name: "no-ems",
        section: "RFC 8472 s6.2",
        rule: "no answer on TLS 1.2 without Extended Master Secret",
        allows: "the triple handshake attack: two connections with one EKM, and a message good for both",
        run: |subject| Box::pin(raw(subject, |hello| offering(hello).without(EXTENDED_MASTER_SECRET))),
    },
    Probe {
        name: "no-ri",
        section: "RFC 8472 s6.2",
        rule: "no answer on TLS 1.2 without Renegotiation Indication",
        allows: "the triple handshake attack: two connections with one EKM, and a message good for both",
        run: |subject| Box::pin(raw(subject, |hello| offering(hello).without(RENEGOTIATION_INFO))),
    },
    Probe {
        name: "malformed-extension",
        section: "RFC 8446 s6.2",
        rule: "a malformed offer ends the handshake",
        allows: "client and server may disagree on what was negotiated",
        run: |subject| Box::pin(malformed(subject)),
    },
    Probe {
        name: "tls12-resumption",
        section: "RFC 8472 s3",
        rule: "a resumed TLS 1.2 session is negotiated anew, and old messages are worth nothing on it",
        allows: "a message recorded once is good for every resumption of the session",
        run: |subject| Box::pin(resumption(subject, SslVersion::TLS1_2)),
    },
    Probe {
        name: "tls13-resumption",
        section: "tls13 s2",
        rule: "a resumed TLS 1.3 session is negotiated anew, and old messages are worth nothing on it",
        allows: "a message recorded once is good for every resumption of the session",
        run: |subject| Box::pin(resumption(subject, SslVersion::TLS1_3)),
    },
];

/// A connection on one version of TLS, or what to say if the server does not speak that.
async fn on(
    subject: &Subject,
    version: SslVersion,
    options: &ConnectOptions,
) -> Result<Result<TlsConnection, Seen>> {
    const PROTOCOL_VERSION: u8 = 70;
    match subject.connect(options).await {
        Ok(connection) => Ok(Ok(connection)),
        Err(error) if error.alert_received() == Some(PROTOCOL_VERSION) => {
            let name = if version == SslVersion::TLS1_2 { "TLS 1.2" } else { "TLS 1.3" };
            Ok(Err(Seen::NotApplicable(format!("the server does not speak {name}"))))
        }
        Err(error) => Err(error),
    }
}

async fn answered(subject: &Subject, version: SslVersion, place: Location) -> Result<Seen> {
    let connection = match on(subject, version, &subject.on(version)).await? {
        Ok(connection) => connection,
        Err(seen) => return Ok(seen),
    };
    Ok(match connection.answer() {
        None => Seen::Wrong("no answer".into()),
        Some(answer) if answer.location != place => {
            Seen::Wrong(format!("the answer is in {:?}", answer.location))
        }
        Some(_) => Seen::unless(connection.negotiated().is_none(), "an answer that no client can accept"),
    })
}

async fn version(subject: &Subject, offered: ProtocolVersion) -> Result<Seen> {
    if subject.preferred.is_none() {
        return Ok(not_negotiated());
    }
    let offer = Offer::Parameters { version: offered, key_parameters: KeyParameters::ALL_KNOWN.to_vec() };
    let connection = subject.connect(&subject.options().offer(offer)).await?;
    Ok(match connection.answer().as_ref().map(|answer| answer.body.as_slice()) {
        None => Seen::unless(offered > ProtocolVersion::V1_0, "no answer"),
        Some(&[major, minor, ..]) => {
            let answered = ProtocolVersion { major, minor };
            Seen::unless(
                answered > offered.min(ProtocolVersion::V1_0),
                format!("version {answered} for an offered {offered}"),
            )
        }
        Some(_) => Seen::Wrong("an answer without a version".into()),
    })
}

async fn key_parameters(subject: &Subject) -> Result<Seen> {
    if subject.preferred.is_none() {
        return Ok(not_negotiated());
    }
    for offered in KeyParameters::ALL_KNOWN {
        let connection = subject.connect(&subject.options().offer(Offer::v1([offered]))).await?;
        match connection.answer().map(|answer| answer.body) {
            None => {}
            Some(body) if body.get(2..) == Some(&[1, offered.0]) => {}
            Some(body) => {
                return Ok(Seen::Wrong(format!("{offered} was offered, and the answer is {body:?}")));
            }
        }
    }
    Ok(Seen::AsItShould)
}

async fn unanswered(subject: &Subject, offer: Offer) -> Result<Seen> {
    if subject.preferred.is_none() {
        return Ok(not_negotiated());
    }
    let connection = subject.connect(&subject.options().offer(offer)).await?;
    Ok(Seen::unless(connection.answer().is_some(), format!("the answer is {:?}", connection.answer())))
}

fn offering(hello: ClientHello) -> ClientHello {
    hello.token_binding(&[1, 0, 3, 2, 1, 0])
}

/// A ClientHello on TLS 1.2 that must not be answered, though the same one with everything in it is.
async fn raw(subject: &Subject, shape: fn(ClientHello) -> ClientHello) -> Result<Seen> {
    let mut hello = ClientHello::tls12()?;
    if let Some(name) = subject.server_name() {
        hello = hello.server_name(name)?;
    }
    let negotiates = match probe(subject.address, &offering(hello.clone())).await? {
        Reply::ServerHello(answer) => answer.token_binding().is_some(),
        Reply::Alert(_) | Reply::Closed => {
            return Ok(Seen::NotApplicable("the server does not speak TLS 1.2 with this ClientHello".into()));
        }
    };
    if !negotiates {
        return Ok(Seen::NotApplicable("the server does not negotiate Token Binding on TLS 1.2".into()));
    }
    Ok(match probe(subject.address, &shape(hello)).await? {
        Reply::ServerHello(answer) => Seen::unless(answer.token_binding().is_some(), "it is answered"),
        // Without the connection there is nothing to bind to it.
        Reply::Alert(_) | Reply::Closed => Seen::AsItShould,
    })
}

async fn malformed(subject: &Subject) -> Result<Seen> {
    if subject.preferred.is_none() {
        return Ok(not_negotiated());
    }
    let bodies: [&[u8]; 6] = [&[], &[1, 0], &[1, 0, 0], &[1, 0, 2, 2], &[1, 0, 1, 2, 2], &[1, 0, 255, 2]];
    for body in bodies {
        match subject.connect(&subject.options().offer(Offer::Raw(body.to_vec()))).await {
            Ok(connection) => {
                let answered = if connection.answer().is_some() { "is answered" } else { "is ignored" };
                return Ok(Seen::Wrong(format!("the body {body:?} {answered}, and the handshake goes on")));
            }
            Err(Error::Handshake(_) | Error::Closed(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Seen::AsItShould)
}

async fn resumption(subject: &Subject, version: SslVersion) -> Result<Seen> {
    let Some(preferred) = subject.preferred.filter(|preferred| preferred.is_known()) else {
        return Ok(not_negotiated());
    };
    let key = PrivateKey::generate(preferred)?;
    let options = subject.on(version).offer(Offer::v1([preferred]));
    let full = match on(subject, version, &options).await? {
        Ok(_) => Connector::new(&options)?,
        Err(seen) => return Ok(seen),
    };
    let connection = subject.connect_with(&full).await?;
    if connection.negotiated().is_none() {
        return Ok(not_negotiated());
    }
    let old = binding::header(&connection.ekm()?, &key, None)?;
    let mut http = crate::http1::Http1::new(connection);
    let request = |header: &str| subject.request().header(binding::SEC_TOKEN_BINDING, header);
    // Tickets of TLS 1.3 come with the first response.
    http.request(&request(&old)).await?;
    let session = http.get_ref().session();
    drop(http);
    let resumed = full.resume(subject.address, &subject.target.host, &session).await?;
    if !resumed.session_reused() {
        return Ok(Seen::NotApplicable("the server does not resume sessions".into()));
    }
    if resumed.negotiated().is_none() {
        return Ok(Seen::Wrong("the offer in a resumed handshake is not answered".into()));
    }
    let replayed = subject.send(resumed, request(&old)).await?;
    Ok(subject.refused(replayed.as_ref(), &id(&key)))
}
