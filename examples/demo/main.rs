//! `make demo`: a private httpd with the module, and its main job on real requests, step by step. The visits are those of
//! `tokbind get` and curl, so that each can be repeated by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]

mod browser;

use std::path::Path;
use std::process::Command;

use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Setup, setup};

fn main() {
    let keep = std::env::args().any(|argument| argument == "--keep");
    let server = start();
    println!("A private httpd with mod_token_binding listens on 127.0.0.1:{}.", server.port());
    println!("Its error log begins: {}\n", after_tag(&server.line("TB001")));

    println!("1. Alice's client makes a key and visits. On this TLS connection it proves to hold the key:");
    let visit = tokbind(&server, "alice", "/env.cgi", &["-v"]);
    visit.expect("200 OK");
    let id = httpd_harness::shown(&visit.page, "Sec_Provided_Token_Binding_ID")
        .expect("the application sees an ID")
        .to_owned();
    println!("     The application sees her Token Binding ID:\n     {id}");
    let overheard = visit.sent("Sec-Token-Binding");

    println!("2. She logs in. The application remembers the ID with the session:");
    let login = tokbind(&server, "alice", "/login.cgi", &[]);
    login.expect("200 OK");
    let cookie = login.received("Set-Cookie").split(';').next().unwrap().to_owned();
    println!("     Set-Cookie: {cookie}");
    let with_cookie = format!("Cookie: {cookie}");

    println!("3. She comes back on another connection, with the cookie and the same key:");
    tokbind(&server, "alice", "/account.cgi", &["-H", &with_cookie]).expect("200 OK");

    println!("\nThe cookie gets stolen.\n");
    println!("4. The thief's client, curl, has no Token Binding:");
    curl(&server, &["-H", &with_cookie]).expect("403 Forbidden");

    println!("5. The thief sends the ID along, as a header of the name that the module uses:");
    let forged = format!("Sec-Provided-Token-Binding-ID: {id}");
    curl(&server, &["-H", &with_cookie, "-H", &forged]).expect("403 Forbidden");

    println!("6. The thief has Token Binding, with a key of its own:");
    tokbind(&server, "thief", "/account.cgi", &["-H", &with_cookie]).expect("403 Forbidden");

    println!("7. The thief repeats the very header that Alice's client sent, on another connection:");
    let replayed = format!("Sec-Token-Binding: {overheard}");
    tokbind(&server, "thief", "/account.cgi", &["-H", &with_cookie, "-H", &replayed])
        .expect("400 Bad Request");
    println!("     error log: {}", after_tag(&server.line("TB105")));

    println!("8. Alice is not disturbed:");
    tokbind(&server, "alice", "/account.cgi", &["-H", &with_cookie]).expect("200 OK");

    browser::show();

    if keep {
        let (port, directory) = (server.port(), server.dir().display());
        println!("\nThe server stays up. Look at it:");
        println!(
            "  {} get -vk --resolve {HOST}:{port}:127.0.0.1 https://{HOST}:{port}/env.cgi",
            setup::tokbind().display()
        );
        println!("  curl -k --resolve {HOST}:{port}:127.0.0.1 https://{HOST}:{port}/env.cgi");
        println!("  less {directory}/httpd.conf {directory}/error.log");
        println!("and stop it:");
        println!("  kill {} && rm -r {directory}", server.pid());
        // Neither stopped nor removed.
        std::mem::forget(server);
    }
    println!("\nDone: both sessions worked for their owner, and five thefts of their cookies were refused.");
}

/// The server, with the application of this directory.
fn start() -> Httpd {
    let server = Setup { global: "SetEnv SESSIONS @DIR@/sessions.d".into(), ..Setup::default() }.start();
    for (name, text) in
        [("login.cgi", include_str!("login.cgi")), ("account.cgi", include_str!("account.cgi"))]
    {
        server.script(name, text);
    }
    let sessions = server.dir().join("sessions.d");
    std::fs::create_dir(&sessions).unwrap();
    allow_the_server_to_write(&sessions);
    server
}

fn allow_the_server_to_write(directory: &Path) {
    let status = Command::new("chmod").arg("777").arg(directory).status().unwrap();
    assert!(status.success());
}

/// What a client printed: the response's status line, header lines and page, and what it told of the request.
struct Visit {
    status: String,
    head: String,
    page: String,
    told: String,
}

impl Visit {
    /// Prints the status line and the first line of the page, and ends the demonstration if it is not what was promised.
    fn expect(&self, status: &str) {
        println!("     {}", self.status);
        let is_told = |line: &&str| !line.is_empty() && !line.starts_with('<') && !line.contains('=');
        if let Some(line) = self.page.lines().find(is_told) {
            println!("     {line}");
        }
        assert!(self.status.ends_with(status), "this is not what the module promises: {status}");
    }

    /// A header line of the response.
    fn received(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in:\n{}", self.head))
    }

    /// A header line of the request, as `tokbind get -v` tells it.
    fn sent(&self, name: &str) -> &str {
        let line = self
            .told
            .lines()
            .find_map(|line| line.strip_prefix("> ")?.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in:\n{}", self.told))
    }
}

/// `tokbind get` by somebody with keys of their own.
fn tokbind(server: &Httpd, who: &str, path: &str, arguments: &[&str]) -> Visit {
    let mut command = Command::new(setup::tokbind());
    command.args(["get", "--include", "--http", "1.1", "--keys"]).arg(server.dir().join("keys").join(who));
    visit(server, command.args(arguments), path)
}

/// curl, by a thief, to the account.
fn curl(server: &Httpd, arguments: &[&str]) -> Visit {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--include", "--http1.1", "--max-time", "20"]);
    visit(server, command.args(arguments), "/account.cgi")
}

fn visit(server: &Httpd, command: &mut Command, path: &str) -> Visit {
    let port = server.port();
    let output = command
        .arg("--cacert")
        .arg(server.dir().join("server.pem"))
        .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")])
        .arg(format!("https://{HOST}:{port}{path}"))
        .output()
        .expect("the client can be run");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let response = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let (head, page) = response.split_once("\n\n").unwrap_or((&response, ""));
    let status = head.lines().next().unwrap_or_default().to_owned();
    Visit { status, head: head.to_owned(), page: page.to_owned(), told }
}

/// A line of the error log from the module's tag on.
fn after_tag(line: &str) -> &str {
    line.find("TB").map_or(line, |start| &line[start..])
}
