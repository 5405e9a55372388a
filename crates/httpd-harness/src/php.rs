//! PHP-FPM for a test, on a socket in the server's directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::Httpd;
use super::httpd::{PATIENCE, documented};
use super::running::comes_true_within;

/// What PHP needs in a virtual host, as docs/applications.md shows it. The socket is [`PhpFpm`]'s.
pub fn directives() -> String {
    documented("php.conf", &[("/run/php/php-fpm.sock", "@DIR@/php.sock")])
}

/// httpd's modules that it needs.
pub const MODULES: [&str; 1] = ["proxy_fcgi"];

/// A running PHP-FPM; it ends with this.
pub struct PhpFpm(Child);

impl PhpFpm {
    /// Starts it for a server with [`directives`], and waits until it takes connections.
    pub fn start(server: &Httpd) -> Self {
        Self::start_with(server, "")
    }

    /// The same, with further settings of the pool.
    pub fn start_with(server: &Httpd, settings: &str) -> Self {
        let dir = server.dir();
        let sessions = dir.join("php-sessions");
        fs::create_dir(&sessions).unwrap();
        fs::set_permissions(&sessions, fs::Permissions::from_mode(0o777)).unwrap();
        let (conf, socket) = (dir.join("php-fpm.conf"), dir.join("php.sock"));
        let user =
            if rustix::process::geteuid().is_root() { "user = www-data\ngroup = www-data\n" } else { "" };
        let text = format!(
            "[global]\nerror_log = {0}/php-fpm.log\ndaemonize = no\n[www]\n{user}listen = {0}/php.sock\nlisten.mode = 0666\n\
             pm = static\npm.max_children = 2\nphp_admin_value[session.save_path] = {0}/php-sessions\n{settings}",
            dir.display()
        );
        fs::write(&conf, text).unwrap();
        let process = Command::new(program())
            .args(["--nodaemonize", "--allow-to-run-as-root", "--fpm-config"])
            .arg(&conf)
            .stderr(Stdio::null())
            .spawn()
            .expect("PHP-FPM can be run");
        let started = Self(process);
        assert!(comes_true_within(PATIENCE, || socket.exists()), "PHP-FPM does not start");
        started
    }
}

impl Drop for PhpFpm {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian has the version in its name.
fn program() -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/sbin")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("php-fpm")))
        .collect();
    found.sort();
    found.pop().expect("PHP-FPM is installed")
}
