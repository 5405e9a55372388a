//! A request from the browser to the server, and the response back.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::upgrade::OnUpgrade;
use token_binding::header::SEC_TOKEN_BINDING;

use super::client::Client;
use super::context::Context;
use super::headers::{self, Wishes};
use super::origin::{Origin, Scheme};
use super::referred::Browser;
use super::replay::Replay;
use super::upstream::{
    Body, BodyError, Connection, Failure, Kind, Lease, Sends, Unanswered, is_unprocessed, wants_http1,
};
use super::{page, relay};
use crate::keys::Key;

/// How often a request moves to another connection when the one that was kept turns out to be closed. The last time it
/// is a new one.
const RETRIES: u32 = 2;

/// Answers a request that came through a tunnel to `origin`.
pub(super) async fn answer_tunnelled(
    context: Arc<Context>,
    origin: Arc<Origin>,
    client: Client,
    request: Request<Incoming>,
) -> Result<Response<Body>, Reset> {
    let sentence = match authority(&request) {
        _ if request.method() == Method::CONNECT => "A tunnel within the tunnel is not possible.",
        Some(authority) if Origin::new(origin.scheme, &authority).as_ref() == Some(&*origin) => {
            return answer(&context, &origin, &client, request).await;
        }
        Some(_) => "The request is for another server than the tunnel that it came through.",
        None => "The request does not name its server, or names several.",
    };
    Ok(page::page(StatusCode::MISDIRECTED_REQUEST, "Misdirected request", sentence))
}

/// The server that a request names: in its target, or in its one `Host` line.
fn authority(request: &Request<Incoming>) -> Option<Authority> {
    let mut hosts = request.headers().get_all(HOST).into_iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return None,
        (host, None) => host.map(|host| Authority::try_from(host.as_bytes())),
    };
    match (request.uri().authority(), host) {
        // The target counts (RFC 9112 section 3.2.2), but two different names are no good sign.
        (Some(target), Some(Ok(host))) => {
            target.as_str().eq_ignore_ascii_case(host.as_str()).then(|| target.clone())
        }
        (Some(target), None) => Some(target.clone()),
        (None, Some(Ok(host))) => Some(host),
        (_, Some(Err(_))) | (None, None) => None,
    }
}

/// Ends a request without a response. An HTTP/2 client learns the reason and can act on it.
pub(super) type Reset = h2::Error;

/// Why a request gets no response of the server.
enum Refusal {
    /// It can't be passed on.
    Request(&'static str),
    /// The server can't be asked, or its response can't be passed on.
    Failure(Arc<Failure>),
    /// The client is told, and can ask again.
    Reset(h2::Reason),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal::Failure(Arc::new(failure))
    }
}

impl From<Arc<Failure>> for Refusal {
    fn from(failure: Arc<Failure>) -> Self {
        Refusal::Failure(failure)
    }
}

/// Answers a request for `origin`: with the server's response, or with a page that says why there is none.
pub(super) async fn answer(
    context: &Arc<Context>,
    origin: &Origin,
    client: &Client,
    request: Request<Incoming>,
) -> Result<Response<Body>, Reset> {
    let method = request.method().clone();
    match exchange(context, origin, client, request).await {
        Ok(response) => {
            tracing::debug!(%method, %origin, status = response.status().as_u16(), "answered");
            Ok(response)
        }
        Err(Refusal::Request(sentence)) => {
            tracing::info!(%method, %origin, sentence, "refused");
            Ok(page::page(StatusCode::BAD_REQUEST, "The request can't be passed on", sentence))
        }
        Err(Refusal::Failure(failure)) => {
            tracing::info!(%method, %origin, reason = %failure, "no response");
            context.report.failed(&origin.host, failure.to_string());
            Ok(page::bad_gateway(origin, &failure))
        }
        Err(Refusal::Reset(reason)) => {
            tracing::debug!(%method, %origin, %reason, "the client is to ask again");
            Err(reason.into())
        }
    }
}

async fn exchange(
    context: &Arc<Context>,
    origin: &Origin,
    client: &Client,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (mut parts, body) = request.into_parts();
    parts.extensions.clear();
    let http2 = parts.version == Version::HTTP_2;
    let browser = Browser::new(client.address.ip(), &parts.headers);
    let wishes = headers::clean_request(&mut parts).map_err(Refusal::Request)?;
    let logs_in = headers::logs_in(&parts.headers);
    if logs_in && http2 {
        // It logs in a connection, and many requests at once share this one.
        return Err(Refusal::Reset(h2::Reason::HTTP_1_1_REQUIRED));
    }
    let url = origin.url(parts.uri.path_and_query().map_or("/", |path| path.as_str()));
    let referred = context.referrals.take(&browser, &parts.method, &parts.headers, &url, Instant::now());

    let body = Through(body).boxed_unsync();
    let order = Order { origin, parts, http2, wishes, logs_in, referred, sends: Sends::of(&body) };
    let own = client.take_own(origin);
    let had_own = own.is_some();
    let (mut response, lease, key) = order.send(context, own, &Replay::new(body)).await?;

    context.report.answered(&origin.host, key.as_ref());
    if let Some(key) = key {
        let (status, headers) = (response.status(), response.headers());
        context.referrals.note(browser, &url, status, headers, key, Instant::now());
    }
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if upgraded && order.wishes.upgrade.is_none() {
        return Err(Failure::Response("The server changes to a protocol that nobody asked for.").into());
    }
    let asks = headers::asks_to_log_in(response.status(), response.headers());
    headers::clean_response(response.status(), response.headers_mut(), upgraded)
        .map_err(Failure::Response)?;
    if upgraded {
        join(context, on_upgrade, hyper::upgrade::on(&mut response), origin.clone(), client.clone());
    } else if http2 && asks {
        lease.give_back();
        return Err(Refusal::Reset(h2::Reason::HTTP_1_1_REQUIRED));
    } else if lease.connection.version() != Version::HTTP_2 && (had_own || logs_in || asks) {
        client.keep_own(origin.clone(), lease.into_own());
    } else {
        lease.give_back();
    }
    if asks && origin.scheme == Scheme::Http {
        headers::supports_logins(response.headers_mut());
    }
    response.extensions_mut().clear();
    Ok(response)
}

