//! The connections to all servers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::connection::{Connection, SendError};
use super::dial::Dialer;
use super::failure::{Body, Failure};
use super::site::Site;
use crate::Resolve;
use crate::agent::origin::{Origin, Scheme};
use crate::keys::KeyStore;
use crate::tls::{ConnectOptions, Connector};

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
    /// A fresh one with HTTP/1.1, to be upgraded.
    Upgrade,
}

/// The use of a connection for one request.
pub(in crate::agent) struct Lease {
    pub(in crate::agent) connection: Connection,
    /// The server may have closed it in the meantime.
    pub(in crate::agent) reused: bool,
    site: Arc<Site>,
    /// One of the HTTP/1.1 requests that may be under way.
    permit: Option<OwnedSemaphorePermit>,
}

impl Upstream {
    pub(in crate::agent) fn new(
        options: &ConnectOptions,
        resolve: &[Resolve],
        keys: KeyStore,
        own: SocketAddr,
    ) -> crate::Result<Self> {
        Ok(Upstream {
            tls: Connector::new(&options.clone().alpn(["h2", "http/1.1"]))?,
            tls_http1: Connector::new(&options.clone().alpn(["http/1.1"]))?,
            dialer: Dialer::new(resolve, own),
            keys,
            sites: Mutex::default(),
        })
    }

    /// A TCP connection for a tunnel.
    pub(in crate::agent) async fn dial(&self, origin: &Origin) -> Result<TcpStream, Failure> {
        self.dialer.dial(&origin.host, origin.port).await
    }

    /// A connection for one request, an old or a new one.
    pub(in crate::agent) async fn lease(&self, origin: &Origin, kind: Kind) -> Result<Lease, Failure> {
        let site = Arc::clone(self.sites().entry(origin.clone()).or_default());
        if kind == Kind::Upgrade {
            let connection = self.connect(origin, &site, kind).await?;
            return Ok(Lease { connection, reused: false, site, permit: None });
        }
        let shared = || site.shared().filter(|_| kind == Kind::Any);
        if let Some(connection) = shared() {
            return Ok(Lease { connection, reused: true, site, permit: None });
        }

        // The first to come finds out which HTTP version the server speaks, while the others wait.
        let may_share = origin.scheme == Scheme::Https && !site.speaks_http1();
        let connecting = if may_share { Some(site.connecting.lock().await) } else { None };
        if let Some(connection) = shared() {
            drop(connecting);
            return Ok(Lease { connection, reused: true, site, permit: None });
        }
        let connecting = connecting.filter(|_| !site.speaks_http1());

        // Never closed, so never an error.
        let permit = Arc::clone(&site.active).acquire_owned().await.ok();
        if let Some(connection) = site.take_idle().filter(|_| kind == Kind::Any) {
            drop(connecting);
            return Ok(Lease { connection, reused: true, site, permit });
        }
        let connection = self.connect(origin, &site, kind).await?;
        let (connection, permit) = match connection.share() {
            Some(shared) => {
                site.keep_shared(connection);
                (shared, None)
            }
            None => {
                site.chose_http1();
                (connection, permit)
            }
        };
        drop(connecting);
        Ok(Lease { connection, reused: false, site, permit })
    }

    async fn connect(&self, origin: &Origin, site: &Site, kind: Kind) -> Result<Connection, Failure> {
        let tcp = self.dialer.dial(&origin.host, origin.port).await?;
        if origin.scheme == Scheme::Http {
            return Connection::over_tcp(tcp).await;
        }
        if kind == Kind::Upgrade {
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
    pub(in crate::agent) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, SendError> {
        let sent = self.connection.send(request).await;
        if sent.is_err() {
            self.site.forget(&self.connection);
        }
        sent
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
}
