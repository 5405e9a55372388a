//! What `get -v` tells while it happens, and `get --json` afterwards.

use serde::Serialize;
use serde_json::{Value, json};
use tokbind::Response;
use tokbind::client::{Fetched, Sent, SessionEvent, Trace, Url};
use tokbind::keys::Key;
use tokbind::tls::{Info, SslVersion};
use token_binding::header::{SEC_TOKEN_BINDING, encode};
use token_binding::sign::Signer;

use crate::output::tbh;
use crate::terminal::{escaped, harmless};

/// Header lines that hold secrets. Their names are told, their values are not.
const SECRET: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "sec-secure-session-id",
    "secure-session-challenge",
    "secure-session-registration",
    "secure-session-response",
    "secure-session-skipped",
];

/// Sees the requests for one URL.
#[derive(Debug)]
pub(super) struct Report {
    verbose: bool,
    offered: bool,
    exchanges: Vec<Exchange>,
    sessions: Vec<String>,
}

/// A request, and its response as soon as there is one.
#[derive(Debug, Serialize)]
struct Exchange {
    method: String,
    url: String,
    http: &'static str,
    connection_reused: bool,
    tls: Option<Tls>,
    token_binding: Option<TokenBinding>,
    provided_token_binding_id: Option<String>,
    referred_token_binding_id: Option<String>,
    sec_token_binding: Option<String>,
    status: Option<u16>,
}

#[derive(Debug, Serialize)]
struct Tls {
    version: &'static str,
    cipher: Option<&'static str>,
    /// `None` on TLS 1.3, which needs none.
    extended_master_secret: Option<bool>,
    resumed: bool,
    renegotiations: u32,
}

#[derive(Debug, Serialize)]
struct TokenBinding {
    version: String,
    key_parameters: String,
}

impl Report {
    pub(super) fn new(verbose: bool, offered: bool) -> Self {
        Report { verbose, offered, exchanges: Vec::new(), sessions: Vec::new() }
    }

    /// The first request that proved no key.
    pub(super) fn unbound(&self) -> Option<&str> {
        let unbound = self.exchanges.iter().find(|exchange| exchange.provided_token_binding_id.is_none());
        unbound.map(|exchange| exchange.url.as_str())
    }

    /// What came of it, in one line of JSON, without characters that a terminal might obey.
    pub(super) fn json(&self, url: &Url, fetched: &Fetched) -> String {
        escaped(&self.value(url, fetched).to_string())
    }

    fn value(&self, url: &Url, fetched: &Fetched) -> Value {
        let response = &fetched.response;
        let headers: Vec<_> = response
            .headers
            .iter()
            .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
            .collect();
        // Bytes that are no text go under another name, so that nobody takes one for the other.
        let text = std::str::from_utf8(&response.body).ok();
        json!({
            "url": url.as_str(),
            "final_url": fetched.url.as_str(),
            "status": response.status,
            "headers": headers,
            "body": text,
            "body_base64url": text.is_none().then(|| encode(&response.body)),
            "exchanges": self.exchanges,
            "device_bound_sessions": self.sessions,
        })
    }

    fn tell(&self, sent: &Sent<'_>, exchange: &Exchange) {
        let origin = sent.url.origin().ascii_serialization();
        if sent.reused {
            eprintln!("* {origin}: connection used again");
        } else {
            match &exchange.tls {
                None => eprintln!("* {origin}: not encrypted, {}", sent.http),
                Some(tls) => {
                    let session = if tls.resumed { "resumed session" } else { "new session" };
                    let cipher = tls.cipher.unwrap_or("unknown cipher");
                    eprintln!("* {origin}: {}, {cipher}, {session}, {}", tls.version, sent.http);
                    eprintln!(
                        "* Extended Master Secret: {}",
                        match tls.extended_master_secret {
                            None => "not needed on TLS 1.3",
                            Some(true) => "yes",
                            Some(false) => "no",
                        }
                    );
                }
            }
            eprintln!("* Token Binding: {}", self.negotiation(sent.tls));
        }
        for (what, key) in [("provided", sent.provided), ("referred", sent.referred)] {
            if let Some(key) = key {
                let id = key.token_binding_id();
                eprintln!(
                    "* {what} Token Binding ID, {}: {} (tbh {})",
                    key.key_parameters(),
                    encode(&id),
                    tbh(&id)
                );
            }
        }
        eprintln!("> {} {} {}", sent.request.method, sent.request.path, sent.http);
        eprintln!("> Host: {}", sent.request.host);
        tell_headers(">", &sent.request.headers);
        if !sent.request.body.is_empty() {
            eprintln!("> [{} bytes of body]", sent.request.body.len());
        }
    }

