//! Clients without Token Binding: what they get, what they may send, and what happens when they come back with it.

use tokbind::http1::Http1;
use tokbind::http2::Http2;
use tokbind::{Request, binding};
use tokio::net::TcpStream;

use httpd_harness::client::{connect, options};
use httpd_harness::cookies::{SET_COOKIE, is_sealed, jar, seen, set_cookies, setup};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, Session, fetch, submit};
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor};

fn server(directives: &str) -> Httpd {
    let server = setup(&format!("TokenBindingCookie sid\n{directives}")).start();
    server.script("set.cgi", SET_COOKIE);
    server
}

#[tokio::test]
async fn optional_gives_unbound_cookies_that_are_good_for_unbound_clients_only() {
    let server = server("");
    for protocol in PROTOCOLS {
        let page = fetch(&server, protocol, None, "/set.cgi?sid=alice", "").await;
        let cookie = jar(&page);
        assert!(cookie.starts_with("sid=tb2ue."), "{cookie}");
        assert!(set_cookies(&page)[0].ends_with("; Secure"));
        for other in PROTOCOLS {
            let page = fetch(&server, other, None, "/env.cgi", &cookie).await;
            assert_eq!(seen(&page).as_deref(), Some("sid=alice"));
            // Upgrade: the same client, or whoever planted the cookie, with Token Binding.
            let page = fetch(&server, other, Some(&Visitor::new()), "/env.cgi", &cookie).await;
            assert_eq!(seen(&page), None);
            assert!(
                server.line("TB301").contains("a new login gets a bound one"),
                "{}",
                server.line("TB301")
            );
        }
    }
}

#[tokio::test]
async fn a_login_after_the_upgrade_is_bound() {
    let server = server("");
    let visitor = Visitor::new();
    for protocol in PROTOCOLS {
        let unbound = jar(&fetch(&server, protocol, None, "/set.cgi?sid=1", "").await);
        let bound = jar(&fetch(&server, protocol, Some(&visitor), "/set.cgi?sid=2", &unbound).await);
        assert_eq!(
            seen(&fetch(&server, protocol, Some(&visitor), "/env.cgi", &bound).await).unwrap(),
            "sid=2"
        );
        // Downgrade: without its Token Binding the client has lost what was bound to it.
        assert_eq!(seen(&fetch(&server, protocol, None, "/env.cgi", &bound).await), None);
    }
}

#[tokio::test]
async fn required_gives_unbound_clients_no_cookie_and_takes_none() {
    let (optional, required) = (server(""), server("TokenBindingCookiePolicy required"));
    for protocol in PROTOCOLS {
        // The same secret: a cookie from before the policy was changed.
        let cookie = jar(&fetch(&optional, protocol, None, "/set.cgi?sid=alice", "").await);
        let page = fetch(&required, protocol, None, "/env.cgi", &format!("{cookie}; a=1")).await;
        assert_eq!(seen(&page).as_deref(), Some("a=1"));
        let page = fetch(&required, protocol, None, "/set.cgi?sid=alice", "").await;
        assert_eq!((page.status, set_cookies(&page).len()), (200, 0));
        let page = fetch(&required, protocol, None, "/set.cgi?lang=en", "").await;
        assert_eq!(set_cookies(&page).len(), 1, "other cookies are served");
        let visitor = Visitor::new();
        let cookie = jar(&fetch(&required, protocol, Some(&visitor), "/set.cgi?sid=alice", "").await);
        let page = fetch(&required, protocol, Some(&visitor), "/env.cgi", &cookie).await;
        assert_eq!(seen(&page).as_deref(), Some("sid=alice"));
    }
    for tag in ["TB301", "TB302"] {
        let line = required.line(tag);
        assert!(line.contains("no Token Binding") && line.contains("required"), "{line}");
    }
}

/// With `TokenBindingStrict Off` a wrong proof counts as none, for cookies too; with `On` it gets no cookie at all.
#[tokio::test]
async fn a_wrong_proof_never_opens_a_bound_cookie() {
    for (directives, status) in [("", 400), ("TokenBindingStrict Off", 200)] {
        let server = server(&format!("{directives}\nErrorDocument 400 /env.cgi"));
        let (owner, other) = (Visitor::new(), Visitor::new());
        let bound = jar(&fetch(&server, Protocol::Http1, Some(&owner), "/set.cgi?sid=alice", "").await);
        let unbound = jar(&fetch(&server, Protocol::Http1, None, "/set.cgi?sid=guest", "").await);
        for protocol in PROTOCOLS {
            let mut elsewhere = Session::open(&server, protocol, Some(&other)).await;
            // The header of another connection.
            let stolen = owner.header(&connect(&server, &options()).await.ekm().unwrap());
            for (cookie, expected) in [(&bound, None), (&unbound, (status == 200).then_some("sid=guest"))] {
                let request = Request::get(HOST, "/env.cgi")
                    .header("Cookie", format!("{cookie}; a=1"))
                    .header(binding::SEC_TOKEN_BINDING, &stolen);
                let page = submit(&server, protocol, None, request).await;
                assert_eq!(page.status, status);
                let expected = expected.map_or("a=1".to_owned(), |cookie| format!("{cookie}; a=1"));
                assert_eq!(seen(&page), Some(expected), "{directives}: the error document sees no more");
            }
            assert_eq!(elsewhere.get("/env.cgi", &bound).await.status, 200);
        }
    }
}

