//! A tunnel to a server that gets Token Binding: the agent answers TLS in the server's name.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_openssl::SslStream;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;

use super::client::{Client, MAX_HEAD, READ_HEAD};
use super::context::Context;
use super::hello::{self, Rewound, Wants};
use super::origin::Origin;
use super::{forward, relay};

/// How long a client may take from `CONNECT` to the end of its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Requests at a time on an HTTP/2 connection of the browser. RFC 9113 section 6.5.2 wants no fewer.
const MAX_STREAMS: u32 = 100;
/// What a browser may send of a request that the server does not read yet (RFC 9113 section 5.2): the way to it is short.
const STREAM_WINDOW: u32 = 256 * 1024;
/// As much for each of the streams at once, so that no upload has to wait for another one's server.
const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;

type Plain = Rewound<TokioIo<Upgraded>>;

/// Serves a tunnel to a server that gets Token Binding.
pub(super) async fn intercept(context: Arc<Context>, on_upgrade: OnUpgrade, origin: Origin, client: Client) {
    let upgraded = match on_upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return tracing::debug!(%origin, %error, "no tunnel"),
    };
    // WebSocket without TLS, for one, comes through tunnels too, and so does mail.
    let listened = tokio::select! {
        listened = tokio::time::timeout(HANDSHAKE, hello::listen(TokioIo::new(upgraded), origin.port)) => listened,
        () = context.drain.cancelled() => return tracing::debug!(%origin, "a tunnel that nobody used"),
    };
    match listened {
        Ok(Ok((Wants::Https, stream))) => terminate(&context, stream, origin, client).await,
        Ok(Ok((Wants::Other, stream))) => match context.upstream.dial(&origin).await {
            Ok(server) => {
                tracing::debug!(%origin, "not HTTP: passed on untouched");
                relay::pass(&context, stream, server, &origin).await;
            }
            Err(failure) => tracing::info!(%origin, reason = %failure, "no tunnel"),
        },
        Ok(Ok((Wants::Nothing, _)) | Err(_)) | Err(_) => {
            tracing::debug!(%origin, "a tunnel that nobody used")
        }
    }
}

/// Answers TLS in the server's name and serves the requests.
async fn terminate(context: &Arc<Context>, stream: Plain, origin: Origin, client: Client) {
    let ssl = match context.leaves.ssl(&origin.host) {
        Ok(ssl) => ssl,
        Err(error) => return tracing::error!(%origin, %error, "no certificate"),
    };
    let mut tls = match SslStream::new(ssl, TokioIo::new(stream)) {
        Ok(tls) => tls,
        Err(error) => return tracing::error!(%origin, %error, "no TLS"),
    };
    // Who shakes hands with a server is about to ask it for something: the server's handshake need not wait for the client's.
    tokio::spawn({
        let (context, origin) = (Arc::clone(context), origin.clone());
        async move { context.cut.run_until_cancelled(context.upstream.prepare(&origin)).await }
    });
    let handshake = tokio::time::timeout(HANDSHAKE, Pin::new(&mut tls).accept());
    let Some(handshake) = context.cut.run_until_cancelled(handshake).await else { return };
    match handshake {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            return tracing::info!(
                %origin,
                %error,
                "the client ended the TLS handshake; if it does not trust the agent's certificate authority: `tokbind agent ca`, with the same --ca-dir, says how to make it"
            );
        }
        Err(_) => return tracing::debug!(%origin, "the TLS handshake took too long"),
    }

    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .header_read_timeout(READ_HEAD)
        .max_buf_size(MAX_HEAD);
    server
        .http2()
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX));

    let (service_context, origin) = (Arc::clone(context), Arc::new(origin));
    let service = service_fn({
        let origin = Arc::clone(&origin);
        move |request| {
            let (context, origin, client) =
                (Arc::clone(&service_context), Arc::clone(&origin), client.clone());
            forward::answer_tunnelled(context, origin, client, request)
        }
    });
    let connection = server.serve_connection_with_upgrades(tls, service);
    if let Err(error) = context.serve(connection, |connection| connection.graceful_shutdown()).await {
        tracing::debug!(%origin, error = super::upstream::causes(&*error), "the client's connection ended");
    }
}
