//! `make demo`: a private httpd with the module, and its main job on real requests, step by step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs, unreachable_pub)]
#![allow(
    dead_code,
    unused_imports,
    reason = "the support is that of the black-box tests, which use more of it"
)]

#[path = "../blackbox/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;

use tokbind::http1::Http1;
use tokbind::{Request, Response, binding};

use support::client::{connect, http1, options, unbound};
use support::httpd::HOST;
use support::{Httpd, Setup, Visitor};

const COOKIE: &str = "Cookie";

#[tokio::main]
async fn main() {
    let keep = std::env::args().any(|argument| argument == "--keep");
    let server = start();
    println!("A private httpd with mod_token_binding listens on 127.0.0.1:{}.", server.port());
    println!("Its error log begins: {}\n", after_tag(&server.line("TB001")));

    let alice = Visitor::new();
    println!("1. Alice's client makes a key and visits. On this TLS connection it proves to hold the key:");
    let visit = alice.visit(&server, "/env.cgi").await;
    println!("     HTTP/1.1 {} {}", visit.status, visit.reason);
    let shown = support::shown(&visit.text(), "Sec_Provided_Token_Binding_ID").map(str::to_owned);
    assert_eq!(shown.as_deref(), Some(alice.id().as_str()), "the application does not see the ID");
    println!("   The application sees her Token Binding ID:\n     {}", alice.id());

    println!("2. She logs in. The application remembers the ID with the session:");
    let login = alice.visit(&server, "/login.cgi").await;
    status(&login, 200);
    let cookie = login.header("Set-Cookie").and_then(|value| value.split(';').next()).unwrap().to_owned();
    println!("     Set-Cookie: {cookie}");

    println!("3. She comes back on another connection, with the cookie and the same key:");
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let account = alice.get(&ekm, "/account.cgi").header(COOKIE, &cookie);
    status(&http.request(&account).await.unwrap(), 200);

    println!("\nThe cookie gets stolen.\n");
    println!("4. The thief's client has no Token Binding:");
    let mut http = Http1::new(connect(&server, &unbound()).await);
    let stolen = Request::get(HOST, "/account.cgi").header(COOKIE, &cookie);
    status(&http.request(&stolen).await.unwrap(), 403);

    println!("5. The thief sends the ID along, as a header of the name that the module uses:");
    let forged = stolen.clone().header("Sec-Provided-Token-Binding-ID", alice.id());
    status(&http.request(&forged).await.unwrap(), 403);

    println!("6. The thief has Token Binding, with a key of its own:");
    let mut http = Http1::new(connect(&server, &options()).await);
    let thief = Visitor::new();
    let with_own_key = thief.get(&http.get_ref().ekm().unwrap(), "/account.cgi").header(COOKIE, &cookie);
    status(&http.request(&with_own_key).await.unwrap(), 403);

    println!("7. The thief repeats the very header that Alice's client sent, on another connection:");
    let mut http = Http1::new(connect(&server, &options()).await);
    let replayed = stolen.clone().header(binding::SEC_TOKEN_BINDING, alice.header(&ekm));
    status(&http.request(&replayed).await.unwrap(), 400);
    println!("     error log: {}", after_tag(&server.line("TB105")));

    println!("8. Alice is not disturbed:");
    let mut http = http1(&server).await;
    let account = alice.get(&http.get_ref().ekm().unwrap(), "/account.cgi").header(COOKIE, &cookie);
    status(&http.request(&account).await.unwrap(), 200);

    if keep {
        let port = server.port();
        let directory = server.dir().display();
        println!("\nThe server stays up. Look at it:");
        println!("  curl -k --resolve {HOST}:{port}:127.0.0.1 https://{HOST}:{port}/env.cgi");
        println!("  less {directory}/httpd.conf {directory}/error.log");
        println!("and stop it:");
        println!("  kill {} && rm -r {directory}", server.pid());
        // Neither stopped nor removed.
        std::mem::forget(server);
    }
    println!("\nDone: the session worked for its owner, and four thefts of its cookie were refused.");
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

/// Prints a status line and the first line of the page, and ends the demonstration if it is not what was promised.
fn status(response: &Response, expected: u16) {
    println!("     HTTP/1.1 {} {}", response.status, response.reason);
    if let Some(line) = response.text().lines().find(|line| !line.is_empty() && !line.starts_with('<')) {
        println!("     {line}");
    }
    assert_eq!(response.status, expected, "this is not what the module promises");
}

/// A line of the error log from the module's tag on.
fn after_tag(line: &str) -> &str {
    line.find("TB").map_or(line, |start| &line[start..])
}
