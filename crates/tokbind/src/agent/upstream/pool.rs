//! The connections to all servers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::body::{Body, Download, Upload};
use super::connection::Connection;
use super::dial::{Dialer, Dialled};
use super::failure::Failure;
use super::load::{Sends, Slots};
use super::site::Site;
use crate::agent::origin::{Origin, Scheme};
use crate::keys::KeyStore;
use crate::tls::{ConnectOptions, Connector};
use crate::{Proxies, Resolve};

/// How often connections that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// Connects to servers and keeps the connections.
pub(in crate::agent) struct Upstream {
    tls: Connector,
    tls_http1: Connector,
    dialer: Dialer,
    keys: KeyStore,
    sites: Mutex<HashMap<Origin, Arc<Site>>>,
}

/// Which connection will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Kind {
    /// Any.
    Any,
    /// One that nobody has used before: the server can't have closed it in the meantime.
    Fresh,
    /// A fresh one with HTTP/1.1 that no other client gets: to be upgraded, or to be logged in on.
    Own,
}

/// The use of a connection for one request.
pub(in crate::agent) struct Lease {
    pub(in crate::agent) connection: Connection,
    /// The server may have closed it in the meantime.
    pub(in crate::agent) reused: bool,
    site: Arc<Site>,
    slots: Slots,
    /// One of the HTTP/1.1 requests that may be under way.
    permit: Option<OwnedSemaphorePermit>,
}

/// Why a request got no response.
pub(in crate::agent) struct Unanswered {
    pub(in crate::agent) error: hyper::Error,
    /// Nothing of it was sent.
    pub(in crate::agent) unsent: bool,
}

impl Upstream {
    pub(in crate::agent) fn new(
        options: &ConnectOptions,
        resolve: &[Resolve],
        proxies: Proxies,
        keys: KeyStore,
        own: SocketAddr,
    ) -> crate::Result<Self> {
        Ok(Upstream {
            tls: Connector::new(&options.clone().alpn(["h2", "http/1.1"]))?,
            tls_http1: Connector::new(&options.clone().alpn(["http/1.1"]))?,
            dialer: Dialer::new(resolve, proxies, own),
            keys,
            sites: Mutex::default(),
        })
    }

    /// A TCP connection for a tunnel.
    pub(in crate::agent) async fn dial(&self, origin: &Origin) -> Result<TcpStream, Failure> {
        self.dialer.dial(&origin.host, origin.port).await
    }

    /// A connection for one request, an old or a new one.
    pub(in crate::agent) async fn lease(
        &self,
        origin: &Origin,
        kind: Kind,
        sends: Sends,
    ) -> Result<Lease, Arc<Failure>> {
        let came = Instant::now();
        let site = Arc::clone(self.sites().entry(origin.clone()).or_default());
        if kind == Kind::Own {
            let connection = self.connect(origin, &site, kind).await?;
            return Ok(Lease::new(connection, false, site, sends, None));
        }
        let shared = || {
            let (connection, slots) = site.shared(sends).filter(|_| kind == Kind::Any)?;
            Some(Lease { connection, reused: true, site: Arc::clone(&site), slots, permit: None })
        };
        if let Some(lease) = shared() {
            return Ok(lease);
        }

        // The first to come finds out which HTTP version the server speaks, while the others wait.
        let may_share = origin.scheme == Scheme::Https && !site.speaks_http1();
        let connecting = if may_share { Some(site.connecting.lock().await) } else { None };
        if let Some(lease) = shared() {
            return Ok(lease);
        }
        if let Some(failure) = site.failure_since(came).filter(|_| connecting.is_some()) {
            return Err(failure);
        }
        let connecting = connecting.filter(|_| !site.speaks_http1());

        // Never closed, so never an error.
        let permit = Arc::clone(&site.active).acquire_owned().await.ok();
        if let Some(connection) = site.take_idle().filter(|_| kind == Kind::Any) {
            drop(connecting);
            return Ok(Lease::new(connection, true, site, sends, permit));
        }
        let connected = self.connect(origin, &site, kind).await.map_err(Arc::new);
        let connection = connected.inspect_err(|failure| site.failed(failure))?;
        let lease = match connection.share() {
            Some(handle) => {
                let lease = Lease::new(handle, false, Arc::clone(&site), sends, None);
                site.keep_shared(connection);
                lease
            }
            None => {
                site.chose_http1();
                Lease::new(connection, false, Arc::clone(&site), sends, permit)
            }
        };
        drop(connecting);
        Ok(lease)
    }

