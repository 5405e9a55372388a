//! Graceful restarts: httpd unloads the module and loads it again each time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use httpd_harness::client::{http1, http2};
use httpd_harness::memory;
use httpd_harness::{Setup, Visitor};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_graceful_restarts_under_load() {
    const RESTARTS: usize = 100;
    let server = Arc::new(Setup::with("H2Push Off").start());
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let restarts = Arc::new(AtomicUsize::new(0));
    let load = (0..2).map(|number| {
        let (server, stop, served) = (Arc::clone(&server), Arc::clone(&stop), Arc::clone(&served));
        let restarts = Arc::clone(&restarts);
        tokio::spawn(async move {
            let visitor = Visitor::new();
            while !stop.load(Ordering::Relaxed) {
                // A connection of its own each time: an idle one may be closed by a restart at any moment.
                let before = restarts.load(Ordering::SeqCst);
                let answer = if number == 0 {
                    let mut http = http1(&server).await;
                    let ekm = http.get_ref().ekm().unwrap();
                    http.request(&visitor.get(&ekm, "/page.html")).await
                } else {
                    let http = http2(&server).await;
                    http.request(&visitor.get(http.ekm(), "/page.html")).await
                };
                match answer {
                    Ok(page) => {
                        assert_eq!(page.status, 200);
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                    // mod_http2 also takes new streams away with a child that ends.
                    Err(error) => assert!(restarts.load(Ordering::SeqCst) > before, "lost: {error}"),
                }
            }
        })
    });
    let load: Vec<_> = load.collect();

    let mut early = 0;
    for restart in 1..=RESTARTS {
        let before = served.load(Ordering::Relaxed);
        restarts.fetch_add(1, Ordering::SeqCst);
        tokio::task::block_in_place(|| {
            server.restart();
            assert!(
                server.wait_for(|_| served.load(Ordering::Relaxed) > before + 1),
                "no request gets through"
            );
        });
        // Pools and caches find their size in the first restarts.
        if restart == RESTARTS / 4 {
            early = memory::written(server.pid());
        }
    }
    let late = memory::written(server.pid());
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    let log = server.log();
    assert!(!log.contains("exit signal"), "a child crashed:\n{log}");
    assert!(served.load(Ordering::Relaxed) > 2 * RESTARTS);
    // 75 restarts that each lost one page (4 KiB) would show as 300 KiB.
    assert!(
        late < early + 256,
        "the parent grew from {early} to {late} KiB in {} restarts",
        RESTARTS * 3 / 4
    );
}

#[tokio::test]
async fn a_connection_from_before_a_restart_is_served_to_its_end() {
    let server = Setup::default().start();
    let visitor = Visitor::new();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    assert_eq!(http.request(&visitor.get(&ekm, "/page.html")).await.unwrap().status, 200);
    server.restart();
    assert_eq!(visitor.visit(&server, "/page.html").await.status, 200);
    // The old process may close an idle connection, but must not serve it wrongly.
    if let Ok(page) = http.request(&visitor.get(&ekm, "/page.html")).await {
        assert_eq!(page.status, 200);
    }
}

#[tokio::test]
async fn a_restart_takes_up_a_changed_configuration() {
    let server = Setup::with("IncludeOptional @DIR@/changing*.conf").start();
    assert_eq!(http1(&server).await.get_ref().negotiated().unwrap().key_parameters.name(), Some("ecdsap256"));
    std::fs::write(server.dir().join("changing.conf"), "TokenBindingKeyParameters rsa2048_pss\n").unwrap();
    server.restart();
    let http = http1(&server).await;
    assert_eq!(http.get_ref().negotiated().unwrap().key_parameters.name(), Some("rsa2048_pss"));
}
