//! A running httpd, stopped by its pid. It fails the test that it belongs to if its error log holds a line at `error` or above
//! that the test did not announce.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long to wait for a condition that must come true. A limit, not a delay.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn write_document(documents: &Path, name: &str, text: &str) -> PathBuf {
    let path = documents.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

pub(super) fn write_script(documents: &Path, name: &str, text: &str) {
    let path = write_document(documents, name, text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub(super) fn comes_true_within(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

pub(super) fn log(dir: &Path) -> String {
    let read = |name: &str| fs::read(dir.join(name)).map(|log| String::from_utf8_lossy(&log).into_owned());
    read("stderr.log").unwrap_or_default() + &read("error.log").unwrap_or_default()
}

/// A running server.
pub struct Httpd {
    pub(super) child: Child,
    dir: TempDir,
    port: u16,
    patience: Duration,
    announced: Vec<String>,
    pub(super) checked: bool,
}

impl Httpd {
    /// Wraps the process of a server, with its directory and port.
    pub(super) fn new(child: Child, dir: TempDir, port: u16, patience: Duration) -> Self {
        Self { child, dir, port, patience, announced: Vec::new(), checked: false }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Adds a document below the document root, also while the server runs.
    pub fn document(&self, name: &str, text: &str) {
        write_document(&self.dir.path().join("htdocs"), name, text);
    }

    /// Adds a CGI program below the document root.
    pub fn script(&self, name: &str, text: &str) {
        write_script(&self.dir.path().join("htdocs"), name, text);
    }

    /// The error log, and what the server wrote before it had one.
    pub fn log(&self) -> String {
        log(self.dir.path())
    }

    /// The module's own lines with this tag.
    pub fn lines(&self, tag: &str) -> Vec<String> {
        self.log().lines().filter(|line| line.contains(&format!("{tag}:"))).map(str::to_owned).collect()
    }

    /// Waits until a line with this tag is in the log, and gives the last one.
    pub fn line(&self, tag: &str) -> String {
        assert!(
            self.wait_for(|server| !server.lines(tag).is_empty()),
            "no {tag} in the log:\n{}",
            self.log()
        );
        self.lines(tag).pop().unwrap()
    }

    /// Error lines that contain this are part of the test.
    pub fn announce(&mut self, text: &str) {
        self.announced.push(text.to_owned());
    }

    /// Waits for a condition that must come true.
    pub fn wait_for(&self, condition: impl Fn(&Self) -> bool) -> bool {
        comes_true_within(self.patience, || condition(self))
    }

    pub(super) fn wait_until(&mut self, mut condition: impl FnMut(&mut Self) -> bool) -> bool {
        comes_true_within(self.patience, || condition(self))
    }

    /// Whether the process still runs.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The pids of the server's child processes.
    pub fn children(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        fs::read_to_string(path).unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// How often it has started or restarted.
    pub(super) fn starts(&self) -> usize {
        self.log().matches("resuming normal operations").count()
    }

    /// Restarts gracefully and waits until the new configuration stands.
    pub fn restart(&self) {
        let before = self.starts();
        self.signal(Signal::USR1);
        assert!(self.wait_for(|server| server.starts() > before), "no restart:\n{}", self.log());
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("httpd is there");
    }

    /// Error lines that no test announced.
    fn unannounced(&self) -> Vec<String> {
        let is_error = |line: &str| {
            [":error]", ":crit]", ":alert]", ":emerg]"].iter().any(|level| line.contains(level))
                || line.contains("panicked at")
                || line.contains("exit signal")
        };
        // mod_cgid's, of a program that a busy machine has not ended in three seconds.
        let is_busy = |line: &str| ["AH01259", "AH01260"].iter().any(|tag| line.contains(tag));
        let known = |line: &str| is_busy(line) || self.announced.iter().any(|text| line.contains(text));
        self.log().lines().filter(|line| is_error(line) && !known(line)).map(str::to_owned).collect()
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        // Gracefully: a child of mpm_event that is told to end at once closes the sockets of its threads, which may just
        // have closed them themselves, and then crashes (its main thread, in apr_os_sock_get).
        if self.lives() {
            self.signal(Signal::WINCH);
        }
        if !self.wait_until(|server| !server.lives()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let errors = self.unannounced();
        if !self.checked && !std::thread::panicking() {
            assert!(errors.is_empty(), "unannounced errors in httpd's log:\n{}", errors.join("\n"));
        } else if std::thread::panicking() {
            eprintln!("httpd's log:\n{}", self.log());
        }
    }
}
