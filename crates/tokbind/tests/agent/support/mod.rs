//! A browser, an agent and the servers behind it, all in this process.

use std::net::SocketAddr;

use openssl::x509::X509;
use tokbind::KeyParameters;
use tokbind::agent::{Agent, AgentOptions, Authority};
use tokbind::keys::KeyStore;
use token_binding::header::encode;
use token_binding::sign::Signer;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use tokbind::tls::{ConnectOptions, Connector, Offer};
pub(crate) use tokbind_testing::raw::head;
pub(crate) use tokbind_testing::{Browser, Raw, Site, SiteOptions, certificate, exchange};

/// A client that knows the servers themselves.
pub(crate) fn direct_client(protocol: &[u8]) -> Connector {
    let options = ConnectOptions::new().ca_certificate(certificate()).offer(Offer::None).alpn([protocol]);
    Connector::new(&options).unwrap()
}

/// An agent in front of this server, `rp.test`.
pub(crate) async fn raw_scene(server: &Raw) -> Scene {
    let resolve = format!("rp.test:443:{}", server.address).parse().unwrap();
    Scene::with(&[], |options| options.resolve.push(resolve)).await
}

/// A running agent. It resolves each `HOST.test:443` to the site that was named.
pub(crate) struct Scene {
    pub(crate) agent: SocketAddr,
    pub(crate) keys: KeyStore,
    pub(crate) authority: X509,
    stop: CancellationToken,
    running: JoinHandle<usize>,
}

impl Scene {
    /// An agent in front of these sites, by name.
    pub(crate) async fn new(sites: &[(&str, &Site)]) -> Self {
        Scene::with(sites, |_| ()).await
    }

    /// An agent with other options.
    pub(crate) async fn with(sites: &[(&str, &Site)], change: impl FnOnce(&mut AgentOptions)) -> Self {
        let mut options = AgentOptions::default();
        options.listen = ([127, 0, 0, 1], 0).into();
        options.connect = options.connect.ca_certificate(certificate());
        for (name, site) in sites {
            options.resolve.push(format!("{name}:443:{}", site.address).parse().unwrap());
        }
        change(&mut options);
        let authority = Authority::ephemeral().unwrap();
        let certificate = authority.certificate().clone();
        let keys = KeyStore::ephemeral();
        let agent = Agent::bind(options, authority, keys.clone()).await.unwrap();
        let address = agent.address();
        let stop = CancellationToken::new();
        let running = tokio::spawn(agent.run(stop.clone().cancelled_owned()));
        Scene { agent: address, keys, authority: certificate, stop, running }
    }

    /// A browser that uses the agent and trusts it.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.agent, self.authority.clone())
    }

    /// What the key for the host is known by, as base64url.
    pub(crate) fn id(&self, host: &str, key_parameters: KeyParameters) -> String {
        let key: std::sync::Arc<tokbind::keys::Key> =
            self.keys.existing_key(host, key_parameters).unwrap().unwrap();
        encode(&key.token_binding_id())
    }

    /// Tells the agent to end.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until the agent has ended; how many connections it cut.
    pub(crate) async fn ended(self) -> usize {
        self.running.await.unwrap()
    }
}
