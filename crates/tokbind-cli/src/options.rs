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
use tokbind::{KeyParameters, Resolve, Target};
use zeroize::Zeroizing;

use super::Failure;

/// Where keys are kept.
#[derive(Args, Debug)]
pub(crate) struct KeysOption {
    /// Directory of the keys [default: $TOKBIND_KEYS, else ~/.local/share/tokbind/keys]
    ///
    /// It is made when the first key is, and refused when other users can read it.
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) keys: Option<PathBuf>,
}

impl KeysOption {
    /// Opens the store.
    pub(crate) fn open(&self) -> Result<KeyStore, KeyStoreError> {
        KeyStore::open(self.keys.clone())
    }
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
