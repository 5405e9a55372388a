//! Reads the secrets of a configuration and makes keys of them, at a start or a restart.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::keyring::{Keys, NoKeyring};
use super::secret::{Secret, SecretError, SecretSource};

/// How long the commands of a configuration may take together. A vault answers within a second, or after one or two failed
/// attempts. At a restart the old processes have stopped listening, and new clients wait as long as httpd does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why httpd does not start.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("{named}: {problem}")]
    Secret { named: SecretSource, problem: SecretError },
    #[error(transparent)]
    Keys(#[from] NoKeyring),
}

/// What is bad at a restart, and what follows: httpd goes on.
#[derive(Debug, Error)]
pub enum Warning {
    #[error(
        "{named}: {problem}. The secret from before the restart stays in force, and httpd will not start again with this one"
    )]
    Kept { named: SecretSource, problem: SecretError },
    #[error("{named}: {problem}. It is left out")]
    LeftOut { named: SecretSource, problem: SecretError },
    #[error("{named}: it is the same secret as that of {other}. It is left out")]
    SameAs { named: SecretSource, other: SecretSource },
    #[error("{}: {problem}. Virtual hosts that need it refuse their requests", list(named))]
    NoKeys { named: Vec<SecretSource>, problem: NoKeyring },
}

fn list(sources: &[SecretSource]) -> String {
    sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A source and its full path: with another ServerRoot, the same source is another file.
type Place = (PathBuf, SecretSource);

/// The secrets in force since the last start or restart: what a restart falls back on if it finds a bad one.
pub struct LastGood(BTreeMap<Place, Secret>);

impl LastGood {
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }
}

/// Reads the secrets of one configuration, each of them once, and makes keys of them.
pub struct Reading<'a> {
    server_root: PathBuf,
    /// `None` at a start, which a bad secret ends. A restart goes on without it.
    last_good: Option<&'a LastGood>,
    /// The secret in force of each source; `None` if it has no good one.
    secrets: BTreeMap<Place, Option<Secret>>,
    /// For all commands together.
    time_left: Duration,
}

impl<'a> Reading<'a> {
    pub fn at_start(server_root: PathBuf) -> Self {
        Self { server_root, last_good: None, secrets: BTreeMap::new(), time_left: PATIENCE }
    }

    pub fn at_restart(server_root: PathBuf, last_good: &'a LastGood) -> Self {
        Self { server_root, last_good: Some(last_good), secrets: BTreeMap::new(), time_left: PATIENCE }
    }

    /// The keys of these secrets; `None` if a restart finds none. Warnings come at a restart only, errors at a start only.
    pub fn keys(
        &mut self,
        sources: &[SecretSource],
        mut warn: impl FnMut(Warning),
    ) -> Result<Option<Keys>, LoadError> {
        let mut good: Vec<(&SecretSource, Secret)> = Vec::with_capacity(sources.len());
        for source in sources {
            let Some(secret) = self.secret(source, &mut warn)? else { continue };
            // At a start, `Keys::new` refuses duplicates.
            match good.iter().find(|(_, known)| *known == secret) {
                Some((other, _)) if self.last_good.is_some() => {
                    warn(Warning::SameAs { named: source.clone(), other: (*other).clone() });
                }
                _ => good.push((source, secret)),
            }
        }
        let secrets: Vec<Secret> = good.into_iter().map(|(_, secret)| secret).collect();
        match Keys::new(&secrets) {
            Err(problem) if self.last_good.is_some() => {
                warn(Warning::NoKeys { named: sources.to_vec(), problem });
                Ok(None)
            }
            keys => Ok(Some(keys?)),
        }
    }

    /// The secret in force of a source; `None` (at a restart only) if it has no good one.
    fn secret(
        &mut self,
        source: &SecretSource,
        warn: &mut impl FnMut(Warning),
    ) -> Result<Option<Secret>, LoadError> {
        let place = (source.path(&self.server_root), source.clone());
        if let Some(known) = self.secrets.get(&place) {
            return Ok(known.clone());
        }
        let secret = match (source.read(&self.server_root, &mut self.time_left), self.last_good) {
            (Ok(secret), _) => Some(secret),
            (Err(problem), None) => return Err(LoadError::Secret { named: source.clone(), problem }),
            (Err(problem), Some(LastGood(last_good))) => {
                let kept = last_good.get(&place).cloned();
                let named = source.clone();
                warn(match kept {
                    Some(_) => Warning::Kept { named, problem },
                    None => Warning::LeftOut { named, problem },
                });
                kept
            }
        };
        self.secrets.insert(place, secret.clone());
        Ok(secret)
    }

    /// The secrets in force now. Older ones are forgotten.
    pub fn into_last_good(self) -> LastGood {
        let good = |(place, secret): (Place, Option<Secret>)| secret.map(|secret| (place, secret));
        LastGood(self.secrets.into_iter().filter_map(good).collect())
    }
}

#[cfg(test)]
mod tests;
