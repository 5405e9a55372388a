//! Options that more than one subcommand has.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use openssl::pkey::PKey;
use openssl::x509::X509;
use tokbind::keys::KeyStore;
use tokbind::keys::KeyStoreError;
use tokbind::tls::{ConnectOptions, Offer, SslVersion};
use tokbind::{KeyParameters, Proxies, Resolve, Target};
use zeroize::Zeroizing;

use super::Failure;

/// Where keys are kept.
#[derive(Args, Debug)]
pub(crate) struct KeysOption {
    /// Directory of the keys, or a PKCS #11 URI [default: $TOKBIND_KEYS, else ~/.local/share/tokbind/keys]
    ///
    /// The directory is made when the first key is, and refused when other users can read it. Keys in a PKCS #11 token (a TPM, a
    /// smart card) can't be copied. Its URI (RFC 7512) is like pkcs11:token=NAME?module-path=FILE&pin-source=file:FILE; without
    /// module-path, p11-kit finds the token; without pin-source, the PIN is asked for.
    #[arg(long, value_name = "DIR|URI", global = true)]
    pub(crate) keys: Option<PathBuf>,
}

impl KeysOption {
    /// Opens the store.
    pub(crate) fn open(&self) -> Result<KeyStore, KeyStoreError> {
        let named = self.keys.clone().or_else(|| std::env::var_os("TOKBIND_KEYS").map(PathBuf::from));
        match named.as_deref().and_then(Path::to_str) {
            Some(uri) if is_token(uri) => KeyStore::token(uri, |name| {
                rpassword::prompt_password(format!("PIN of the token {name}: ")).map(Zeroizing::new)
            }),
            _ => KeyStore::open(self.keys.clone()),
        }
    }
}

/// Whether that is the URI of a token, and no directory.
pub(crate) fn is_token(keys: &str) -> bool {
    keys.starts_with("pkcs11:")
}

