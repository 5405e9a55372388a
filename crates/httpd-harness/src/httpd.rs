//! The configuration of a private httpd, which has a directory and a loopback port of its own.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use tempfile::TempDir;

use super::ports::free_port;
pub use super::running::{Httpd, PATIENCE};
use super::running::{log, write_document, write_script};
use super::{pki, setup};
/// The host that most tests talk to.
pub const HOST: &str = "www.bound.test";

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mpm {
    Event,
    Prefork,
}

/// A virtual host on the server's port.
pub struct VirtualHost {
    pub name: &'static str,
    pub tls: bool,
    pub directives: String,
}

impl VirtualHost {
    pub fn tls(name: &'static str, directives: impl Into<String>) -> Self {
        Self { name, tls: true, directives: directives.into() }
    }

    pub fn plain(name: &'static str, directives: impl Into<String>) -> Self {
        Self { name, tls: false, directives: directives.into() }
    }
}

/// The server's configuration.
pub struct Setup {
    pub mpm: Mpm,
    /// The module, or `None` for a server without it.
    pub module: Option<PathBuf>,
    pub http2: bool,
    /// Further modules of httpd's to load, by name.
    pub modules: Vec<&'static str>,
    /// Modules that are loaded by default, and not in this server.
    pub without: Vec<&'static str>,
    pub global: String,
    pub virtual_hosts: Vec<VirtualHost>,
    pub environment: Vec<(&'static str, String)>,
    /// Files in the server's directory, there before it starts.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// The port, where another configuration already names it.
    pub port: Option<u16>,
    /// Files that only their owner can read.
    pub secrets: Vec<(&'static str, String)>,
    /// A program that runs httpd, valgrind for instance, and its arguments.
    pub run_by: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mpm: Mpm::Event,
            module: Some(setup::module()),
            http2: true,
            modules: Vec::new(),
            without: Vec::new(),
            global: String::new(),
            virtual_hosts: vec![VirtualHost::tls(HOST, "")],
            environment: Vec::new(),
            files: Vec::new(),
            port: None,
            secrets: Vec::new(),
            run_by: Vec::new(),
        }
    }
}

impl Setup {
    /// One TLS virtual host with these directives.
    pub fn with(directives: &str) -> Self {
        Self { virtual_hosts: vec![VirtualHost::tls(HOST, directives)], ..Self::default() }
    }

    /// Starts the server and waits until it takes connections.
    pub fn start(self) -> Httpd {
        // Another process may take the free port before httpd does; then httpd ends, and another port is tried.
        for _ in 0..5 {
            match self.try_start() {
                Ok(server) => return server,
                Err(log) if log.contains("could not bind") || log.contains("Address already in use") => {}
                Err(log) => panic!("httpd did not start:\n{log}"),
            }
        }
        panic!("no free port in five tries");
    }

    /// The same for a server that may not start. The error is its log.
    pub fn try_start(&self) -> Result<Httpd, String> {
        let (dir, port) = self.write();
        let child = self.command(&dir).arg("-DFOREGROUND").spawn().expect("httpd can be run");
        // valgrind takes fifty times as long.
        let by_itself = self.run_by.is_empty() && std::env::var_os("TOKEN_BINDING_HTTPD").is_none();
        let patience = if by_itself { PATIENCE } else { 20 * PATIENCE };
        let mut server = Httpd::new(child, dir, port, patience);
        let ready = server.wait_until(|server| {
            // It listens before it is ready for signals.
            server.child.try_wait().unwrap().is_some() || server.starts() == 1
        });
        if !ready || server.child.try_wait().unwrap().is_some() {
            server.checked = true;
            return Err(server.log());
        }
        Ok(server)
    }

    /// Runs `httpd -t` on the configuration.
    pub fn check(&self) -> Output {
        let (dir, _port) = self.write();
        self.command(&dir).arg("-t").stderr(Stdio::piped()).output().expect("httpd can be run")
    }

    /// Runs a server that is expected not to start: how it ended, and what it said.
    pub fn run_to_end(&self) -> (ExitStatus, String) {
        let (dir, _port) = self.write();
        let status = self.command(&dir).arg("-DFOREGROUND").status().expect("httpd can be run");
        (status, log(dir.path()))
    }

