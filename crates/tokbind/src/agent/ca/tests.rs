use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use openssl::asn1::Asn1Time;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::verify::X509VerifyParam;
use openssl::x509::{X509, X509PurposeId, X509StoreContext, X509VerifyResult};

use super::*;
use crate::agent::error::Error;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn leaves() -> Leaves {
    Leaves::new(Arc::new(Authority::ephemeral().unwrap())).unwrap()
}

#[test]
fn the_first_use_makes_it_and_the_second_finds_it() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("a/b");
    let first = Authority::open(Some(directory.clone())).unwrap();
    assert!(first.is_new());
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(first.path().unwrap()), 0o600);

    let second = Authority::open(Some(directory)).unwrap();
    assert!(!second.is_new());
    assert_eq!(first.certificate_pem().unwrap(), second.certificate_pem().unwrap());
    assert!(first.pair.key.public_eq(&second.pair.key));
}

#[test]
fn of_many_at_the_same_time_one_makes_it() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("agent");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let directory = directory.clone();
            std::thread::spawn(move || Authority::open(Some(directory)).unwrap())
        })
        .collect();
    let all: Vec<Authority> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(all.iter().filter(|authority| authority.is_new()).count(), 1);
    for authority in &all {
        assert_eq!(authority.fingerprint().unwrap(), all[0].fingerprint().unwrap());
    }
}

#[test]
fn what_others_can_read_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("agent");
    let path = Authority::open(Some(directory.clone())).unwrap().path().unwrap().to_owned();

    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let refused = Authority::open(Some(directory.clone())).unwrap_err();
    assert!(matches!(&refused, Error::Exposed { mode: 0o640, .. }), "{refused}");
    assert!(refused.to_string().contains("ca.pem is refused"), "{refused}");

    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(Authority::open(Some(directory.clone())), Err(Error::Exposed { mode: 0o755, .. })));

    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    let elsewhere = home.path().join("elsewhere.pem");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert!(matches!(Authority::open(Some(directory)), Err(Error::WrongKind { .. })));
}

#[test]
fn what_is_no_authority_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("agent");
    let path = Authority::open(Some(directory.clone())).unwrap().path().unwrap().to_owned();
    let good = fs::read_to_string(&path).unwrap();
    let other = Authority::ephemeral().unwrap().certificate_pem().unwrap();
    let (key, _) = good.split_at(good.find("-----BEGIN CERT").unwrap());
    for bad in ["", "rubbish", key, &other, &format!("{key}{other}")] {
        fs::write(&path, bad).unwrap();
        let refused = Authority::open(Some(directory.clone())).unwrap_err();
        assert!(matches!(&refused, Error::NotAnAuthority { .. }), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
}

#[test]
fn the_key_is_not_printed() {
    let authority = Authority::ephemeral().unwrap();
    assert_eq!(format!("{authority:?}"), "Authority { path: None, .. }");
}

#[test]
fn it_can_sign_servers_for_a_year_and_nothing_else() {
    let authority = Authority::ephemeral().unwrap();
    let text = String::from_utf8(authority.certificate().to_text().unwrap()).unwrap();
    assert!(
        text.contains("X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0"),
        "{text}"
    );
    assert!(text.contains("X509v3 Key Usage: critical\n                Certificate Sign\n"), "{text}");
    assert!(
        text.contains("X509v3 Extended Key Usage: \n                TLS Web Server Authentication\n"),
        "{text}"
    );
    let end = Asn1Time::days_from_now(366).unwrap();
    assert!(authority.certificate().not_after() < end.as_ref());
    assert!(!authority.pair.is_due(SystemTime::now()).unwrap());
}

fn verifies(certificate: &X509, authority: &X509, purpose: X509PurposeId, host: &str) -> bool {
    let mut param = X509VerifyParam::new().unwrap();
    param.set_purpose(purpose).unwrap();
    match host.parse() {
        Ok(address) => param.set_ip(address).unwrap(),
        Err(_) => param.set_host(host).unwrap(),
    }
    let mut store = X509StoreBuilder::new().unwrap();
    store.set_param(&param).unwrap();
    store.add_cert(authority.clone()).unwrap();
    let mut context = X509StoreContext::new().unwrap();
    context
        .init(&store.build(), certificate, &Stack::new().unwrap(), |context| context.verify_cert())
        .unwrap()
}

#[test]
fn a_leaf_is_good_for_its_host_only() {
    let leaves = leaves();
    let authority = leaves.authority().certificate().clone();
    for host in ["www.example.com", "127.0.0.1", "::1"] {
        let leaf = leaves.certificate(host, SystemTime::now()).unwrap();
        assert!(verifies(&leaf, &authority, X509PurposeId::SSL_SERVER, host), "{host}");
        assert!(!verifies(&leaf, &authority, X509PurposeId::SSL_CLIENT, host), "{host}");
        assert!(!verifies(&leaf, &authority, X509PurposeId::SMIME_SIGN, host), "{host}");
        assert!(!verifies(&leaf, &authority, X509PurposeId::SSL_SERVER, "www.example.org"), "{host}");
        let tomorrow = Asn1Time::days_from_now(2).unwrap();
        assert!(leaf.not_after() < tomorrow.as_ref());
    }
}

#[test]
fn a_name_can_not_smuggle_another_one_in() {
    let leaves = leaves();
    let leaf = leaves.certificate("a.test,DNS:bank.test", SystemTime::now()).unwrap();
    let names = leaf.subject_alt_names().unwrap();
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].dnsname(), Some("a.test,DNS:bank.test"));
}

