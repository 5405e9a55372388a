use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Barrier;
use std::thread;

use tempfile::TempDir;

use super::*;

const EC: KeyParameters = KeyParameters::ECDSAP256;
const FILE: &str = "example.com.ecdsap256.pem";

/// A directory that is there, and a store in one that is not yet.
fn store() -> (TempDir, PathBuf, KeyStore) {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("share/tokbind/keys");
    let store = KeyStore::open(Some(path.clone())).unwrap();
    (parent, path, store)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn problem<T: std::fmt::Debug>(result: Result<T, KeyStoreError>) -> KeyStoreError {
    match result {
        Err(problem) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_made_once_and_found_again() {
    let (_parent, path, store) = store();
    assert!(store.list().unwrap().is_empty());
    assert!(store.existing_key("example.com", EC).unwrap().is_none());
    assert!(!store.delete("example.com", EC).unwrap());
    assert!(!path.exists(), "only a key needs the directory");

    let key = store.key("www.example.com", EC).unwrap();
    assert!(Arc::ptr_eq(&key, &store.clone().key("Example.com.", EC).unwrap()));
    let elsewhere = KeyStore::open(Some(path.clone())).unwrap().key("example.com", EC).unwrap();
    assert_eq!(elsewhere.token_binding_id(), key.token_binding_id());
    assert_eq!((mode(&path), mode(&path.join(FILE))), (0o700, 0o600));

    let other = store.key("example.org", EC).unwrap();
    assert_ne!(other.token_binding_id(), key.token_binding_id());
}

#[test]
fn each_key_parameters_have_a_key_of_their_own() {
    let (_parent, path, store) = store();
    for key_parameters in KeyParameters::ALL_KNOWN {
        let key = store.key("example.com", key_parameters).unwrap();
        assert_eq!(key.key_parameters(), key_parameters);
        let again = KeyStore::open(Some(path.clone())).unwrap().key("example.com", key_parameters).unwrap();
        assert_eq!(again.token_binding_id(), key.token_binding_id());
    }
    let ids: Vec<_> = store.list().unwrap().into_iter().map(|info| info.token_binding_id.unwrap()).collect();
    assert_eq!(ids.len(), 3);
    let [_, rsa_a, rsa_b] = &ids[..] else { panic!() };
    assert_ne!(rsa_a[1..], rsa_b[1..], "one RSA key for both algorithms");
    let unknown = problem(store.key("example.com", KeyParameters(88)));
    assert!(matches!(unknown, KeyStoreError::Unnameable { .. }), "{unknown}");
}

#[test]
fn keys_are_listed_by_domain() {
    let (_parent, path, store) = store();
    for host in ["b.example", "[::1]", "a.example"] {
        store.key(host, EC).unwrap();
    }
    for stranger in ["README", ".new-abc", "x.ecdsap384.pem"] {
        fs::write(path.join(stranger), "not a key").unwrap();
    }
    let list = store.list().unwrap();
    assert_eq!(
        list.iter().map(|info| info.domain.as_str()).collect::<Vec<_>>(),
        ["::1", "a.example", "b.example"]
    );
    assert!(list.iter().all(|info| info.path.as_ref().is_some_and(|path| path.is_file())));
}

#[test]
fn a_deleted_key_is_forgotten_by_everybody() {
    let (_parent, path, store) = store();
    let other_process = KeyStore::open(Some(path)).unwrap();
    let old = store.key("example.com", EC).unwrap();
    other_process.key("example.com", EC).unwrap();

    assert!(other_process.delete("www.example.com", EC).unwrap());
    assert!(!other_process.delete("www.example.com", EC).unwrap());
    assert!(store.existing_key("example.com", EC).unwrap().is_none());
    let new = store.key("example.com", EC).unwrap();
    assert_ne!(new.token_binding_id(), old.token_binding_id());
    assert_eq!(other_process.key("example.com", EC).unwrap().token_binding_id(), new.token_binding_id());
}

#[test]
fn a_directory_open_to_others_is_refused() {
    let (_parent, path, store) = store();
    store.key("example.com", EC).unwrap();
    for exposed in [0o750, 0o705, 0o701, 0o777] {
        set_mode(&path, exposed);
        // Keys in use are refused too.
        for refused in [
            problem(store.key("example.com", EC)),
            problem(store.list()),
            problem(store.delete("example.com", EC)),
            problem(KeyStore::open(Some(path.clone()))),
        ] {
            assert!(matches!(refused, KeyStoreError::Exposed { mode, .. } if mode == exposed), "{refused}");
            assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
        }
    }
    set_mode(&path, 0o700);
    assert!(store.key("example.com", EC).is_ok());
}

#[test]
fn a_file_open_to_others_is_refused() {
    let (_parent, path, store) = store();
    let file = path.join(FILE);
    store.key("example.com", EC).unwrap();
    store.key("example.org", EC).unwrap();
    set_mode(&file, 0o640);
    let refused = problem(store.key("example.com", EC));
    assert_eq!(
        refused.to_string(),
        format!(
            "{0} is refused: it is open to other users (mode 0640); if nobody has had the keys, run: \
             chmod go= '{0}'",
            file.display()
        )
    );
    let list = store.list().unwrap();
    assert!(list[0].token_binding_id.is_err() && list[1].token_binding_id.is_ok());
    assert!(store.delete("example.com", EC).unwrap());
}

#[test]
fn what_belongs_to_somebody_else_is_refused() {
    let us = rustix::process::geteuid().as_raw();
    let directory = TempDir::new().unwrap();
    // Root can give a directory away. Anybody else finds one that is not theirs.
    let foreign = if us == 0 {
        std::os::unix::fs::chown(directory.path(), Some(65_534), None).unwrap();
        directory.path().to_owned()
    } else {
        PathBuf::from("/")
    };
    let refused = problem(KeyStore::open(Some(foreign)));
    assert!(
        matches!(refused, KeyStoreError::Foreign { us: u, owner, .. } if u == us && owner != us),
        "{refused}"
    );
}

#[test]
fn what_is_not_a_key_file_is_refused() {
    let (_parent, path, store) = store();
    store.key("example.org", KeyParameters::RSA2048_PSS).unwrap();
    let rsa = fs::read_to_string(path.join("example.org.rsa2048_pss.pem")).unwrap();
    let file = path.join(FILE);
    for content in ["", "-----BEGIN PRIVATE KEY-----\n", &rsa, &"x".repeat(100_000)] {
        fs::write(&file, content).unwrap();
        set_mode(&file, 0o600);
        let refused = problem(store.key("example.com", EC));
        assert!(matches!(refused, KeyStoreError::NotAKey { .. }), "{refused}");
        assert_eq!(fs::read(&file).unwrap(), content.as_bytes(), "a damaged key is never replaced");
    }
    fs::remove_file(&file).unwrap();
    symlink(path.join("example.org.rsa2048_pss.pem"), &file).unwrap();
    assert!(matches!(problem(store.key("example.com", EC)), KeyStoreError::WrongKind { .. }));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(problem(store.key("example.com", EC)), KeyStoreError::WrongKind { .. }));
    assert!(matches!(problem(KeyStore::open(Some(path.join(".lock")))), KeyStoreError::WrongKind { .. }));
}

#[test]
fn an_unfinished_file_is_no_key() {
    let (_parent, path, store) = store();
    store.key("example.org", EC).unwrap();
    // What a process leaves that is killed before its file has its name.
    fs::write(path.join(".new-x1"), "-----BEGIN").unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    store.key("example.com", EC).unwrap();
    let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn everybody_gets_the_same_new_key() {
    let (_parent, path, shared) = store();
    let barrier = Barrier::new(8);
    let key = |number: usize| {
        // Half of them as other processes would: nothing shared but the directory.
        let store = if number.is_multiple_of(2) {
            shared.clone()
        } else {
            KeyStore::open(Some(path.clone())).unwrap()
        };
        barrier.wait();
        store.key("example.com", KeyParameters::RSA2048_PSS).unwrap().token_binding_id()
    };
    let ids: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || key(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(shared.list().unwrap().len(), 1);
}

#[test]
fn memory_keeps_one_key_per_scope_too() {
    let store = KeyStore::ephemeral();
    let key = store.key("a.example.com", EC).unwrap();
    assert!(Arc::ptr_eq(&key, &store.clone().key("b.example.com", EC).unwrap()));
    assert!(store.existing_key("example.org", EC).unwrap().is_none());
    let list = store.list().unwrap();
    assert_eq!((list.len(), list[0].domain.as_str(), &list[0].path), (1, "example.com", &None));
    assert!(store.delete("example.com", EC).unwrap() && !store.delete("example.com", EC).unwrap());
    assert_ne!(
        KeyStore::ephemeral().key("example.com", EC).unwrap().token_binding_id(),
        key.token_binding_id()
    );
    assert!(store.path().is_none());
}

#[test]
fn a_store_can_be_shared() {
    fn shareable<T: Clone + Send + Sync + 'static>() {}
    shareable::<KeyStore>();
    let (_parent, path, store) = store();
    store.key("example.com", EC).unwrap();
    let pem = fs::read_to_string(path.join(FILE)).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    assert!(!format!("{store:?} {:?}", store.list()).contains(secret));
}