    /// Makes the first connection to a server, for the request that is about to come. What comes meanwhile waits for it.
    pub(in crate::agent) async fn prepare(&self, origin: &Origin) {
        let site = Arc::clone(self.sites().entry(origin.clone()).or_default());
        let Ok(_connecting) = site.connecting.try_lock() else { return };
        if site.is_known() {
            return;
        }
        match self.connect(origin, &site, Kind::Any).await {
            Ok(connection) if connection.version() == Version::HTTP_2 => site.keep_shared(connection),
            Ok(connection) => {
                site.chose_http1();
                site.keep_idle(connection);
            }
            // The request tells it, or tries again.
            Err(failure) => site.failed(&Arc::new(failure)),
        }
    }

    async fn connect(&self, origin: &Origin, site: &Site, kind: Kind) -> Result<Connection, Failure> {
        if origin.scheme == Scheme::Http {
            let Dialled { tcp, proxy } = self.dialer.dial_plain(&origin.host, origin.port).await?;
            return Connection::over_tcp(tcp, proxy).await;
        }
        let tcp = self.dialer.dial(&origin.host, origin.port).await?;
        if kind == Kind::Own || site.requires_http1() {
            let tls = self.tls_http1.connect_over(tcp, &origin.host, None).await.map_err(Failure::Tls)?;
            return Connection::over_tls(tls, &origin.host, &self.keys).await;
        }
        let tls = self.tls.connect_over(tcp, &origin.host, site.session().as_ref()).await;
        let tls = tls.map_err(Failure::Tls)?;
        site.keep_session(tls.session());
        Connection::over_tls(tls, &origin.host, &self.keys).await
    }

    /// Closes connections that nobody uses, until the future is dropped.
    pub(in crate::agent) async fn keep_clean(&self) {
        let mut interval = tokio::time::interval(SWEEP);
        loop {
            interval.tick().await;
            let now = Instant::now();
            // A site that somebody is using right now has a second owner.
            self.sites().retain(|_, site| site.sweep(now) || Arc::strong_count(site) > 1);
        }
    }

    fn sites(&self) -> MutexGuard<'_, HashMap<Origin, Arc<Site>>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    fn new(
        connection: Connection,
        reused: bool,
        site: Arc<Site>,
        sends: Sends,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let slots = connection.load().squeeze(sends);
        Lease { connection, reused, site, slots, permit }
    }

    /// The use of a connection that only one client has.
    pub(in crate::agent) fn of_own(connection: Connection, sends: Sends) -> Self {
        Lease::new(connection, true, Arc::default(), sends, None)
    }

    pub(in crate::agent) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Body>, Unanswered> {
        let request = request.map(|body| Upload::new(body, self.slots.sent.take()));
        let sent = self.connection.send(request).await;
        match sent {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                self.connection.traffic().unlimited();
                Ok(self.download(response))
            }
            Ok(response) => Ok(self.download(response)),
            Err(mut error) => {
                self.site.forget(&self.connection);
                let unsent = error.take_message().is_some();
                Err(Unanswered { error: error.into_error(), unsent })
            }
        }
    }

    fn download(&mut self, response: Response<Incoming>) -> Response<Body> {
        let traffic = Arc::clone(self.connection.traffic());
        response.map(|body| Download::through(body, traffic, self.slots.stream.take()))
    }

    /// The server wants HTTP/1.1 from now on.
    pub(in crate::agent) fn require_http1(&self) {
        self.site.require_http1();
    }

    /// Returns the connection once its response has been read, if it stays open that long.
    pub(in crate::agent) fn give_back(self) {
        let Lease { mut connection, site, permit, .. } = self;
        if connection.version() == Version::HTTP_2 {
            return;
        }
        tokio::spawn(async move {
            if connection.ready().await {
                site.keep_idle(connection);
            }
            drop(permit);
        });
    }

    /// The connection, for the client that had it to have it again.
    pub(in crate::agent) fn into_own(self) -> Connection {
        self.connection
    }
}
