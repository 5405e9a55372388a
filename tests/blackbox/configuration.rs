//! Directives: what is refused and how, what is merged, what is said at start-up.

use tokbind::Request;
use tokbind::http1::Http1;

use httpd_harness::client::{connect, http1, http2, unbound};
use httpd_harness::httpd::HOST;
use httpd_harness::{Httpd, Mpm, Setup, VirtualHost, Visitor, setup, shown};

const PROVIDED: &str = "Sec_Provided_Token_Binding_ID";
const CONTEXT: &str = "Sec_Token_Binding_Context";

/// The page of a bound visitor, and the visitor's ID.
async fn page(server: &Httpd, path: &str) -> (String, String) {
    let visitor = Visitor::new();
    let page = visitor.visit(server, path).await;
    assert_eq!(page.status, 200, "{}", page.text());
    (page.text(), visitor.id())
}

#[test]
fn a_wrong_value_fails_the_syntax_check_and_says_what_is_allowed() {
    for (directive, allowed) in [
        ("TokenBindingEnabled Maybe", "On or Off"),
        ("TokenBindingStrict 1", "On or Off"),
        ("TokenBindingPassHeaders Yes", "On or Off"),
        ("TokenBindingKeyParameters ecdsap256 p384", "ecdsap256, rsa2048_pss, rsa2048_pkcs1.5"),
        ("TokenBindingMinVersion 0.9", "0.13 to 1.0"),
        ("TokenBindingMinVersion two", "0.13 to 1.0"),
        ("TokenBindingPassVar everything", "provided, referred, other, context"),
        ("TokenBindingPassVar none provided", "provided, referred, other, context"),
        ("TokenBindingProvidedEnvVar HTTP_X", "not beginning with HTTP_"),
        ("TokenBindingContextEnvVar \"A B\"", "letters, digits"),
    ] {
        let output = Setup::with(directive).check();
        assert!(!output.status.success(), "{directive} was taken");
        let message = String::from_utf8(output.stderr).unwrap();
        let mut words = directive.splitn(2, ' ');
        assert!(message.contains(words.next().unwrap()), "{message}");
        let quoted = words.next().unwrap().trim_matches('"');
        assert!(quoted.split(' ').any(|word| message.contains(&format!("\"{word}"))), "{message}");
        assert!(message.contains(allowed), "{directive}: {message}");
    }
}

#[test]
fn a_directive_without_a_value_or_in_the_wrong_place_is_refused() {
    for directives in [
        "TokenBindingEnabled",
        "TokenBindingKeyParameters",
        "TokenBindingPassVar",
        "<Location />\nTokenBindingEnabled Off\n</Location>",
        "<Directory />\nTokenBindingProvidedEnvVar X\n</Directory>",
    ] {
        let output = Setup::with(directives).check();
        assert!(!output.status.success(), "{directives} was taken");
        assert!(String::from_utf8(output.stderr).unwrap().contains("TokenBinding"), "{directives}");
    }
}

#[test]
fn two_variables_under_one_name_fail_the_syntax_check() {
    let output = Setup::with("TokenBindingProvidedEnvVar TB_ID\nTokenBindingReferredEnvVar TB-ID").check();
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("TokenBindingProvidedEnvVar and TokenBindingReferredEnvVar"), "{message}");
}