#[test]
fn leaves_are_kept_for_half_their_life_and_not_too_many() {
    let leaves = leaves();
    let start = SystemTime::now();
    let first = leaves.certificate("a.test", start).unwrap().to_der().unwrap();
    let again = leaves.certificate("a.test", start + Duration::from_secs(11 * 3600)).unwrap();
    assert_eq!(again.to_der().unwrap(), first);
    let later = start + Duration::from_secs(12 * 3600);
    let renewed = leaves.certificate("a.test", later).unwrap().to_der().unwrap();
    assert_ne!(renewed, first);

    for number in 0..600 {
        leaves.certificate(&format!("{number}.test"), later + Duration::from_secs(number)).unwrap();
    }
    assert_eq!(leaves.count(), 512);
    let newest = later + Duration::from_secs(600);
    assert_ne!(leaves.certificate("a.test", newest).unwrap().to_der().unwrap(), renewed);
}

#[test]
fn a_leaf_is_valid_whatever_the_clock_does() {
    let leaves = leaves();
    let start = SystemTime::now();
    let valid = |certificate: &X509, time: SystemTime| {
        let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let time = Asn1Time::from_unix(i64::try_from(time).unwrap()).unwrap();
        certificate.not_before() < time.as_ref() && time.as_ref() < certificate.not_after()
    };
    let hour = Duration::from_secs(3600);
    // A night's sleep, and a clock that went back.
    for time in [start, start + 36 * hour, start + 35 * hour, start - 3 * hour] {
        assert!(valid(&leaves.certificate("a.test", time).unwrap(), time));
    }
}

#[test]
fn an_agent_that_outlives_its_authority_gets_another_one() {
    let home = tempfile::tempdir().unwrap();
    for authority in
        [Authority::ephemeral().unwrap(), Authority::open(Some(home.path().join("agent"))).unwrap()]
    {
        let (start, day) = (SystemTime::now(), Duration::from_secs(24 * 3600));
        let (first, path) = (authority.fingerprint().unwrap(), authority.path().map(Path::to_owned));
        let leaves = Leaves::new(Arc::new(authority)).unwrap();
        let old = leaves.certificate("a.test", start + 357 * day).unwrap();
        assert_eq!(leaves.authority().fingerprint().unwrap(), first);
        let later = start + 359 * day;
        let new = leaves.certificate("a.test", later).unwrap();
        let successor = leaves.authority();
        assert_ne!(successor.fingerprint().unwrap(), first);
        assert!(!successor.pair.is_due_soon(later).unwrap());
        assert!(successor.certificate().issued(&new) == X509VerifyResult::OK);
        assert!(successor.certificate().issued(&old) != X509VerifyResult::OK);
        assert_eq!(successor.path(), path.as_deref());
        // It stays the same, here and in the file.
        leaves.certificate("b.test", later + day).unwrap();
        assert_eq!(leaves.authority().fingerprint().unwrap(), successor.fingerprint().unwrap());
    }
}
