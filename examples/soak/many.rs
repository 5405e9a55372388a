//! Many connections at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokbind::tls::Connector;

use crate::clients::shown;
use crate::server;
use httpd_harness::Visitor;
use httpd_harness::httpd::HOST;
use httpd_harness::memory::written;
use httpd_harness::session::{Protocol, Session, session_options};
use tokbind::{Request, binding};

/// Clients that open connections at the same time.
const CLIENTS: usize = 16;

/// Opens that many connections, most of them HTTP/1.1 ones, with a request on each; then sends another one on each.
pub async fn connections(number: usize) {
    let server = Arc::new({
        let mut server = server(
            "KeepAliveTimeout 600\nTimeout 600\nAsyncRequestWorkerFactor 1000\nH2MaxWorkerIdleSeconds 600\n",
        );
        // An HTTP/2 connection takes a while to let go of its thread, and so httpd says that it has none left.
        server.announce("AH00484");
        server
    });
    let memory = |server: &crate::Httpd| server.children().into_iter().map(written).sum::<u64>();
    let before = memory(&server);
    let open = Arc::new(AtomicUsize::new(0));
    let clients = (0..CLIENTS).map(|client| {
        let (server, open) = (Arc::clone(&server), Arc::clone(&open));
        tokio::spawn(async move {
            let protocol = if client == 0 { Protocol::Http2 } else { Protocol::Http1 };
            let visitor = Visitor::new();
            let connector = Connector::new(&session_options(protocol, true)).unwrap();
            let mut sessions = Vec::new();
            for _ in 0..number / CLIENTS {
                let connection = connector.connect(server.address(), HOST).await.unwrap();
                let proof = visitor.header(&connection.ekm().unwrap());
                let mut session = Session::over(connection, protocol, None).await;
                ask(&mut session, &proof, &visitor).await;
                sessions.push((session, proof));
                open.fetch_add(1, Ordering::SeqCst);
            }
            (visitor, sessions)
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut all = Vec::new();
    for client in clients {
        all.push(client.await.unwrap());
    }
    let open = open.load(Ordering::SeqCst);
    let used = (memory(&server) - before) as f64 / open as f64;
    for (visitor, sessions) in &mut all {
        for (session, proof) in sessions {
            ask(session, proof, visitor).await;
        }
    }
    println!(
        "soak: {open} connections at a time, two requests on each, each with its own ID; {used:.1} KiB of the server's each"
    );
}

async fn ask(session: &mut Session<'_>, proof: &str, visitor: &Visitor) {
    let request = Request::get(HOST, "/page.html").header(binding::SEC_TOKEN_BINDING, proof);
    let response = session.try_send_as_it_is(&request).await.unwrap();
    assert_eq!((response.status, shown(&response)), (200, visitor.id()));
}
