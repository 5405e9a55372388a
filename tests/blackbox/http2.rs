//! HTTP/2: requests on worker threads, several sites and keys on one connection, server push.

use std::collections::HashSet;

use tokbind::http1::Http1;
use tokbind::http2::Http2;
use tokbind::{Request, binding};

use httpd_harness::client::{connect, http2, options, unbound};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor, shown};

const PROVIDED: &str = "Sec_Provided_Token_Binding_ID";

#[tokio::test]
async fn parallel_streams_are_all_bound() {
    let server = Httpd::start();
    let http = http2(&server).await;
    let visitor = Visitor::new();
    let request = visitor.get(http.ekm(), "/env.cgi");
    let pages = (0..100).map(|_| {
        let (http, request) = (http.clone(), request.clone());
        tokio::spawn(async move { http.request(&request).await.unwrap() })
    });
    for page in pages.collect::<Vec<_>>() {
        let page = page.await.unwrap();
        assert_eq!(page.status, 200);
        assert_eq!(shown(&page.text(), "SERVER_PROTOCOL"), Some("HTTP/2.0"));
        assert_eq!(shown(&page.text(), PROVIDED), Some(visitor.id().as_str()));
    }
}

#[tokio::test]
async fn a_good_stream_and_a_bad_one_do_not_touch_each_other() {
    let server = Httpd::start();
    let (http, other) = (http2(&server).await, http2(&server).await);
    let visitor = Visitor::new();
    let good = visitor.get(http.ekm(), "/env.cgi");
    let stolen = Visitor::new().get(other.ekm(), "/env.cgi");
    assert_eq!(other.request(&stolen).await.unwrap().status, 200);
    let streams = (0..40).map(|number| {
        let (http, request) = (http.clone(), if number % 2 == 0 { good.clone() } else { stolen.clone() });
        tokio::spawn(async move { (number, http.request(&request).await.unwrap()) })
    });
    for stream in streams.collect::<Vec<_>>() {
        let (number, page) = stream.await.unwrap();
        assert_eq!(page.status, if number % 2 == 0 { 200 } else { 400 });
    }
}

#[tokio::test]
async fn the_rules_are_those_of_http_1_1() {
    let server = Httpd::start();
    let http = http2(&server).await;
    let header = Visitor::new().header(http.ekm());
    assert_eq!(http.request(&Request::get(HOST, "/page.html")).await.unwrap().status, 400, "missing");
    let twice = Request::get(HOST, "/page.html")
        .header(binding::SEC_TOKEN_BINDING, &header)
        .header(binding::SEC_TOKEN_BINDING, &header);
    assert_eq!(http.request(&twice).await.unwrap().status, 400, "twice");

    let plain = Http2::handshake(connect(&server, &unbound().alpn(["h2"])).await).await.unwrap();
    assert_eq!(plain.request(&Request::get(HOST, "/page.html")).await.unwrap().status, 200, "unbound");
    let unasked = Visitor::new().get(plain.ekm(), "/page.html");
    assert_eq!(plain.request(&unasked).await.unwrap().status, 400, "not negotiated");
}

/// One connection for two registered domains (shared certificate): the browser uses a key for each.
#[tokio::test]
async fn two_domains_on_one_connection_keep_their_ids() {
    let hosts = vec![VirtualHost::tls(HOST, ""), VirtualHost::tls("www.other.test", "")];
    let server = Setup { virtual_hosts: hosts, ..Setup::default() }.start();
    let http = http2(&server).await;
    let (here, there) = (Visitor::new(), Visitor::new());
    let mut seen = HashSet::new();
    for _ in 0..3 {
        for (visitor, host) in [(&here, HOST), (&there, "www.other.test")] {
            let request =
                Request::get(host, "/env.cgi").header(binding::SEC_TOKEN_BINDING, visitor.header(http.ekm()));
            let page = http.request(&request).await.unwrap();
            assert_eq!(page.status, 200, "{}", page.text());
            assert_eq!(shown(&page.text(), "SERVER_NAME"), Some(host));
            seen.insert((host, shown(&page.text(), PROVIDED).unwrap().to_owned()));
        }
    }
    assert_eq!(seen, HashSet::from([(HOST, here.id()), ("www.other.test", there.id())]));
}

/// A request can reach another virtual host than the handshake's, and that host's settings hold for it.
#[tokio::test]
async fn the_requests_virtual_host_decides() {
    let hosts = vec![
        VirtualHost::tls(HOST, ""),
        VirtualHost::tls("www.plain.test", "TokenBindingEnabled Off"),
        VirtualHost::tls("www.other.test", "TokenBindingKeyParameters rsa2048_pss"),
        VirtualHost::tls("other.bound.test", "TokenBindingStrict Off"),
    ];
    let server = Setup { virtual_hosts: hosts, ..Setup::default() }.start();
    let http = http2(&server).await;
    let header = Visitor::new().header(http.ekm());
    for (host, with, without) in [
        (HOST, 200, 400),
        ("www.plain.test", 200, 200),
        ("www.other.test", 400, 200),
        ("other.bound.test", 200, 200),
    ] {
        let request = Request::get(host, "/env.cgi");
        let bound = http.request(&request.clone().header(binding::SEC_TOKEN_BINDING, &header)).await.unwrap();
        assert_eq!(bound.status, with, "{host}");
        let is_shown = shown(&bound.text(), PROVIDED).is_some();
        assert_eq!(is_shown, [HOST, "other.bound.test"].contains(&host), "{host}");
        assert_eq!(http.request(&request).await.unwrap().status, without, "{host}");
    }
    server.line("TB104");
}

/// A pushed response answers a request that the server made up: no client could have signed it.
#[tokio::test]
async fn server_push_is_served_unbound() {
    let server =
        Setup::with("<Location /page.html>\n  H2PushResource /env.cgi\n</Location>\nH2Push On").start();
    let connection = connect(&server, &options().alpn(["h2"])).await;
    let http = Http2::handshake_with_push(connection).await.unwrap();
    let visitor = Visitor::new();
    let page = http.request(&visitor.get(http.ekm(), "/page.html")).await.unwrap();
    assert_eq!(page.status, 200);
    let [pushed] = &page.pushed[..] else { panic!("pushed: {:?}", page.pushed) };
    assert!(pushed.uri.ends_with("/env.cgi"), "{}", pushed.uri);
    assert_eq!(pushed.response.status, 200);
    assert!(!pushed.response.text().to_uppercase().contains("TOKEN_BINDING"), "{}", pushed.response.text());
    // A client's own request without the header is another matter.
    assert_eq!(http.request(&Request::get(HOST, "/env.cgi")).await.unwrap().status, 400);
}

/// The same listener, the same virtual host, both protocols.
#[tokio::test]
async fn http_1_1_and_http_2_side_by_side() {
    let server = Httpd::start();
    let visitor = Visitor::new();
    let two = http2(&server).await;
    let connection = connect(&server, &options()).await;
    let ekm = connection.ekm().unwrap();
    let mut one = Http1::new(connection);
    for _ in 0..3 {
        assert_eq!(two.request(&visitor.get(two.ekm(), "/page.html")).await.unwrap().status, 200);
        assert_eq!(one.request(&visitor.get(&ekm, "/page.html")).await.unwrap().status, 200);
        assert_eq!(two.request(&visitor.get(&ekm, "/page.html")).await.unwrap().status, 400);
    }
    assert_eq!(one.request(&visitor.get(two.ekm(), "/page.html")).await.unwrap().status, 400);
}