#[test]
fn the_reference_configuration_names_every_directive_and_loads() {
    let text = std::fs::read_to_string(setup::root().join("apache/token_binding.conf")).unwrap();
    let table =
        std::fs::read_to_string(setup::root().join("crates/token-binding-server/src/directives.rs")).unwrap();
    let names: Vec<&str> =
        table.lines().filter_map(|line| line.trim().strip_prefix("name: c\"")?.split('"').next()).collect();
    let rows = table.lines().filter(|line| line.trim().starts_with("place: Place::")).count();
    assert_eq!(names.len(), rows, "{names:?}");
    for name in &names {
        assert!(text.lines().any(|line| line.starts_with(&format!("#{name} "))), "{name} is not documented");
    }
    let with_all = text
        .lines()
        .map(|line| if line.starts_with("#TokenBinding") { &line[1..] } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    for directives in [text, with_all] {
        let output = Setup { global: directives, ..Setup::default() }.check();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What a site with the C module of the same name has in its configuration.
#[tokio::test]
async fn a_configuration_of_the_c_module_loads_unchanged() {
    let server = Setup {
        global: "TokenBindingEnabled On\n\
                 TokenBindingProvidedEnvVar Sec-Provided-Token-Binding-ID\n\
                 TokenBindingReferredEnvVar Sec-Referred-Token-Binding-ID\n\
                 TokenBindingContextEnvVar Sec-Token-Binding-Context\n\
                 TokenBindingPassVar provided\nTokenBindingPassVar referred context"
            .into(),
        ..Setup::default()
    }
    .start();
    let (page, id) = page(&server, "/env.cgi").await;
    assert_eq!(shown(&page, PROVIDED), Some(id.as_str()));
    assert!(shown(&page, CONTEXT).is_some());
}

#[tokio::test]
async fn the_context_is_version_key_parameters_and_ekm() {
    let server = Setup::with("TokenBindingPassVar provided context").start();
    let visitor = Visitor::new();
    let mut http = http1(&server).await;
    let ekm = http.get_ref().ekm().unwrap();
    let page = http.request(&visitor.get(&ekm, "/env.cgi")).await.unwrap().text();
    let mut context = vec![1, 0, 2];
    context.extend_from_slice(ekm.as_bytes());
    assert_eq!(shown(&page, CONTEXT), Some(token_binding::header::encode(&context).as_str()));
    assert!(!server.log().contains(shown(&page, CONTEXT).unwrap()));
}

#[tokio::test]
async fn names_and_headers_are_configurable() {
    let server = Setup::with("TokenBindingProvidedEnvVar TB_ID\nTokenBindingPassHeaders Off").start();
    let (page, id) = page(&server, "/env.cgi").await;
    assert_eq!(shown(&page, "TB_ID"), Some(id.as_str()));
    assert_eq!(shown(&page, PROVIDED), None);
    assert!(!page.contains("HTTP_SEC_"), "{page}");
}

#[tokio::test]
async fn a_virtual_host_inherits_from_the_server_and_overrides_it() {
    let server = Setup {
        global: "TokenBindingProvidedEnvVar FROM_SERVER\nTokenBindingPassVar provided context".into(),
        virtual_hosts: vec![
            VirtualHost::tls(HOST, "TokenBindingPassVar provided"),
            VirtualHost::tls("other.bound.test", "TokenBindingProvidedEnvVar FROM_HOST"),
        ],
        ..Setup::default()
    }
    .start();
    let visitor = Visitor::new();
    let http = http2(&server).await;
    let at = async |host: &str| {
        let request = Request::get(host, "/env.cgi").header("Sec-Token-Binding", visitor.header(http.ekm()));
        http.request(&request).await.unwrap().text()
    };
    let page = at(HOST).await;
    assert_eq!(shown(&page, "FROM_SERVER"), Some(visitor.id().as_str()));
    assert_eq!(shown(&page, CONTEXT), None, "the inner list replaces the outer as a whole");
    let page = at("other.bound.test").await;
    assert_eq!(shown(&page, "FROM_HOST"), Some(visitor.id().as_str()));
    assert_eq!(shown(&page, "FROM_SERVER"), None);
    assert!(shown(&page, CONTEXT).is_some());
}

#[tokio::test]
async fn directories_choose_what_is_passed_on() {
    let server = Setup::with(
        "<Location /a>\n  TokenBindingPassVar none\n</Location>\n\
         <Location /a/b>\n  TokenBindingPassVar context\n</Location>\n\
         <Location /a/c>\n  Header set X-Silent yes\n</Location>",
    )
    .start();
    for path in ["a", "a/b", "a/c", "access"] {
        server.script(
            &format!("{path}/env.cgi"),
            "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n/usr/bin/env\n",
        );
    }
    server.document("access/.htaccess", "TokenBindingPassVar context provided\n");
    for (path, provided, context) in [
        ("/env.cgi", true, false),
        ("/a/env.cgi", false, false),
        ("/a/b/env.cgi", false, true),
        ("/a/c/env.cgi", false, false),
        ("/access/env.cgi", true, true),
    ] {
        let (page, id) = page(&server, path).await;
        assert_eq!(shown(&page, PROVIDED), provided.then_some(id.as_str()), "{path}");
        assert_eq!(shown(&page, "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID").is_some(), provided, "{path}");
        assert_eq!(shown(&page, CONTEXT).is_some(), context, "{path}");
    }
}

/// The variables are there before access control and authentication.
#[tokio::test]
async fn access_control_can_ask_for_the_variable() {
    let mut server = Setup::with(
        "<Location /members>\n  Require expr \"-n reqenv('Sec-Provided-Token-Binding-ID')\"\n</Location>\n\
         Alias /members @DIR@/htdocs/page.html",
    )
    .start();
    server.announce("AH01630: client denied by server configuration");
    assert_eq!(Visitor::new().visit(&server, "/members").await.status, 200);
    let mut http = Http1::new(connect(&server, &unbound()).await);
    assert_eq!(http.request(&Request::get(HOST, "/members")).await.unwrap().status, 403);
}

#[test]
fn start_up_says_version_openssl_and_key_parameters_once() {
    let server =
        Setup { global: "TokenBindingKeyParameters rsa2048_pss ecdsap256".into(), ..Setup::default() }
            .start();
    let line = server.line("TB001");
    assert_eq!(server.lines("TB001").len(), 1);
    assert!(line.contains(&format!("mod_token_binding/{}", env!("CARGO_PKG_VERSION"))), "{line}");
    assert!(line.contains(openssl::version::version()), "{line}");
    assert!(line.contains("rsa2048_pss ecdsap256"), "{line}");
    assert!(server.lines("TB002").is_empty());
}

#[test]
fn a_server_without_tls_is_warned_of() {
    let plain = || VirtualHost::plain(HOST, "");
    let server = Setup { virtual_hosts: vec![plain()], ..Setup::default() }.start();
    assert!(server.line("TB002").contains("[token_binding:warn]"));
    assert!(server.line("TB002").contains("SSLEngine On"));
    let server =
        Setup { global: "TokenBindingEnabled Off".into(), virtual_hosts: vec![plain()], ..Setup::default() }
            .start();
    server.line("TB001");
    assert!(server.lines("TB002").is_empty(), "nothing to warn of");
}

#[test]
fn a_server_without_mod_ssl_is_warned_of() {
    let plain = VirtualHost::plain(HOST, "");
    let server = Setup { without: vec!["ssl"], virtual_hosts: vec![plain], ..Setup::default() }.start();
    assert!(server.line("TB002").contains("mod_ssl is not loaded"));
}

#[test]
fn prefork_starts_too() {
    let server = Setup { mpm: Mpm::Prefork, ..Setup::default() }.start();
    server.line("TB001");
}
