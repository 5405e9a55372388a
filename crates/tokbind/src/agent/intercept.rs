//! A tunnel to a server that gets Token Binding: the agent answers TLS in the server's name.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_openssl::SslStream;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::client::{Client, MAX_HEAD, READ_HEAD};
use super::context::Context;
use super::origin::Origin;
use super::{forward, relay};

/// How long a client may take from `CONNECT` to the end of its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// Requests at a time on an HTTP/2 connection of the browser. RFC 9113 section 6.5.2 wants no fewer.
const MAX_STREAMS: u32 = 100;
/// The first byte of a TLS connection: a record of type handshake.
const TLS_HANDSHAKE: u8 = 22;

type Plain = BufReader<TokioIo<Upgraded>>;

/// Serves a tunnel to a server that gets Token Binding.
pub(super) async fn intercept(context: Arc<Context>, on_upgrade: OnUpgrade, origin: Origin, client: Client) {
    let upgraded = match on_upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return tracing::debug!(%origin, %error, "no tunnel"),
    };
    let mut stream = BufReader::new(TokioIo::new(upgraded));
    // WebSocket without TLS, for one, comes through tunnels too.
    let first = tokio::select! {
        filled = tokio::time::timeout(HANDSHAKE, stream.fill_buf()) => match filled {
            Ok(Ok(bytes)) => bytes.first().copied(),
            Ok(Err(_)) | Err(_) => None,
        },
        () = context.drain.cancelled() => None,
    };
    match first {
        Some(TLS_HANDSHAKE) => terminate(&context, stream, origin, client).await,
        Some(_) => match context.upstream.dial(&origin).await {
            Ok(server) => relay::pass(&context, stream, server, &origin).await,
            Err(failure) => tracing::info!(%origin, reason = %failure, "no tunnel"),
        },
        None => tracing::debug!(%origin, "a tunnel that nobody used"),
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
