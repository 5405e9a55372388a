//! A client cannot set what only the module may set: not as a header in any spelling, not as a trailer, whatever the
//! module's own state.

use tokbind::http1::Http1;
use tokbind::{Request, binding};

use httpd_harness::client::{connect, http1, http2, options, unbound};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Session};
use httpd_harness::{Httpd, Setup, VirtualHost, Visitor, shown};

const NAMES: [&str; 4] = [
    "Sec-Provided-Token-Binding-ID",
    "Sec-Referred-Token-Binding-ID",
    "Sec-Other-Token-Binding-ID",
    "Sec-Token-Binding-Context",
];

fn spellings(name: &str) -> Vec<String> {
    vec![
        name.to_owned(),
        name.to_lowercase(),
        name.to_uppercase(),
        name.replace('-', "_"),
        name.replacen('-', "_", 1),
        name.replace('-', "."),
        name.replace('-', "~"),
    ]
}

fn spoofed(path: &str) -> Request {
    let names = NAMES.iter().chain(&["Sec_Token_Binding"]);
    names
        .flat_map(|name| spellings(name))
        .filter(|name| !name.eq_ignore_ascii_case("Sec-Token-Binding"))
        .fold(Request::get(HOST, path), |request, name| request.header(&name, "forged"))
}

#[tokio::test]
async fn forged_headers_never_reach_the_application() {
    let server = Setup { global: "HttpProtocolOptions Unsafe".into(), ..Setup::default() }.start();
    let mut http = Http1::new(connect(&server, &unbound()).await);
    let page = http.request(&spoofed("/env.cgi")).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("forged"), "{}", page.text());

    let visitor = Visitor::new();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let request = spoofed("/env.cgi").header(binding::SEC_TOKEN_BINDING, visitor.header(&ekm));
    let page = http.request(&request).await.unwrap().text();
    assert!(!page.contains("forged"), "{page}");
    assert_eq!(shown(&page, "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID"), Some(visitor.id().as_str()));
}

#[tokio::test]
async fn forged_headers_never_reach_the_application_when_disabled_or_lenient_or_http2() {
    for directives in ["TokenBindingEnabled Off", "TokenBindingStrict Off", "TokenBindingPassVar none"] {
        let server = Setup::with(directives).start();
        let mut http = Http1::new(connect(&server, &unbound()).await);
        let page = http.request(&spoofed("/env.cgi")).await.unwrap();
        assert_eq!(page.status, 200, "{directives}");
        assert!(!page.text().contains("forged"), "{directives}: {}", page.text());
    }
    let server = Httpd::start();
    let http = http2(&server).await;
    let visitor = Visitor::new();
    let request = spoofed("/env.cgi").header(binding::SEC_TOKEN_BINDING, visitor.header(http.ekm()));
    let page = http.request(&request).await.unwrap();
    assert!(!page.text().contains("forged"), "{}", page.text());
    assert_eq!(shown(&page.text(), "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID"), Some(visitor.id().as_str()));
}

#[tokio::test]
async fn a_disabled_virtual_host_takes_no_notice_of_the_message_and_passes_nothing_on() {
    let server = Setup::with("TokenBindingEnabled Off").start();
    let connection = connect(&server, &options()).await;
    assert_eq!(connection.negotiated(), None);
    let ekm = connection.ekm().unwrap();
    let mut http = Http1::new(connection);
    let page = http.request(&Visitor::new().get(&ekm, "/env.cgi")).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(!page.text().to_uppercase().contains("TOKEN_BINDING"), "{}", page.text());
}

#[tokio::test]
async fn a_proxied_backend_gets_the_verified_headers_and_no_others() {
    let plain = VirtualHost::plain(HOST, "");
    let backend = Setup { module: None, virtual_hosts: vec![plain], ..Setup::default() }.start();
    let front = |directives: &str| {
        let port = backend.port();
        Setup::with(&format!("ProxyPass /backend/ http://127.0.0.1:{port}/\n{directives}")).start()
    };
    for (directives, expected) in
        [("", true), ("TokenBindingPassHeaders Off", false), ("TokenBindingPassVar none", false)]
    {
        let server = front(directives);
        let visitor = Visitor::new();
        let mut one = http1(&server).await;
        let ekm = one.get_ref().ekm().unwrap();
        let request = spoofed("/backend/env.cgi").header(binding::SEC_TOKEN_BINDING, visitor.header(&ekm));
        let first = one.request(&request).await.unwrap();
        let two = http2(&server).await;
        let request =
            spoofed("/backend/env.cgi").header(binding::SEC_TOKEN_BINDING, visitor.header(two.ekm()));
        for page in [first, two.request(&request).await.unwrap()] {
            assert_eq!(page.status, 200, "{}", page.text());
            assert!(!page.text().contains("forged"), "{directives}: {}", page.text());
            let shown = shown(&page.text(), "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID").map(str::to_owned);
            assert_eq!(shown, expected.then(|| visitor.id()), "{directives}");
            assert!(!page.text().contains("HTTP_SEC_TOKEN_BINDING="), "the message stays in the module");
        }
    }
}

