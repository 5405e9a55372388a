//! The settings of servers and directories. Every field is an `Option`: `None` means "not set here". The accessors have the
//! defaults.

use std::ffi::{CStr, CString};

use thiserror::Error;
use token_binding::{KeyParameters, ProtocolVersion};

use crate::cookies::settings::CookieSettings;
use crate::peers::TrustedProxies;
use crate::variable::{PassVar, PerVariable, Variable};

/// The settings of a server or virtual host.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct ServerConfig {
    pub enabled: Option<bool>,
    pub key_parameters: Option<Vec<KeyParameters>>,
    pub min_version: Option<ProtocolVersion>,
    pub strict: Option<bool>,
    pub pass_headers: Option<bool>,
    pub env_names: EnvNames,
    pub trusted_proxies: Option<TrustedProxies>,
    /// The settings of its directories that do not set their own.
    pub directory: DirectoryConfig,
    pub cookies: CookieSettings,
}

/// The settings of a directory, location or `.htaccess` file.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct DirectoryConfig {
    pub pass: Option<PassVar>,
    pub include_referred: Option<bool>,
}

/// The configured names of the environment variables.
pub type EnvNames = PerVariable<Option<CString>>;

impl ServerConfig {
    /// Merges two servers' settings: what `inner` (a virtual host) sets wins over `outer` (the main server).
    pub fn merge(outer: &Self, inner: &Self) -> Self {
        let Self {
            enabled,
            key_parameters,
            min_version,
            strict,
            pass_headers,
            env_names,
            trusted_proxies,
            directory,
            cookies,
        } = inner.clone();
        Self {
            enabled: enabled.or(outer.enabled),
            key_parameters: key_parameters.or_else(|| outer.key_parameters.clone()),
            min_version: min_version.or(outer.min_version),
            strict: strict.or(outer.strict),
            pass_headers: pass_headers.or(outer.pass_headers),
            env_names: merge_names(&outer.env_names, &env_names),
            trusted_proxies: trusted_proxies.or_else(|| outer.trusted_proxies.clone()),
            directory: DirectoryConfig::merge(&outer.directory, &directory),
            cookies: CookieSettings::merge(&outer.cookies, cookies),
        }
    }

    pub fn enabled(&self) -> bool {
        self.enabled.unwrap_or(true)
    }

    /// Accepted key parameters, the server's most preferred first.
    pub fn key_parameters(&self) -> &[KeyParameters] {
        self.key_parameters.as_deref().unwrap_or(&KeyParameters::ALL_KNOWN)
    }

    pub fn min_version(&self) -> ProtocolVersion {
        self.min_version.unwrap_or(ProtocolVersion::OLDEST)
    }

    pub fn strict(&self) -> bool {
        self.strict.unwrap_or(true)
    }

    /// What is passed on in a directory. `directory` is `None` as long as httpd has not found it.
    #[inline]
    pub fn pass(&self, directory: Option<&DirectoryConfig>) -> PassVar {
        directory.and_then(|directory| directory.pass).or(self.directory.pass).unwrap_or(PassVar::DEFAULT)
    }

    /// Whether redirects from a directory ask for a referred binding.
    pub fn include_referred(&self, directory: Option<&DirectoryConfig>) -> bool {
        directory
            .and_then(|directory| directory.include_referred)
            .or(self.directory.include_referred)
            .unwrap_or(false)
    }

    pub fn pass_headers(&self) -> bool {
        self.pass_headers.unwrap_or(true)
    }

    /// The trusted proxies; `None` if there are none.
    pub fn trusted_proxies(&self) -> Option<&TrustedProxies> {
        self.trusted_proxies.as_ref().filter(|proxies| !proxies.is_empty())
    }

    #[inline]
    pub fn env_name(&self, variable: Variable) -> &CStr {
        self.env_names.get(variable).as_deref().unwrap_or_else(|| variable.default_env_name())
    }

    /// Checks what no single directive can: no two variables may have one name, or one would overwrite the other.
    pub fn check(&self) -> Result<(), SameName> {
        for (position, first) in Variable::ALL.into_iter().enumerate() {
            for second in Variable::ALL.into_iter().skip(position + 1) {
                if same_variable(self.env_name(first), self.env_name(second)) {
                    return Err(SameName { first, second, name: self.env_name(first).to_owned() });
                }
            }
        }
        Ok(())
    }
}

impl DirectoryConfig {
    /// Merges two directories' settings: what `inner` (the deeper one) sets wins over `outer`.
    pub fn merge(outer: &Self, inner: &Self) -> Self {
        let Self { pass, include_referred } = inner;
        Self { pass: pass.or(outer.pass), include_referred: include_referred.or(outer.include_referred) }
    }
}

/// Two variables have one name, so that one would overwrite the other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{} and {}: both name the environment variable \"{}\"; give each its own name",
    named_by(*first), named_by(*second), name.to_string_lossy()
)]
pub struct SameName {
    first: Variable,
    second: Variable,
    name: CString,
}

