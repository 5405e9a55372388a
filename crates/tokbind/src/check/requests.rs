//! Requests around the message (RFC 8473, draft-ietf-tokbind-ttrp).

use super::finding::Seen;
use super::probe::Probe;
use super::subject::{Subject, answer_of, id, not_negotiated, shows};
use crate::error::Result;
use crate::http1::Http1;
use crate::http2::Http2;
use crate::tls::Offer;
use crate::{KeyParameters, PrivateKey, binding};

pub(super) static PROBES: &[Probe<Subject>] = &[
    Probe {
        name: "duplicate-header",
        section: "RFC 8473 s2",
        rule: "two Sec-Token-Binding headers are answered 400",
        allows: "two parts of the site may take one request for different clients'",
        run: |subject| Box::pin(duplicate(subject)),
    },
    Probe {
        name: "missing-header",
        section: "RFC 8473 s2",
        rule: "a request without the header is refused, or served as unbound",
        allows: "a stolen cookie needs no key",
        run: |subject| Box::pin(missing(subject)),
    },
    Probe {
        name: "header-not-negotiated",
        section: "RFC 8473 s2",
        rule: "a header on a connection without Token Binding is refused, or served as unbound",
        allows: "a message made without any negotiation is taken for proof",
        run: |subject| Box::pin(not_asked_for(subject)),
    },
    Probe {
        name: "oversized-header",
        section: "RFC 8471 s3",
        rule: "a header of 60,000 bytes is refused, and the server goes on",
        allows: "a cheap way to make the server work, or fail",
        run: |subject| Box::pin(oversized(subject)),
    },
    Probe {
        name: "spoofed-headers",
        section: "ttrp s2.1",
        rule: "a client's own Sec-Provided-Token-Binding-ID and the like never reach the application",
        allows: "whoever knows a Token Binding ID can pass for its owner",
        run: |subject| Box::pin(spoofed(subject)),
    },
    Probe {
        name: "http2",
        section: "RFC 8473 s2",
        rule: "a good message is accepted over HTTP/2, and another connection's is refused",
        allows: "nothing is bound over HTTP/2",
        run: |subject| Box::pin(http2(subject)),
    },
];

async fn duplicate(subject: &Subject) -> Result<Seen> {
    let Some((connection, key)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let header = binding::header(&connection.ekm()?, &key, None)?;
    let request = subject
        .request()
        .header(binding::SEC_TOKEN_BINDING, &header)
        .header(binding::SEC_TOKEN_BINDING, &header);
    Ok(match subject.send(connection, request).await? {
        None => Seen::AsItShould,
        Some(response) => Seen::unless(response.status != 400, format!("status {}", response.status)),
    })
}

async fn missing(subject: &Subject) -> Result<Seen> {
    let Some((connection, key)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let header = binding::header(&connection.ekm()?, &key, None)?;
    let mut http = Http1::new(connection);
    http.request(&subject.request().header(binding::SEC_TOKEN_BINDING, header)).await?;
    if !http.reusable() {
        return Ok(Seen::NotApplicable("the server closes the connection after each request".into()));
    }
    Ok(match answer_of(http.request(&subject.request()).await)? {
        // Served without an ID is unbound, which is the server's choice.
        Some(response) => {
            Seen::unless(shows(&response, &id(&key)), "the page shows the ID of an earlier request")
        }
        None => Seen::AsItShould,
    })
}

async fn not_asked_for(subject: &Subject) -> Result<Seen> {
    let connection = subject.connect(&subject.options().offer(Offer::None)).await?;
    let key = PrivateKey::generate(
        subject.preferred.filter(|kind| kind.is_known()).unwrap_or(KeyParameters::ECDSAP256),
    )?;
    let header = binding::header(&connection.ekm()?, &key, None)?;
    let request = subject.request().header(binding::SEC_TOKEN_BINDING, header);
    Ok(match subject.send(connection, request).await? {
        Some(response) if response.status < 400 => Seen::unless(
            shows(&response, &id(&key)),
            format!("status {}, and the page shows the ID", response.status),
        ),
        _ => Seen::AsItShould,
    })
}

async fn oversized(subject: &Subject) -> Result<Seen> {
    let Some((connection, key)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let request = subject.request().header(binding::SEC_TOKEN_BINDING, "A".repeat(60_000));
    // The server may close the connection while the header is still being sent.
    if let Ok(Some(response)) = answer_of(Http1::new(connection).request(&request).await)
        && let Seen::Wrong(seen) = subject.refused(Some(&response), &id(&key))
    {
        return Ok(Seen::Wrong(seen));
    }
    let Some((connection, key)) = subject.bound().await? else { return Ok(not_negotiated()) };
    let header = binding::header(&connection.ekm()?, &key, None)?;
    let response =
        subject.send(connection, subject.request().header(binding::SEC_TOKEN_BINDING, header)).await?;
    Ok(subject.accepted(response.as_ref(), &id(&key)))
}

async fn spoofed(subject: &Subject) -> Result<Seen> {
    const FORGED: &str = "forged-by-tokbind-check";
    let control = format!("X-{FORGED}");
    let names = [
        token_binding::header::SEC_PROVIDED_TOKEN_BINDING_ID,
        token_binding::header::SEC_REFERRED_TOKEN_BINDING_ID,
        token_binding::header::SEC_OTHER_TOKEN_BINDING_ID,
        token_binding::header::SEC_TOKEN_BINDING_CONTEXT,
    ];
    let mut request = subject.request().header("X-Tokbind-Check", &control);
    for name in names {
        request = request.header(name, FORGED).header(&name.replace('-', "_"), FORGED);
    }
    let connection = subject.connect(&subject.options().offer(Offer::None)).await?;
    let Some(response) = subject.send(connection, request).await? else { return Ok(Seen::AsItShould) };
    let page = response.text().replace(&control, "");
    if page.contains(FORGED) {
        return Ok(Seen::Wrong("the page shows the forged value".into()));
    }
    if subject.shows_id || shows(&response, &control) {
        return Ok(Seen::AsItShould);
    }
    Ok(Seen::NotApplicable("the page shows neither headers nor the ID".into()))
}

async fn http2(subject: &Subject) -> Result<Seen> {
    let Some(preferred) = subject.preferred.filter(|kind| kind.is_known()) else {
        return Ok(not_negotiated());
    };
    let options = subject.options().offer(Offer::v1([preferred])).alpn(["h2", "http/1.1"]);
    let (first, second) = (subject.connect(&options).await?, subject.connect(&options).await?);
    if first.alpn() != Some(b"h2") {
        return Ok(Seen::NotApplicable("the server does not speak HTTP/2".into()));
    }
    let key = PrivateKey::generate(preferred)?;
    let (first, second) = (Http2::handshake(first).await?, Http2::handshake(second).await?);
    let header = binding::header(first.ekm(), &key, None)?;
    let request = subject.request().header(binding::SEC_TOKEN_BINDING, header);
    let good = answer_of(first.request(&request).await)?;
    match subject.accepted(good.as_ref(), &id(&key)) {
        Seen::AsItShould => {}
        seen => return Ok(seen),
    }
    let replayed = answer_of(second.request(&request).await)?;
    Ok(subject.refused(replayed.as_ref(), &id(&key)))
}
