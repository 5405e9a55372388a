//! The TLS extension `token_binding` (RFC 8472) in mod_ssl's handshakes.

use openssl::error::ErrorStack;
use token_binding::negotiate::{EXTENSION_TYPE, ServerPreferences, TokenBindingParameters};
use token_binding_server::outcome::{Level, tags};

use crate::httpd::connection::Connection;
use crate::httpd::hook::Status;
use crate::httpd::server::Server;
use crate::httpd::ssl::{Alert, Context, Handle, Ssl, TlsExtension};

use super::connection::ConnectionState;
use super::log::log;
use super::state::server_config;
use super::virtual_hosts;

pub(super) struct TokenBindingExtension;

impl TlsExtension for TokenBindingExtension {
    const TYPE: u16 = EXTENSION_TYPE;

    fn set_up(server: Server<'_>, context: Context<'_>, registered: Result<(), ErrorStack>) -> Status {
        let Some(config) = server_config(server) else { return Status::Refused };
        if registered.is_err() {
            let tag = tags::NOT_REGISTERED;
            log(
                server.sink(),
                Level::Error,
                format_args!(
                    "{tag}: the TLS extension token_binding can't be registered: does another module handle it?"
                ),
            );
            return Status::Refused;
        }
        virtual_hosts::note(server, config.enabled(), context.has_client_authorities());
        Status::Ok
    }

    fn begin(connection: Connection<'_>, handle: Result<Handle, ErrorStack>) -> Option<ConnectionState> {
        match handle {
            Ok(handle) => Some(ConnectionState::new(handle)),
            Err(cause) => {
                let tag = tags::HANDSHAKE_FAULT;
                log(
                    connection.sink(),
                    Level::Error,
                    format_args!("{tag}: the connection can't be noted: {cause}; handshake refused"),
                );
                None
            }
        }
    }

    fn offered(
        server: Server<'_>,
        connection: Connection<'_>,
        ssl: Ssl<'_>,
        body: &[u8],
    ) -> Result<(), Alert> {
        let config = server_config(server).ok_or(Alert::InternalError)?;
        if !config.enabled() {
            return Ok(());
        }
        let sink = connection.sink();
        let offer = TokenBindingParameters::parse(body).map_err(|error| {
            let tag = tags::MALFORMED_EXTENSION;
            log(
                sink,
                Level::Info,
                format_args!("{tag}: TLS extension token_binding is malformed, handshake refused: {error}"),
            );
            Alert::DecodeError
        })?;
        let preferences =
            ServerPreferences { min_version: config.min_version(), key_parameters: config.key_parameters() };
        let agreed = preferences.select(&offer).filter(|_| match missing(ssl) {
            None => true,
            Some(missing) => {
                let tag = tags::UNSAFE_HANDSHAKE;
                log(
                    sink,
                    Level::Debug,
                    format_args!("{tag}: Token Binding not negotiated: no {missing} on this connection"),
                );
                false
            }
        });
        let state = connection.kept().ok_or(Alert::InternalError)?;
        state.note_offer(agreed.is_some());
        let mut handshake = state.handshake().map_err(|fault| {
            log(sink, Level::Error, format_args!("{}: {fault}; handshake refused", tags::HANDSHAKE_FAULT));
            Alert::InternalError
        })?;
        handshake.offered(agreed, ssl.renegotiations());
        Ok(())
    }

    fn answer(
        server: Server<'_>,
        connection: Connection<'_>,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Alert> {
        let config = server_config(server).ok_or(Alert::InternalError)?;
        let Some(state) = connection.kept().filter(|_| config.enabled()) else {
            return Ok(None);
        };
        let mut handshake = state.handshake().map_err(|_| Alert::InternalError)?;
        Ok(handshake.answer().map(|negotiated| negotiated.extension_body()))
    }
}

/// What is missing in the ClientHello being parsed, so that Token Binding must not be negotiated (RFC 8472 s6): on TLS 1.2 and
/// older, without Extended Master Secret and Renegotiation Indication, the triple handshake attack gives two connections the
/// same EKM.
fn missing(ssl: Ssl<'_>) -> Option<&'static str> {
    if ssl.is_tls13_or_newer() {
        None
    } else if !ssl.will_have_extended_master_secret() {
        Some("Extended Master Secret")
    } else if !ssl.has_secure_renegotiation() {
        Some("Renegotiation Indication")
    } else {
        None
    }
}