/// `TokenBindingEnabled Off`: nobody is bound there, and that is how cookies are sealed.
#[tokio::test]
async fn where_token_binding_is_off_every_client_is_unbound() {
    let server = server("TokenBindingEnabled Off");
    for protocol in PROTOCOLS {
        let cookie = jar(&fetch(&server, protocol, None, "/set.cgi?sid=alice", "").await);
        assert!(cookie.starts_with("sid=tb2ue."), "{cookie}");
        let page = fetch(&server, protocol, None, "/env.cgi", &format!("{cookie}; sid=plain")).await;
        assert_eq!(seen(&page).as_deref(), Some("sid=alice"));
    }
}

/// `none` in a virtual host takes back what the server says.
#[tokio::test]
async fn a_virtual_host_can_bind_others_or_none() {
    let mut setup = Setup {
        global: "TokenBindingCookie sid\nTokenBindingCookieSecret file:secret".into(),
        virtual_hosts: vec![
            VirtualHost::tls(HOST, ""),
            VirtualHost::tls("other.bound.test", "TokenBindingCookie tid"),
            VirtualHost::tls("www.other.test", "TokenBindingCookie none"),
        ],
        ..setup("")
    };
    setup.without.clear();
    let server = setup.start();
    server.script("set.cgi", SET_COOKIE);
    let visitor = Visitor::new();
    let http = Http2::handshake(connect(&server, &options().alpn(["h2"])).await).await.unwrap();
    for (host, sealed) in
        [(HOST, [true, false]), ("other.bound.test", [false, true]), ("www.other.test", [false, false])]
    {
        for (name, is_bound) in ["sid", "tid"].into_iter().zip(sealed) {
            let request = Request::get(host, &format!("/set.cgi?{name}=v"))
                .header(binding::SEC_TOKEN_BINDING, visitor.header(http.ekm()));
            let page = http.request(&request).await.unwrap();
            assert_eq!(is_sealed(&jar(&page)), is_bound, "{host} {name}");
            let request = Request::get(host, "/env.cgi")
                .header("Cookie", format!("{name}=plain"))
                .header(binding::SEC_TOKEN_BINDING, visitor.header(http.ekm()));
            let page = http.request(&request).await.unwrap();
            assert_eq!(seen(&page).is_none(), is_bound, "{host} {name}");
        }
    }
}

/// On plain HTTP a bound cookie is sealed as unbound, and `Secure`: a browser does not take it there.
#[tokio::test]
async fn plain_http() {
    let hosts = vec![VirtualHost { name: HOST, tls: false, directives: "TokenBindingCookie sid".into() }];
    let server =
        Setup { global: "TokenBindingCookieSecret file:secret".into(), virtual_hosts: hosts, ..setup("") }
            .start();
    server.script("set.cgi", SET_COOKIE);
    let mut http = Http1::over(TcpStream::connect(server.address()).await.unwrap());
    let page = http.request(&Request::get(HOST, "/set.cgi?sid=alice")).await.unwrap();
    let [line] = &set_cookies(&page)[..] else { panic!("{:?}", page.headers) };
    assert!(line.starts_with("sid=tb2ue.") && line.ends_with("; Secure"), "{line}");
    let request = Request::get(HOST, "/env.cgi").header("Cookie", format!("{}; sid=plain", jar(&page)));
    assert_eq!(seen(&http.request(&request).await.unwrap()).as_deref(), Some("sid=alice"));
}

/// A pushed response must not put an unbound cookie in the place of the client's bound one.
#[tokio::test]
async fn a_pushed_response_sets_no_bound_cookie() {
    let server =
        server("<Location /page.html>\n  H2PushResource /set.cgi?sid=pushed\n</Location>\nH2Push On");
    let http = Http2::handshake_with_push(connect(&server, &options().alpn(["h2"])).await).await.unwrap();
    let visitor = Visitor::new();
    let page = http.request(&visitor.get(http.ekm(), "/page.html")).await.unwrap();
    let [pushed] = &page.pushed[..] else { panic!("pushed: {:?}", page.pushed) };
    assert_eq!(pushed.response.status, 200);
    assert_eq!(set_cookies(&pushed.response), [] as [&str; 0]);
    assert!(server.line("TB302").contains("not known"), "{}", server.line("TB302"));
}
