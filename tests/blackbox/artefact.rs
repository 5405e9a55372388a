//! The shared object itself: what it exports, what it links to, how it gets installed.

use std::process::Command;

use httpd_harness::setup;

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env_remove("MAKEFLAGS")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn module() -> String {
    setup::module().to_str().unwrap().to_owned()
}

#[test]
fn the_module_record_is_the_only_symbol_exported() {
    let symbols = output("nm", &["-D", "--defined-only", "--format=posix", &module()]);
    let names: Vec<&str> = symbols.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["token_binding_module"]);
}

#[test]
fn it_shares_mod_ssls_libssl_and_stays_mapped() {
    let libssl = |file: &str| -> Vec<String> {
        let dynamic = output("readelf", &["--dynamic", "--wide", file]);
        let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
        let name = |line: &str| Some(line.split('[').nth(1)?.split(']').next()?.to_owned());
        needed
            .filter_map(name)
            .filter(|name| name.starts_with("libssl") || name.starts_with("libcrypto"))
            .collect()
    };
    let ours = libssl(&module());
    assert_eq!(ours.len(), 2, "linked dynamically");
    assert_eq!(ours, libssl(setup::httpd().modules.join("mod_ssl.so").to_str().unwrap()));
    assert!(output("readelf", &["--dynamic", "--wide", &module()]).contains("NODELETE"));
}

/// Without cargo, as root may be; what somebody has edited stays.
#[test]
fn make_install_puts_the_files_where_httpd_finds_them_and_keeps_what_was_edited() {
    let root = tempfile::tempdir().unwrap();
    let conf = output("apxs", &["-q", "SYSCONFDIR"]).trim().to_owned();
    let conf = root.path().join(conf.trim_start_matches('/'));
    let (available, guard) =
        (conf.join("mods-available"), conf.join("conf-available/token-binding-guard.conf"));
    let destination = format!("DESTDIR={}", root.path().display());
    let make = |target: &str| {
        output(
            "make",
            &["--silent", "-C", setup::root().to_str().unwrap(), target, &destination, "CARGO=false"],
        )
    };
    assert!(make("install").contains("loads"), "it was tried before");
    let load = std::fs::read_to_string(available.join("token_binding.load")).unwrap();
    let path = load.lines().find_map(|line| line.strip_prefix("LoadModule token_binding_module ")).unwrap();
    let installed = root.path().join(path.trim_start_matches('/'));
    assert!(
        std::fs::read(&installed).unwrap() == std::fs::read(setup::module()).unwrap(),
        "the module itself"
    );
    let settings = available.join("token_binding.conf");
    std::fs::write(&settings, "TokenBindingMinVersion 1.0\n").unwrap();
    assert!(make("install").contains("token_binding.conf.new"));
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), "TokenBindingMinVersion 1.0\n");
    let new = std::fs::read(available.join("token_binding.conf.new")).unwrap();
    assert!(new == std::fs::read(setup::root().join("apache/token_binding.conf")).unwrap());
    assert!(make("uninstall").contains("token_binding.conf.old"));
    assert!(!installed.exists() && guard.exists(), "the guard stays");
    make("purge");
    assert!(!guard.exists());
    assert_eq!(std::fs::read_dir(&available).unwrap().count(), 0);
}

/// A module that httpd can't load: nothing is changed.
#[test]
fn make_install_changes_nothing_if_the_module_does_not_load() {
    let root = tempfile::tempdir().unwrap();
    let broken = root.path().join("broken.so");
    std::fs::write(&broken, "no module").unwrap();
    let result = Command::new(setup::root().join("apache/install"))
        .arg("install")
        .env("MODULE", &broken)
        .env("DESTDIR", root.path().join("destination"))
        .output()
        .unwrap();
    assert!(!result.status.success());
    assert!(String::from_utf8_lossy(&result.stderr).contains("nothing was changed"));
    assert!(!root.path().join("destination").exists());
}

/// The build script, as cargo has compiled it.
fn build_script() -> std::path::PathBuf {
    let builds = setup::module().parent().unwrap().join("build");
    let newest = std::fs::read_dir(&builds)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("mod_token_binding-"))
        .map(|path| path.join("build-script-build"))
        .filter(|path| path.exists())
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap());
    newest.unwrap_or_else(|| panic!("no build script in {}", builds.display()))
}

#[test]
fn a_build_that_cannot_succeed_says_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let apxs = empty.path().join("apxs");
    std::fs::write(&apxs, format!("#!/bin/sh\necho {}\n", empty.path().display())).unwrap();
    let status = Command::new("chmod").arg("755").arg(&apxs).status().unwrap();
    assert!(status.success());
    for (variable, value, words) in [
        ("APXS", "/nonexistent/apxs", "name httpd's apxs"),
        ("APXS", apxs.to_str().unwrap(), "install httpd's development headers (Debian: apache2-dev)"),
        ("PATH", "/nonexistent", "install apache2-dev"),
        ("OPENSSL_STATIC", "1", "libssl-dev"),
        ("DEP_OPENSSL_VENDORED", "1", "libssl-dev"),
        ("DEP_OPENSSL_VERSION_NUMBER", "1000214f", "install 1.1.1 or newer"),
        ("LIBCLANG_PATH", empty.path().to_str().unwrap(), "install libclang-dev"),
    ] {
        let output = Command::new(build_script())
            .current_dir(setup::root())
            .env("OUT_DIR", empty.path())
            .env("DEP_OPENSSL_VERSION_NUMBER", "30000130")
            .env("TARGET", "x86_64-unknown-linux-gnu")
            .env("HOST", "x86_64-unknown-linux-gnu")
            .env("OPT_LEVEL", "0")
            .env_remove("APXS")
            .env(variable, value)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{variable}={value}: built");
        let said = String::from_utf8(output.stdout).unwrap();
        let errors: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("cargo::error=")).collect();
        let [sentence] = errors[..] else { panic!("{variable}={value}: {said}") };
        assert!(sentence.contains(words), "{variable}={value}: {sentence}");
    }
}