/// Trailers arrive after the headers were judged. httpd keeps them apart, and with `MergeTrailers On` adds them to the
/// headers, where output filters and the access log find them.
#[tokio::test]
async fn trailers_smuggle_nothing_in() {
    let names = || NAMES.iter().flat_map(|name| [(*name).to_owned(), name.replace('-', "_")]);
    let mut directives = "MergeTrailers On\nTokenBindingStrict Off\n".to_owned();
    for name in names().chain(["X-Harmless".to_owned()]) {
        directives += &format!("Header always set Seen-{name} \"expr=%{{req:{name}}}\"\n");
    }
    directives += "LogFormat \"trailers %{X-Harmless}^ti %{Sec-Provided-Token-Binding-ID}^ti \
                   %{Sec-Token-Binding}^ti\" trailers\nCustomLog @DIR@/access.log trailers\n";
    let server = Setup::with(&directives).start();
    let with_trailers = |mut request: Request| {
        request.method = "POST".into();
        request = request
            .body("body")
            .chunked()
            .trailer("X-Harmless", "trailer")
            .trailer("Sec-Token-Binding", "forged");
        names().fold(request, |request, name| request.trailer(&name, "forged"))
    };
    let seen = |page: &tokbind::Response, name: &str| {
        page.header(&format!("Seen-{name}")).filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let visitor = Visitor::new();

    let mut unbound = Http1::new(connect(&server, &unbound()).await);
    let mut bound = http1(&server).await;
    let ekm = bound.get_ref().ekm().unwrap();
    let http = http2(&server).await;
    let path = "/env.cgi";
    let streams = || with_trailers(visitor.get(http.ekm(), path));
    let without_body = Request { body: Vec::new(), ..streams() };
    let bound_id = Some(visitor.id());
    let pages = [
        (unbound.request(&with_trailers(Request::get(HOST, path))).await.unwrap(), None),
        (bound.request(&with_trailers(visitor.get(&ekm, path))).await.unwrap(), bound_id.clone()),
        (http.request(&streams()).await.unwrap(), bound_id.clone()),
        (http.request(&without_body).await.unwrap(), bound_id.clone()),
    ];
    // Whether httpd comes across the trailers behind a body whose length it knows is chance.
    let of_known_length = http.request(&streams().header("content-length", "4")).await.unwrap();
    let read = pages.len();
    for (page, _) in &pages {
        let merged = seen(page, "X-Harmless");
        assert_eq!(merged.as_deref(), Some("trailer"), "trailers are merged: {:?}", page.headers);
    }
    for (page, id) in pages.into_iter().chain([(of_known_length, bound_id)]) {
        assert_eq!(page.status, 200);
        for name in names() {
            let expected = id.clone().filter(|_| name == "Sec-Provided-Token-Binding-ID");
            assert_eq!(seen(&page, &name), expected, "{name}");
        }
    }
    let log = server.dir().join("access.log");
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    assert!(server.wait_for(|_| lines().lines().count() == read + 1), "{}", lines());
    let lines = lines();
    assert!(lines.lines().all(|line| line.starts_with("trailers ") && line.ends_with(" - -")), "{lines}");
    assert!(lines.lines().filter(|line| *line == "trailers trailer - -").count() >= read, "{lines}");
}

/// An index or a negotiated variant is found by a sub-request that takes the request's place; mod_negotiation's drops
/// the filters that the request had.
#[tokio::test]
async fn trailers_smuggle_nothing_into_what_a_sub_request_has_found() {
    let mut setup = Setup::with(
        "MergeTrailers On\nDirectoryIndex env.cgi\n\
         <Directory @DIR@/htdocs>\n  Options +MultiViews\n  MultiviewsMatch Any\n</Directory>\n\
         Header always set Seen \"expr=%{req:X-Harmless} %{req:Sec-Provided-Token-Binding-ID}\"",
    );
    setup.modules.push("negotiation");
    let server = setup.start();
    for protocol in PROTOCOLS {
        for path in ["/", "/env"] {
            let mut request =
                Request::get(HOST, path).body("body").chunked().trailer("X-Harmless", "trailer");
            request = request.trailer("Sec-Provided-Token-Binding-ID", "forged");
            request.method = "POST".into();
            let mut session = Session::open(&server, protocol, None).await;
            let page = session.send(request).await;
            let seen = page.header("Seen").map(str::trim);
            assert_eq!((page.status, seen), (200, Some("trailer")), "{path}, {protocol:?}");
        }
    }
}

/// `SetEnvIf`, `RewriteCond` and the access log look at headers early or late: none sees the message or a forged name.
#[tokio::test]
async fn nothing_else_in_httpd_sees_them() {
    let server = Setup::with(
        "LogFormat \"seen %{Sec-Token-Binding}i %{Sec-Referred-Token-Binding-ID}i\" seen\n\
         CustomLog @DIR@/access.log seen\n\
         SetEnvIf Sec-Token-Binding . SAW_MESSAGE=yes\n\
         SetEnvIf Sec-Referred-Token-Binding-ID . SAW_FORGED=yes",
    )
    .start();
    let visitor = Visitor::new();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let request = visitor.get(&ekm, "/env.cgi").header("Sec-Referred-Token-Binding-ID", "forged");
    let page = http.request(&request).await.unwrap().text();
    assert_eq!(shown(&page, "SAW_MESSAGE"), None);
    assert_eq!(shown(&page, "SAW_FORGED"), None);
    let log = server.dir().join("access.log");
    assert!(server.wait_for(|_| std::fs::read_to_string(&log).is_ok_and(|log| log.contains("seen"))));
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().next(), Some("seen - -"));
}
