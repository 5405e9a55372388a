//! What the agent has seen of sites, for its own page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::keys::Key;

/// Hosts that are remembered. With more, those that were asked for least lately go.
const MAX_HOSTS: usize = 256;

/// The hosts that were asked for since the agent began.
#[derive(Default)]
pub(super) struct Report {
    hosts: Mutex<HashMap<String, Host>>,
}

/// What is known of a host.
#[derive(Clone, Debug)]
pub(super) struct Host {
    /// The key that it knows its visitor by, and since when it was shown here; `None`: no Token Binding.
    pub(super) bound: Option<(Arc<Key>, SystemTime)>,
    /// The last failure.
    pub(super) failed: Option<(String, SystemTime)>,
    /// When it was asked for last.
    pub(super) last: SystemTime,
}

impl Report {
    /// A host has answered a request that proved this key, or none.
    pub(super) fn answered(&self, host: &str, key: Option<&Arc<Key>>) {
        self.note(host, |known, now| {
            let is_same = |(old, _): &(Arc<Key>, _)| key.is_some_and(|key| Arc::ptr_eq(old, key));
            if !known.bound.as_ref().is_some_and(is_same) {
                known.bound = key.map(|key| (Arc::clone(key), now));
            }
        });
    }

    /// A request to a host has failed.
    pub(super) fn failed(&self, host: &str, reason: String) {
        self.note(host, |known, now| known.failed = Some((reason, now)));
    }

    /// All hosts, by name.
    pub(super) fn hosts(&self) -> Vec<(String, Host)> {
        let mut all: Vec<_> = self.lock().iter().map(|(name, host)| (name.clone(), host.clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    fn note(&self, host: &str, change: impl FnOnce(&mut Host, SystemTime)) {
        let now = SystemTime::now();
        let mut hosts = self.lock();
        if let Some(known) = hosts.get_mut(host) {
            known.last = now;
            return change(known, now);
        }
        if hosts.len() >= MAX_HOSTS {
            let oldest = hosts.iter().min_by_key(|(_, known)| known.last).map(|(name, _)| name.clone());
            oldest.map(|oldest| hosts.remove(&oldest));
        }
        let mut known = Host { bound: None, failed: None, last: now };
        change(&mut known, now);
        hosts.insert(host.to_owned(), known);
    }

    /// Nothing that holds this lock can panic half-way through a change.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyParameters;

    #[test]
    fn a_host_is_bound_since_its_key_was_shown_first() {
        let report = Report::default();
        let key = || Arc::new(Key::from(crate::PrivateKey::generate(KeyParameters::ECDSAP256).unwrap()));
        let (first, second) = (key(), key());
        report.answered("a.test", Some(&first));
        let since = report.hosts()[0].1.bound.clone().unwrap().1;
        report.answered("a.test", Some(&first));
        report.failed("a.test", "gone".to_owned());
        let known = report.hosts()[0].1.clone();
        assert_eq!((known.bound.unwrap().1, known.failed.unwrap().0), (since, "gone".to_owned()));
        report.answered("a.test", Some(&second));
        assert!(Arc::ptr_eq(&report.hosts()[0].1.bound.clone().unwrap().0, &second));
        report.answered("a.test", None);
        assert!(report.hosts()[0].1.bound.is_none());
        (0..2 * MAX_HOSTS).for_each(|number| report.answered(&number.to_string(), None));
        assert_eq!(report.hosts().len(), MAX_HOSTS);
    }
}