/// Reads the name of key parameters; for `value_parser`.
pub(crate) fn key_parameters(name: &str) -> Result<KeyParameters, String> {
    KeyParameters::from_name(name).ok_or_else(|| {
        let names: Vec<_> = KeyParameters::ALL_KNOWN.iter().filter_map(|known| known.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

/// Which server to connect to, whether to trust it, and with which certificate; for all commands that connect.
#[derive(Args, Debug)]
pub(crate) struct ServerArgs {
    /// Trust the CA certificates of this PEM file and no others
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Accept any certificate; the server may then be anybody
    #[arg(long, short = 'k')]
    insecure: bool,
    /// Show this PEM certificate to servers that ask for one; its issuers' certificates may follow it in the file
    #[arg(long, short = 'E', value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The private key of --cert, unencrypted, in PEM [default: the same file]
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Connect to ADDRESS for this host and port, whatever the name server says; ADDRESS may have a port of its own
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    pub(crate) resolve: Vec<Resolve>,
    /// Seconds that the server may take for each answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = value_parser!(u64).range(1..))]
    timeout: u64,
}

impl ServerArgs {
    /// The options for TLS connections.
    pub(crate) fn options(&self) -> Result<ConnectOptions, Failure> {
        let mut options = ConnectOptions::new()
            .accept_any_certificate(self.insecure)
            .timeout(Duration::from_secs(self.timeout));
        if let Some(path) = &self.cacert {
            for certificate in certificates(path, &read(path)?)? {
                options = options.ca_certificate(certificate);
            }
        }
        if let Some(path) = &self.cert {
            options = self.client_certificate(options, path)?;
        }
        Ok(options)
    }

    fn client_certificate(&self, options: ConnectOptions, path: &Path) -> Result<ConnectOptions, Failure> {
        let mut certificates = certificates(path, &read(path)?)?;
        let certificate = certificates.remove(0);
        let key_path = self.key.as_deref().unwrap_or(path);
        // Without this callback OpenSSL asks the terminal for the password of an encrypted key.
        let key = PKey::private_key_from_pem_callback(&read(key_path)?, |_| Ok(0)).map_err(|_| {
            Failure::new(format!("{} holds no unencrypted private key in PEM", key_path.display()))
        })?;
        if !certificate.public_key().is_ok_and(|public| public.public_eq(&key)) {
            let (key, certificate) = (key_path.display(), path.display());
            return Err(Failure::new(format!(
                "the key in {key} is not that of the first certificate in {certificate}"
            )));
        }
        Ok(options.client_certificate(certificate, key).client_chain(certificates))
    }

    /// A page of the server, at the address that the command line names for it.
    pub(crate) fn target(&self, url: &str, options: ConnectOptions) -> Result<Target, Failure> {
        Ok(Target::new(url, options)?.resolve_by(&self.resolve))
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let content = fs::read(path).map_err(Failure::at(format_args!("reading {}", path.display())))?;
    Ok(Zeroizing::new(content))
}

/// All certificates of a file: at least one.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<X509>, Failure> {
    let certificates = X509::stack_from_pem(pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(Failure::new(format!("{} holds no certificate in PEM", path.display())));
    }
    Ok(certificates)
}

/// By which proxies to reach servers, for commands that visit other people's.
#[derive(Args, Debug)]
pub(crate) struct ProxyArgs {
    /// Reach servers by this proxy: [http://][USER:PASSWORD@]HOST:PORT; '' for none [default: $HTTPS_PROXY, $HTTP_PROXY or
    /// $ALL_PROXY]
    #[arg(long, short = 'x', value_name = "URL")]
    proxy: Option<String>,
    /// Reach these hosts, domains and networks without: a list with commas [default: $NO_PROXY]
    #[arg(long, value_name = "LIST")]
    noproxy: Option<String>,
}

impl ProxyArgs {
    /// The proxies that the command line or else the environment names.
    pub(crate) fn proxies(&self) -> Result<Proxies, Failure> {
        let environment = |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok());
        let except = match &self.noproxy {
            Some(list) => list.clone(),
            None => environment(&["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        };
        let named = match (&self.proxy, &self.noproxy) {
            (Some(url), _) => url.clone(),
            (None, None) => return Ok(Proxies::from_env()),
            (None, Some(_)) => {
                environment(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]).unwrap_or_default()
            }
        };
        Proxies::named(&named, &except).map_err(|error| Failure::Usage(format!("--proxy: {error}")))
    }
}

/// How to connect and what to offer, for commands that are a client like any other.
#[derive(Args, Debug)]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Speak this TLS version and no other [default: 1.3, or else 1.2]
    #[arg(long, value_name = "VERSION", value_enum)]
    tls: Option<Tls>,
    /// Offer these key parameters, the preferred ones first: ecdsap256, rsa2048_pss, rsa2048_pkcs1.5 [default: ecdsap256]
    ///
    /// The server chooses one of them.
    #[arg(long, value_name = "NAME", value_parser = key_parameters, value_delimiter = ',')]
    key_parameters: Vec<KeyParameters>,
    /// Do not offer Token Binding
    #[arg(long, conflicts_with = "key_parameters")]
    pub(crate) no_token_binding: bool,
}

impl ConnectArgs {
    /// The options for TLS connections.
    pub(crate) fn options(&self) -> Result<ConnectOptions, Failure> {
        let options = self.server.options()?.offer(self.offer());
        Ok(match self.tls {
            Some(Tls::V1_2) => options.tls_version(SslVersion::TLS1_2),
            Some(Tls::V1_3) => options.tls_version(SslVersion::TLS1_3),
            None => options,
        })
    }

    fn offer(&self) -> Offer {
        match &self.key_parameters[..] {
            _ if self.no_token_binding => Offer::None,
            [] => Offer::default(),
            some => Offer::v1(some),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tls {
    #[value(name = "1.2")]
    V1_2,
    #[value(name = "1.3")]
    V1_3,
}
