//! A request from the browser to the server, and the response back.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::upgrade::OnUpgrade;
use token_binding::header::SEC_TOKEN_BINDING;

use super::client::Client;
use super::context::Context;
use super::headers::{self, Wishes};
use super::origin::Origin;
use super::referred::Browser;
use super::upstream::{Body, Failure, Kind, Lease};
use super::{page, relay};
use crate::PrivateKey;

/// How often a request moves to another connection when the one that was kept turns out to be closed. The last time it
/// is a new one.
const RETRIES: u32 = 2;

/// Answers a request that came through a tunnel to `origin`.
pub(super) async fn answer_tunnelled(
    context: Arc<Context>,
    origin: Arc<Origin>,
    client: Client,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let sentence = match authority(&request) {
        _ if request.method() == Method::CONNECT => "A tunnel within the tunnel is not possible.",
        Some(authority) if Origin::new(origin.scheme, &authority).as_ref() == Some(&*origin) => {
            return Ok(answer(&context, &origin, &client, request).await);
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

/// Answers a request for `origin`: with the server's response, or with a page that says why there is none.
pub(super) async fn answer(
    context: &Arc<Context>,
    origin: &Origin,
    client: &Client,
    request: Request<Incoming>,
) -> Response<Body> {
    let method = request.method().clone();
    match exchange(context, origin, client, request).await {
        Ok(response) => {
            tracing::debug!(%method, %origin, status = response.status().as_u16(), "answered");
            response
        }
        Err(failure) => {
            tracing::info!(%method, %origin, reason = %failure, "no response");
            page::bad_gateway(origin, &failure)
        }
    }
}

async fn exchange(
    context: &Arc<Context>,
    origin: &Origin,
    client: &Client,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (mut parts, body) = request.into_parts();
    parts.extensions.clear();
    let browser = Browser::new(client.address.ip(), &parts.headers);
    let wishes = headers::clean_request(&mut parts);
    let url = origin.url(parts.uri.path_and_query().map_or("/", |path| path.as_str()));
    let referred = context.referrals.take(&browser, &parts.method, &parts.headers, &url, Instant::now());

    let order = Order { origin, parts, wishes, referred };
    let (mut response, lease, key) = order.send(context, Through(body).boxed_unsync()).await?;

    if let Some(key) = key {
        let (status, headers) = (response.status(), response.headers());
        context.referrals.note(browser, &url, status, headers, key, Instant::now());
    }
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS && order.wishes.upgrade.is_some();
    if upgraded {
        join(context, on_upgrade, hyper::upgrade::on(&mut response), origin.clone(), client.clone());
    } else {
        lease.give_back();
    }
    headers::clean_response(response.headers_mut(), upgraded);
    response.extensions_mut().clear();
    Ok(response.map(|body| body.boxed_unsync()))
}

/// A request on its way to a server.
struct Order<'a> {
    origin: &'a Origin,
    parts: Parts,
    wishes: Wishes,
    referred: Option<Arc<PrivateKey>>,
}

type Sent = (Response<Incoming>, Lease, Option<Arc<PrivateKey>>);

impl Order<'_> {
    /// Sends the request. A connection that was kept may turn out to be closed: the request then goes out on another
    /// one, signed for that one, if nothing of it was sent or if sending it twice does no harm.
    async fn send(&self, context: &Context, body: Body) -> Result<Sent, Failure> {
        let repeatable = self.parts.method.is_idempotent() && body.is_end_stream();
        let (mut body, mut retries) = (body, RETRIES);
        loop {
            let kind = match retries {
                _ if self.wishes.upgrade.is_some() => Kind::Upgrade,
                0 => Kind::Fresh,
                _ => Kind::Any,
            };
            let mut lease = context.upstream.lease(self.origin, kind).await?;
            let (head, key) = self.head(&lease).await?;
            let mut error = match lease.send(Request::from_parts(head, body)).await {
                Ok(response) => return Ok((response, lease, key)),
                Err(error) => error,
            };
            let again = error.take_message().map(Request::into_body).or_else(|| repeatable.then(page::empty));
            match again {
                Some(again) if lease.reused && retries > 0 => body = again,
                _ => return Err(Failure::Http(error.into_error())),
            }
            retries -= 1;
            tracing::debug!(origin = %self.origin, "a connection was closed; trying another one");
        }
    }

    /// The request's head for this connection, and the key that it is bound to.
    async fn head(&self, lease: &Lease) -> Result<(Parts, Option<Arc<PrivateKey>>), Failure> {
        let mut head = self.parts.clone();
        let version = lease.connection.version();
        headers::adapt(&mut head, self.origin, &self.wishes, version).map_err(Failure::Request)?;
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
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let cleaned = |mut frame: Frame<Bytes>| {
            frame.trailers_mut().map(headers::clean_trailers);
            frame
        };
        Pin::new(&mut self.0).poll_frame(context).map_ok(cleaned)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