    fn command(&self, dir: &TempDir) -> Command {
        let httpd = &setup::httpd().program;
        let mut command = match self.run_by.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(httpd);
                command
            }
            None => Command::new(httpd),
        };
        command.arg("-f").arg(dir.path().join("httpd.conf"));
        // Not the build's environment: the tests look through what CGI programs are given.
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        // In the foreground, httpd ends its whole process group when it is stopped: it gets one of its own.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::create(dir.path().join("stderr.log")).unwrap());
        command
    }

    /// The server's directory, with configuration and documents, and the port that it will listen on.
    fn write(&self) -> (TempDir, u16) {
        let dir = tempfile::Builder::new().prefix("tb-httpd-").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = self.port.unwrap_or_else(free_port);
        fs::write(dir.path().join("server.pem"), pki::server().pem()).unwrap();
        fs::write(dir.path().join("user.pem"), pki::user().certificate.to_pem().unwrap()).unwrap();
        for (name, content) in &self.files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        for (name, text) in &self.secrets {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let documents = dir.path().join("htdocs");
        fs::create_dir(&documents).unwrap();
        write_document(&documents, "page.html", "<p>a page</p>\n");
        // Every environment variable on a line of its own, and the body if there is one.
        write_script(
            &documents,
            "env.cgi",
            "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n/usr/bin/env\ncat\n",
        );
        fs::write(dir.path().join("httpd.conf"), self.text(dir.path(), port)).unwrap();
        (dir, port)
    }

    fn text(&self, dir: &Path, port: u16) -> String {
        let mut text = String::new();
        let root = dir.display();
        writeln!(text, "ServerRoot {root}\nPidFile {root}/httpd.pid\nDefaultRuntimeDir {root}").unwrap();
        writeln!(text, "ServerName localhost\nListen 127.0.0.1:{port}\nTimeout 20\nKeepAliveTimeout 20")
            .unwrap();
        writeln!(text, "MaxKeepAliveRequests 0\nErrorLog {root}/error.log\nGracefulShutdownTimeout 2")
            .unwrap();
        let (mpm, cgi) = match self.mpm {
            Mpm::Event => ("mpm_event", "cgid"),
            Mpm::Prefork => ("mpm_prefork", "cgi"),
        };
        let modules = [
            mpm,
            cgi,
            "log_config",
            "unixd",
            "authn_core",
            "authz_core",
            "authz_host",
            "authz_user",
            "socache_shmcb",
            "ssl",
            "http2",
            "env",
            "setenvif",
            "headers",
            "rewrite",
            "dir",
            "alias",
            "mime",
            "proxy",
            "proxy_http",
        ];
        for module in modules.iter().chain(&self.modules) {
            let file = setup::httpd().modules.join(format!("mod_{module}.so"));
            // What is not there is built in.
            if file.exists() && !self.without.contains(module) {
                writeln!(text, "LoadModule {module}_module {}", file.display()).unwrap();
            }
        }
        if let Some(module) = &self.module {
            writeln!(text, "LoadModule token_binding_module {}", module.display()).unwrap();
            writeln!(text, "LogLevel warn token_binding:debug").unwrap();
        }
        match self.mpm {
            // One process (the limit leaves room for those that end): what one connection leaves behind in it, another one finds.
            Mpm::Event => writeln!(
                text,
                "StartServers 1\nServerLimit 8\nThreadsPerChild 64\nMaxRequestWorkers 64\n\
                 MinSpareThreads 1\nMaxSpareThreads 64\nScriptSock {root}/cgid.sock"
            ),
            Mpm::Prefork => {
                writeln!(text, "StartServers 2\nMinSpareServers 1\nMaxSpareServers 4\nMaxRequestWorkers 16")
            }
        }
        .unwrap();
        if is_root() {
            writeln!(text, "User www-data\nGroup www-data").unwrap();
        }
        writeln!(text, "DocumentRoot {root}/htdocs\nAddHandler cgi-script .cgi\nTypesConfig /dev/null")
            .unwrap();
        writeln!(text, "<Directory {root}/htdocs>\n  Options +ExecCGI\n  AllowOverride All\n</Directory>")
            .unwrap();
        if !self.without.contains(&"ssl") {
            writeln!(text, "SSLSessionCache shmcb:{root}/sessions(65536)").unwrap();
        }
        writeln!(text, "{}", expand(&self.global, dir, port)).unwrap();
        for host in &self.virtual_hosts {
            writeln!(text, "<VirtualHost 127.0.0.1:{port}>\n  ServerName {}", host.name).unwrap();
            writeln!(text, "  DocumentRoot {root}/htdocs").unwrap();
            if host.tls {
                writeln!(text, "  SSLEngine On\n  SSLCertificateFile {root}/server.pem").unwrap();
            }
            if self.http2 && self.mpm == Mpm::Event {
                writeln!(text, "  Protocols {} http/1.1", if host.tls { "h2" } else { "h2c" }).unwrap();
            }
            writeln!(text, "{}\n</VirtualHost>", expand(&host.directives, dir, port)).unwrap();
        }
        text
    }
}

/// A configuration of docs/conf as directives, with values of the test's in the place of those that people read. The file of the
/// secret is the one of [`cookies::setup`](super::cookies::setup).
///
/// # Panics
/// If one of the values is not there.
pub fn documented(file: &str, values: &[(&str, &str)]) -> String {
    let path = setup::root().join("docs/conf").join(file);
    let mut directives =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (shown, value) in values {
        assert!(directives.contains(shown), "{file} has no {shown}");
        directives = directives.replace(shown, value);
    }
    directives.replace("/etc/apache2/token-binding.secret", "secret")
}

/// In a test's directives, `@DIR@` is the server's directory and `@PORT@` its port.
fn expand(directives: &str, dir: &Path, port: u16) -> String {
    directives.replace("@DIR@", &dir.display().to_string()).replace("@PORT@", &port.to_string())
}

fn is_root() -> bool {
    // The owner of a process's own files is who it runs as.
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

impl Httpd {
    /// A server with the default configuration.
    pub fn start() -> Self {
        Setup::default().start()
    }
}