/// What gives a variable's environment variable its name.
fn named_by(variable: Variable) -> &'static str {
    variable.env_directive().unwrap_or("the fingerprint of client certificates")
}

fn merge_names(outer: &EnvNames, inner: &EnvNames) -> EnvNames {
    PerVariable::each(|variable| inner.get(variable).as_ref().or(outer.get(variable).as_ref()).cloned())
}

/// Whether the two names end up as one in a CGI program's environment. httpd's tables ignore case, and in an environment
/// `-` becomes `_`.
fn same_variable(first: &CStr, second: &CStr) -> bool {
    let fold = |name: &CStr| -> Vec<u8> {
        let dashed = |byte: &u8| if *byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
        name.to_bytes().iter().map(dashed).collect()
    };
    fold(first) == fold(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> ServerConfig {
        ServerConfig {
            enabled: Some(false),
            key_parameters: Some(vec![KeyParameters::RSA2048_PSS]),
            min_version: Some(ProtocolVersion::V1_0),
            strict: Some(false),
            pass_headers: Some(false),
            env_names: PerVariable::each(|variable| CString::new(variable.word()).ok()),
            trusted_proxies: Some(["10.0.0.0/8".parse().unwrap()].into_iter().collect()),
            directory: DirectoryConfig {
                pass: Some(PassVar::NONE.with(Variable::Context)),
                include_referred: Some(true),
            },
            cookies: CookieSettings { encrypt: Some(false), ..CookieSettings::default() },
        }
    }

    #[test]
    fn nothing_written_means_the_documented_defaults() {
        let config = ServerConfig::default();
        assert!(config.enabled() && config.strict() && config.pass_headers());
        assert_eq!(
            config.key_parameters(),
            [KeyParameters::ECDSAP256, KeyParameters::RSA2048_PSS, KeyParameters::RSA2048_PKCS1_5]
        );
        assert_eq!(config.min_version().to_string(), "0.13");
        assert_eq!(config.pass(None), PassVar::DEFAULT);
        assert!(!config.include_referred(None) && config.trusted_proxies().is_none());
        assert_eq!(config.env_name(Variable::Provided), c"Sec-Provided-Token-Binding-ID");
        assert_eq!(config.env_name(Variable::Context), c"Sec-Token-Binding-Context");
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn the_inner_value_wins_whole_and_silence_inherits() {
        let silent = ServerConfig::default();
        assert_eq!(ServerConfig::merge(&written(), &silent), written());
        assert_eq!(ServerConfig::merge(&silent, &written()), written());
        let inner = ServerConfig {
            key_parameters: Some(vec![KeyParameters::ECDSAP256]),
            trusted_proxies: Some(TrustedProxies::default()),
            directory: DirectoryConfig {
                pass: Some(PassVar::NONE.with(Variable::Referred)),
                include_referred: None,
            },
            ..ServerConfig::default()
        };
        let merged = ServerConfig::merge(&written(), &inner);
        assert_eq!(merged.key_parameters(), [KeyParameters::ECDSAP256]);
        assert_eq!(merged.pass(None), PassVar::NONE.with(Variable::Referred));
        assert!(!merged.enabled() && merged.include_referred(None));
        assert_eq!(merged.trusted_proxies(), None, "an empty list replaces the outer one");
    }

    #[test]
    fn a_deeper_directory_wins_and_silence_inherits() {
        let outer = DirectoryConfig { pass: Some(PassVar::NONE), include_referred: Some(true) };
        let inner = DirectoryConfig { pass: Some(PassVar::DEFAULT), include_referred: Some(false) };
        assert_eq!(DirectoryConfig::merge(&outer, &inner), inner);
        assert_eq!(DirectoryConfig::merge(&outer, &DirectoryConfig::default()), outer);
        let server = ServerConfig { directory: outer, ..ServerConfig::default() };
        assert_eq!(server.pass(Some(&inner)), PassVar::DEFAULT);
        assert_eq!(server.pass(Some(&DirectoryConfig::default())), PassVar::NONE);
        assert!(!server.include_referred(Some(&inner)));
        assert!(server.include_referred(Some(&DirectoryConfig::default())));
    }

    #[test]
    fn two_variables_under_one_name_are_refused() {
        let mut config = ServerConfig::default();
        config.env_names.set(Variable::Provided, Some(c"TB_ID".into()));
        config.env_names.set(Variable::Other, Some(c"tb-id".into()));
        let message = config.check().unwrap_err().to_string();
        assert!(message.contains("TokenBindingProvidedEnvVar and TokenBindingOtherEnvVar"), "{message}");
        config.env_names.set(Variable::Other, Some(c"TB_SSL_Client_Cert_Fingerprint".into()));
        let message = config.check().unwrap_err().to_string();
        assert!(message.contains("TokenBindingOtherEnvVar and the fingerprint of client"), "{message}");
        config.env_names.set(Variable::Other, Some(c"TB_OTHER".into()));
        assert_eq!(config.check(), Ok(()));
    }
}
