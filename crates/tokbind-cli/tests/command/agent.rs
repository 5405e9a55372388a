//! `tokbind agent` and `tokbind agent ca`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use openssl::x509::X509;
use rustix::process::{Pid, Signal, kill_process};
use tokbind::Request;
use tokbind_testing::{Browser, Site, certificate};

/// A file's permissions.
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn tokbind(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokbind"));
    command.env_clear().env("HOME", home).arg("agent");
    command
}

fn ca(home: &Path) -> Output {
    tokbind(home).arg("ca").output().unwrap()
}

struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    address: std::net::SocketAddr,
}

fn start(home: &Path, arguments: &[&str]) -> Running {
    let mut command = tokbind(home);
    command.args(["--listen", "127.0.0.1:0"]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.strip_prefix("tokbind agent: the proxy is http://").unwrap().parse().unwrap();
    Running { child, lines, address }
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn log(self) -> (Option<i32>, String) {
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn the_certificate_is_printed_and_its_key_is_not() {
    let home = tempfile::tempdir().unwrap();
    let output = ca(home.path());
    assert_eq!(output.status.code(), Some(0));
    let certificate = X509::from_pem(&output.stdout).unwrap();
    assert_eq!(certificate.to_pem().unwrap(), output.stdout);
    let told = String::from_utf8(output.stderr).unwrap();
    for word in ["Chrome", "Firefox", "Debian", "SHA-256 fingerprint", "Valid until"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(!told.contains("PRIVATE"));

    let directory = home.path().join(".local/share/tokbind/agent");
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join("ca.pem")), 0o600);
    assert_eq!(ca(home.path()).stdout, output.stdout);

    let elsewhere = home.path().join("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    let before = tokbind(home.path()).args(["--ca-dir", elsewhere, "ca"]).output().unwrap().stdout;
    let after = tokbind(home.path()).args(["ca", "--ca-dir", elsewhere]).output().unwrap().stdout;
    assert!(X509::from_pem(&before).is_ok() && before == after && before != output.stdout);
}

#[test]
fn a_certificate_authority_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    ca(home.path());
    let path = home.path().join(".local/share/tokbind/agent/ca.pem");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    for arguments in [&["ca"][..], &["--listen", "127.0.0.1:0"]] {
        let output = tokbind(home.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert!(output.stdout.is_empty());
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains("ca.pem is refused: it is open to other users")
        );
    }
}

#[test]
fn listening_to_the_world_must_be_confirmed() {
    let home = tempfile::tempdir().unwrap();
    let output = tokbind(home.path()).args(["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--allow-remote"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains() {
    for signal in [Signal::TERM, Signal::INT] {
        let (home, site) = (tempfile::tempdir().unwrap(), Site::usual().await);
        let cacert = home.path().join("site.pem");
        std::fs::write(&cacert, certificate().to_pem().unwrap()).unwrap();
        let resolve = format!("rp.test:443:{}", site.address);
        let cacert = cacert.to_str().unwrap();
        let mut agent = start(home.path(), &["--cacert", cacert, "--upstream-resolve", &resolve, "-vv"]);
        assert!(agent.lines.next().unwrap().unwrap().starts_with("A new certificate authority was made."));

        let authority = X509::from_pem(&ca(home.path()).stdout).unwrap();
        let browser = Browser::new(agent.address, authority);
        let response = browser.get("rp.test", "/").await;
        let message = response.header("x-message").unwrap().to_owned();
        let mut connection = browser.http1("rp.test").await;
        let held =
            tokio::spawn(async move { connection.request(&Request::get("rp.test", "/hold")).await.unwrap() });
        site.shared.held.notified().await;
        agent.signal(signal);
        // It has noticed when it does not listen any more.
        while tokio::net::TcpStream::connect(agent.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        site.shared.release.add_permits(1);
        assert_eq!(held.await.unwrap().text(), "released");

        let (code, log) = tokio::task::spawn_blocking(|| agent.log()).await.unwrap();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("rp.test"), "{log}");
        let key = std::fs::read_to_string(home.path().join(".local/share/tokbind/agent/ca.pem")).unwrap();
        let line = key.lines().nth(1).unwrap();
        assert!(!log.contains(&message) && !log.contains("PRIVATE") && !log.contains(line), "{log}");
        // The key stays, under the registered domain.
        assert!(home.path().join(".local/share/tokbind/keys").is_dir());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ephemeral_keys_leave_nothing_behind() {
    let (home, site) = (tempfile::tempdir().unwrap(), Site::usual().await);
    let cacert = home.path().join("site.pem");
    std::fs::write(&cacert, certificate().to_pem().unwrap()).unwrap();
    let resolve = format!("rp.test:443:{}", site.address);
    let arguments = ["--ephemeral", "--cacert", cacert.to_str().unwrap(), "--upstream-resolve", &resolve];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let agent = start(home.path(), &arguments);
        let browser = Browser::new(agent.address, X509::from_pem(&ca(home.path()).stdout).unwrap());
        ids.push(browser.get("rp.test", "/").await.header("x-provided").unwrap().to_owned());
        agent.signal(Signal::TERM);
        assert_eq!(tokio::task::spawn_blocking(|| agent.log()).await.unwrap().0, Some(0));
    }
    assert_ne!(ids[0], ids[1]);
    assert!(!home.path().join(".local/share/tokbind/keys").exists());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let home = tempfile::tempdir().unwrap();
    let agent = start(home.path(), &["--drain", "1000", "--only", "nothing.test"]);
    // A tunnel that nobody says anything on.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tunnel = std::net::TcpStream::connect(agent.address).unwrap();
    let request = format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", silent.local_addr().unwrap());
    std::io::Write::write_all(&mut &tunnel, request.as_bytes()).unwrap();
    let mut status = [0; 12];
    std::io::Read::read_exact(&mut &tunnel, &mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    agent.signal(Signal::TERM);
    while std::net::TcpStream::connect(agent.address).is_ok() {}
    agent.signal(Signal::TERM);
    assert_eq!(agent.log().0, Some(0));
}

#[test]
fn a_domain_that_matches_nothing_is_refused() {
    let user = crate::support::User::new();
    for (wrong, why) in [
        ("*.a.test", "leave out the asterisk"),
        ("https://a.test", "and no URL"),
        ("a.test:443", "leave out the colon"),
        ("[::1]:443", "leave out the colon"),
        ("192.0.2.0/24", "name each address"),
        ("a.test,", "name a domain"),
        ("", "name a domain"),
    ] {
        let said = user.run(&["agent", "--listen", "127.0.0.1:0", "--only", wrong]).exited(2);
        assert!(said.err.contains(why), "{said:?}");
    }
    // A subcommand behind the domains is none of them.
    let said = user.run(&["agent", "--only", "a.test, b.test", "ca"]).exited(0);
    assert!(said.out.starts_with("-----BEGIN CERTIFICATE-----"), "{said:?}");
}

/// The names that an NSS database trusts as authorities.
fn trusted(database: &std::path::Path) -> String {
    let database = format!("sql:{}", database.display());
    let output = std::process::Command::new("certutil").args(["-d", &database, "-L"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn installing_is_undone_by_uninstalling() {
    let user = crate::support::User::new();
    let home = user.home();
    let firefox = home.join(".mozilla/firefox/abcd.default");
    std::fs::create_dir_all(&firefox).unwrap();
    let database = format!("sql:{}", firefox.display());
    let made =
        std::process::Command::new("certutil").args(["-d", &database, "-N", "--empty-password"]).status();
    assert!(made.unwrap().success());
    let run = |args: &[&str]| {
        let mut command = user.command(args);
        // No systemd of the developer's own.
        command.env("PATH", "/usr/bin:/bin").env("DBUS_SESSION_BUS_ADDRESS", "").env("XDG_RUNTIME_DIR", home);
        command.env_remove("XDG_CONFIG_HOME");
        crate::support::said(&mut command)
    };
    assert_eq!(run(&["agent", "status"]).code, 1);
    assert!(!home.join(".local/share/tokbind/agent").exists(), "looking makes nothing");
    let wrong = run(&["agent", "install", "--only", "*.a.test"]).exited(2);
    assert!(wrong.err.contains("leave out the asterisk"), "{wrong:?}");

    for _ in 0..2 {
        let said = run(&["agent", "install", "--only", "a.test,b.test", "--listen", "127.0.0.1:1"]);
        assert!(said.out.contains("done: Chromium and Chrome, "), "{said:?}");
        assert!(said.out.contains("done: Firefox, "), "{said:?}");
        assert!(said.out.contains("http://127.0.0.1:1/proxy.pac"), "{said:?}");
    }
    for path in [&home.join(".pki/nssdb"), &firefox] {
        let ours = trusted(path);
        let ours: Vec<_> = ours.lines().filter(|line| line.starts_with("tokbind agent CA ")).collect();
        assert!(ours.len() == 1 && ours[0].trim_end().ends_with("C,,"), "{ours:?}");
    }
    let units = home.join(".config/systemd/user");
    let service = std::fs::read_to_string(units.join("tokbind-agent.service")).unwrap();
    assert!(
        service.contains(r#""agent" "--listen" "127.0.0.1:1" "--only" "a.test" "--only" "b.test""#),
        "{service}"
    );
    let socket = std::fs::read_to_string(units.join("tokbind-agent.socket")).unwrap();
    assert!(socket.contains("\nListenStream=127.0.0.1:1\n"), "{socket}");
    let status = run(&["agent", "status", "--listen", "127.0.0.1:1"]).exited(1);
    assert!(
        status.out.contains("yes: trusted by Firefox") && status.out.contains("NO:  somebody listens"),
        "{status:?}"
    );

    let said = run(&["agent", "uninstall"]).exited(0);
    assert!(said.out.contains("the certificate authority is gone"), "{said:?}");
    assert!(!trusted(&home.join(".pki/nssdb")).contains("tokbind"));
    assert!(!trusted(&firefox).contains("tokbind"));
    assert!(!units.join("tokbind-agent.service").exists() && !units.join("tokbind-agent.socket").exists());
    assert!(!home.join(".local/share/tokbind/agent/ca.pem").exists());
    run(&["agent", "uninstall"]).exited(0);
}

#[test]
fn a_socket_that_listens_already_is_taken() {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    let user = crate::support::User::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // What systemd does: the socket as descriptor 3, and who it is for.
    let descriptor = listener.as_raw_fd();
    let script = format!("exec 3<&{descriptor}; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" agent");
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let program = user.command(&[]).get_program().to_owned();
    let mut agent = std::process::Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .env("HOME", user.home())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut tcp = std::net::TcpStream::connect(address).unwrap();
    write!(tcp, "GET /proxy.pac HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(answer.contains(&format!("return \"PROXY {address}\"")), "{answer}");
}