    fn negotiation(&self, tls: Option<&Info>) -> String {
        match tls {
            None => "none without TLS".to_owned(),
            Some(_) if !self.offered => "not offered".to_owned(),
            Some(tls) => match (tls.negotiated, &tls.answer) {
                (Some(negotiated), _) => {
                    format!("version {}, {}", negotiated.version, negotiated.key_parameters)
                }
                (None, Some(_)) => {
                    "not negotiated: the server chose a version that is not spoken here".to_owned()
                }
                (None, None) => "not negotiated: the server did not answer the offer".to_owned(),
            },
        }
    }
}

impl Trace for Report {
    fn sending(&mut self, sent: &Sent<'_>) {
        let id = |key: &Key| encode(&key.token_binding_id());
        let header = |(_, value): &(String, Vec<u8>)| String::from_utf8_lossy(value).into_owned();
        let negotiated = sent.tls.and_then(|tls| tls.negotiated);
        let exchange = Exchange {
            method: sent.request.method.clone(),
            url: sent.url.to_string(),
            http: sent.http,
            connection_reused: sent.reused,
            tls: sent.tls.map(Tls::of),
            token_binding: negotiated.map(|negotiated| TokenBinding {
                version: negotiated.version.to_string(),
                key_parameters: negotiated.key_parameters.to_string(),
            }),
            provided_token_binding_id: sent.provided.map(id),
            referred_token_binding_id: sent.referred.map(id),
            sec_token_binding: sent
                .request
                .headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(SEC_TOKEN_BINDING))
                .map(header),
            status: None,
        };
        if self.verbose {
            self.tell(sent, &exchange);
        }
        self.exchanges.push(exchange);
    }

    fn received(&mut self, _: &Url, response: &Response, body_length: u64) {
        if let Some(exchange) = self.exchanges.last_mut() {
            exchange.status = Some(response.status);
        }
        if self.verbose {
            eprintln!("< {} {}", response.status, harmless(&response.reason));
            tell_headers("<", &response.headers);
            eprintln!("< [{body_length} bytes of body]");
        }
    }

    fn session(&mut self, event: &SessionEvent) {
        let text = match event {
            SessionEvent::Registered => "key registered".to_owned(),
            SessionEvent::Refreshed => "key proved again".to_owned(),
            SessionEvent::Ended => "ended by the server".to_owned(),
            SessionEvent::Failed { reason } => reason.clone(),
            _ => return,
        };
        // What fails is worth a word also to those who don't look on.
        if self.verbose || matches!(event, SessionEvent::Failed { .. }) {
            eprintln!("* device-bound session: {}", harmless(&text));
        }
        self.sessions.push(text);
    }
}

impl Tls {
    fn of(info: &Info) -> Self {
        let tls13 = info.version == SslVersion::TLS1_3;
        Tls {
            version: if tls13 { "TLS 1.3" } else { "TLS 1.2" },
            cipher: info.cipher,
            extended_master_secret: (!tls13).then_some(info.extended_master_secret),
            resumed: info.session_reused,
            renegotiations: info.renegotiations,
        }
    }
}

fn tell_headers(mark: &str, lines: &[(String, Vec<u8>)]) {
    for (name, value) in lines {
        if SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            eprintln!("{mark} {name}: [{} bytes, not shown]", value.len());
        } else {
            eprintln!("{mark} {name}: {}", harmless(&String::from_utf8_lossy(value)));
        }
    }
}