/// A request on its way to a server.
struct Order<'a> {
    origin: &'a Origin,
    parts: Parts,
    /// The client speaks HTTP/2.
    http2: bool,
    wishes: Wishes,
    logs_in: bool,
    referred: Option<Arc<Key>>,
    sends: Sends,
}

type Sent = (Response<Body>, Lease, Option<Arc<Key>>);

impl Order<'_> {
    /// Sends the request, on the client's own connection if there is one.
    ///
    /// It goes out again on another connection, signed for that one, where the server can't have processed it: it wants
    /// HTTP/1.1, it refused the stream, it went away before. A connection that was kept may turn out to be closed: the
    /// request then goes out again if nothing of it was sent or if sending it twice does no harm.
    async fn send(&self, context: &Context, own: Option<Connection>, body: &Replay) -> Result<Sent, Refusal> {
        let mut own = own;
        let (mut retries, mut refused) = (RETRIES, false);
        loop {
            let mut lease = self.lease(context, own.take(), retries == 0 || refused).await?;
            let (head, key) = self.head(&lease).await?;
            let Some(again) = body.body() else {
                return Err(Failure::Response("The request's body is gone.").into());
            };
            let Unanswered { error, unsent } = match lease.send(Request::from_parts(head, again)).await {
                Ok(response) => return Ok((response, lease, key)),
                Err(unanswered) => unanswered,
            };
            let (reason, try_again) = if wants_http1(&error) {
                lease.require_http1();
                (Some(h2::Reason::HTTP_1_1_REQUIRED), lease.connection.version() == Version::HTTP_2)
            } else if is_unprocessed(&error) {
                (Some(h2::Reason::REFUSED_STREAM), !std::mem::replace(&mut refused, true))
            } else {
                let harmless = unsent || self.parts.method.is_idempotent();
                retries = retries.saturating_sub(1);
                (None, lease.reused && harmless)
            };
            if !try_again {
                return Err(Failure::Http(error).into());
            }
            match (body.is_whole(), reason) {
                (true, _) => tracing::debug!(origin = %self.origin, %error, "trying another connection"),
                (false, Some(reason)) if self.http2 => return Err(Refusal::Reset(reason)),
                (false, _) => return Err(Failure::Http(error).into()),
            }
        }
    }

    async fn lease(
        &self,
        context: &Context,
        own: Option<Connection>,
        fresh: bool,
    ) -> Result<Lease, Arc<Failure>> {
        if let Some(mut own) = own
            && own.ready().await
        {
            return Ok(Lease::of_own(own, self.sends));
        }
        let kind = match self {
            Order { logs_in: true, .. } | Order { wishes: Wishes { upgrade: Some(_), .. }, .. } => Kind::Own,
            _ if fresh => Kind::Fresh,
            _ => Kind::Any,
        };
        context.upstream.lease(self.origin, kind, self.sends).await
    }

    /// The request's head for this connection, and the key that it is bound to.
    async fn head(&self, lease: &Lease) -> Result<(Parts, Option<Arc<Key>>), Failure> {
        let mut head = self.parts.clone();
        let version = lease.connection.version();
        headers::adapt(&mut head, self.origin, &self.wishes, version).map_err(Failure::Request)?;
        if let Some(proxy) = lease.connection.proxy() {
            headers::adapt_for_proxy(&mut head, self.origin, proxy).map_err(Failure::Request)?;
        }
        let provided = lease.connection.header(self.referred.as_ref()).await.map_err(Failure::Key)?;
        let key = provided.map(|provided| {
            head.headers.insert(SEC_TOKEN_BINDING, provided.value);
            provided.key
        });
        Ok((head, key))
    }
}

/// Connects the two ends of an upgraded connection, once the response has reached the browser.
fn join(context: &Arc<Context>, browser: OnUpgrade, server: OnUpgrade, origin: Origin, client: Client) {
    let context = Arc::clone(context);
    let tasks = context.tasks.clone();
    tasks.spawn(async move {
        match tokio::try_join!(browser, server) {
            Ok((browser, server)) => relay::join(&context, browser, server, &origin).await,
            Err(error) => tracing::debug!(%origin, %error, "not upgraded"),
        }
        drop(client);
    });
}

/// A request's body, frame by frame as it comes.
struct Through(Incoming);

impl hyper::body::Body for Through {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let cleaned = |mut frame: Frame<Bytes>| {
            frame.trailers_mut().map(headers::clean_trailers);
            frame
        };
        Pin::new(&mut self.0).poll_frame(context).map_ok(cleaned).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
