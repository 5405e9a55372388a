//! The OpenID Provider of `tests/provider`, and sites that rely on it.

use std::fs;

use tokio::process::{Child, Command};

use super::httpd::{HOST, Httpd, Setup, VirtualHost, documented};
use super::ports::free_port;
use super::{server, setup};

/// The provider's host: another registered domain than the relying party's.
pub const PROVIDER: &str = "op.test";

/// A running OpenID Provider, reached through httpd or, as the back channel, directly. It ends when it goes out of scope.
pub struct Provider {
    _process: Child,
}

impl Provider {
    /// Starts it on a port that was chosen before, so that httpd's configuration could name it.
    async fn start(port: u16, site: u16) -> Self {
        let mut command = Command::new(setup::python());
        command
            .args(["-W", "error::DeprecationWarning"])
            .arg(setup::root().join("tests/provider/provider.py"))
            .args(["--port", &port.to_string()])
            .args(["--issuer", &format!("https://{PROVIDER}:{site}")])
            .args(["--back-channel", &format!("https://localhost:{site}")])
            .args(["--redirect-uri", &format!("https://{HOST}:{site}/app/callback")]);
        let process = server::start(&mut command, port).await;
        Self { _process: process }
    }
}

/// How the relying party gets its id_token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The code flow: a redirect brings a code, and the relying party fetches the token.
    Code,
    /// The implicit flow: the browser itself brings the token, in a form.
    FormPost,
}

/// A relying party with mod_auth_openidc and its provider, both on one httpd: everything below /app needs a login.
pub struct SingleSignOn {
    pub policy: &'static str,
    pub flow: Flow,
    pub setup: Setup,
    /// More directives for the relying party.
    pub directives: String,
}

impl Default for SingleSignOn {
    fn default() -> Self {
        let mut setup = Setup { virtual_hosts: Vec::new(), ..Setup::default() };
        setup.modules.push("auth_openidc");
        Self { policy: "optional", flow: Flow::Code, setup, directives: String::new() }
    }
}

impl SingleSignOn {
    pub fn with_policy(policy: &'static str) -> Self {
        Self { policy, ..Self::default() }
    }

    pub fn without_module(mut self) -> Self {
        self.setup.module = None;
        self
    }

    pub async fn start(self) -> (Httpd, Provider) {
        let Self { policy, flow, mut setup, directives } = self;
        let port = free_port();
        let mut relying = relying_party("@PORT@", policy);
        if flow == Flow::FormPost {
            relying += "OIDCResponseType id_token\nOIDCResponseMode form_post\n";
            if !has_token_binding() {
                // These versions set the state cookie with Lax, and the form comes from another site.
                relying += "OIDCCookieSameSite None\n";
            }
        }
        relying += "ScriptAlias /app/ @DIR@/htdocs/\n";
        relying += &directives;
        setup.virtual_hosts = vec![VirtualHost::tls(HOST, relying), provider_host(port)];
        let server = setup.start();
        let provider = Provider::start(port, server.port()).await;
        (server, provider)
    }
}

/// Whether this machine's mod_auth_openidc has Token Binding of its own: versions before 2.4.15 do.
fn has_token_binding() -> bool {
    const DIRECTIVE: &[u8] = b"OIDCTokenBindingPolicy";
    let module = fs::read(super::setup::httpd().modules.join("mod_auth_openidc.so")).unwrap();
    module.windows(DIRECTIVE.len()).any(|window| window == DIRECTIVE)
}

/// For versions of mod_auth_openidc that have no Token Binding of their own: the directive is left out.
pub const NO_POLICY: &str = "";

/// The relying party's directives, for a site and a provider on this port.
pub fn relying_party(port: &str, policy: &str) -> String {
    let site = format!("https://{HOST}:{port}");
    let metadata = format!("https://localhost:{port}/");
    let mut directives = documented(
        "openidc.conf",
        &[
            ("https://op.example.org/", &metadata),
            ("the-secret-that-the-provider-gave", "secret"),
            ("https://www.example.org", &site),
            ("TokenBindingPolicy optional", &format!("TokenBindingPolicy {policy}")),
        ],
    );
    if policy == NO_POLICY {
        let is_known = |line: &&str| !line.starts_with("OIDCTokenBindingPolicy");
        directives = directives.lines().filter(is_known).flat_map(|line| [line, "\n"]).collect();
    }
    directives + BACK_CHANNEL
}

/// The test's certificate is its own authority.
pub const BACK_CHANNEL: &str = "OIDCCABundlePath @DIR@/server.pem\n";

/// The provider's virtual host, for a provider on this port. The name that relying parties reach it by has to lead to this
/// machine without a browser's help.
pub fn provider_host(port: u16) -> VirtualHost {
    let origin = format!("http://127.0.0.1:{port}");
    VirtualHost::tls(
        PROVIDER,
        documented("provider.conf", &[("http://127.0.0.1:8000", &origin)]) + "ServerAlias localhost\n",
    )
}

/// Starts a provider for a server whose virtual hosts were made for this port.
pub async fn start_provider(port: u16, server: &Httpd) -> Provider {
    Provider::start(port, server.port()).await
}
