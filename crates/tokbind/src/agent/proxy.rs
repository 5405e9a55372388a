//! The agent's own port: requests to an HTTP proxy (RFC 9110 sections 7.2 and 9.3.6).

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::client::{Client, MAX_HEAD, READ_HEAD};
use super::context::Context;
use super::origin::{Origin, Scheme};
use super::upstream::{Body, causes};
use super::{forward, intercept, own, page, relay};

/// Serves a client's connection.
pub(super) async fn serve(context: Arc<Context>, tcp: TcpStream, client: Client) {
    let (service_context, peer) = (Arc::clone(&context), client.address);
    let service = service_fn(move |request| {
        let (context, client) = (Arc::clone(&service_context), client.clone());
        async move { answer(context, request, client).await }
    });
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .header_read_timeout(READ_HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(tcp), service)
        .with_upgrades();
    if let Err(error) = context.serve(connection, |connection| connection.graceful_shutdown()).await {
        tracing::debug!(%peer, error = causes(&error), "the client's connection ended");
    }
}

async fn answer(
    context: Arc<Context>,
    request: Request<Incoming>,
    client: Client,
) -> Result<Response<Body>, forward::Reset> {
    if request.method() == Method::CONNECT {
        return Ok(connect(context, request, client).await);
    }
    if request.uri().scheme().is_none() && request.uri().authority().is_none() {
        return Ok(own::answer(&context, &request));
    }
    match target(request.uri()) {
        Ok(origin) => forward::answer(&context, &origin, &client, request).await,
        Err(sentence) => {
            tracing::info!(method = %request.method(), sentence, "refused");
            Ok(page::page(StatusCode::BAD_REQUEST, "This is a proxy", sentence))
        }
    }
}

/// The server of a request that a proxy is meant to pass on.
fn target(uri: &Uri) -> Result<Origin, &'static str> {
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) => {
            Origin::new(Scheme::Http, authority).ok_or("The URL does not name a server.")
        }
        (Some("https"), _) => Err("An https URL goes through a proxy with CONNECT."),
        (Some(_), _) => Err("Only http and https URLs go through this proxy."),
        (None, _) => Err("The request names no server."),
    }
}

async fn connect(context: Arc<Context>, mut request: Request<Incoming>, client: Client) -> Response<Body> {
    // CONNECT has no default port.
    let authority = request.uri().authority().filter(|authority| authority.port().is_some());
    let Some(origin) = authority.and_then(|authority| Origin::new(Scheme::Https, authority)) else {
        let sentence = "CONNECT needs a host and a port.";
        return page::page(StatusCode::BAD_REQUEST, "No such server", sentence);
    };
    let on_upgrade = hyper::upgrade::on(&mut request);
    let tasks = context.tasks.clone();
    if context.only.includes(&origin.host) {
        tasks.spawn(intercept::intercept(context, on_upgrade, origin, client));
        return Response::new(page::empty());
    }
    match context.upstream.dial(&origin).await {
        Ok(server) => {
            tasks.spawn(async move {
                relay::blind(context, on_upgrade, server, origin).await;
                drop(client);
            });
            Response::new(page::empty())
        }
        Err(failure) => {
            tracing::info!(%origin, reason = %failure, "no tunnel");
            page::bad_gateway(&origin, &failure)
        }
    }
}
