//! Federation: what the relying party, the provider and the browser say to each other on the way, and what a relying
//! party makes of an id_token that is bound to somebody else's key, or to none. The browser is played step by step.

use tokbind::http1::Http1;
use tokbind::{Request, Response, binding, federation};

use httpd_harness::client::{connect, options, unbound};
use httpd_harness::httpd::HOST;
use httpd_harness::provider::{PROVIDER, SingleSignOn};
use httpd_harness::{Httpd, Visitor, shown};

const PROTECTED: &str = "/app/env.cgi";

/// A browser and what it shows where: a key to the relying party, if any, and to the provider, there with a referred one.
#[derive(Clone, Copy)]
struct Walk<'w> {
    server: &'w Httpd,
    relying: Option<&'w Visitor>,
    provider: Option<&'w Visitor>,
    referred: Option<&'w Visitor>,
}

impl Walk<'_> {
    /// Sends a request on a connection of its own, with these keys.
    async fn send(
        &self,
        request: Request,
        provided: Option<&Visitor>,
        referred: Option<&Visitor>,
    ) -> Response {
        // A browser's: mod_auth_openidc sends nobody else to the provider.
        let request = request.header("Accept", "text/html");
        let options = if provided.is_some() { options() } else { unbound() };
        let mut http = Http1::new(connect(self.server, &options).await);
        let request = match provided {
            Some(provided) => {
                let referred = referred.map(|referred| &referred.key as &dyn binding::Signer);
                let ekm = http.get_ref().ekm().unwrap();
                request.header(
                    binding::SEC_TOKEN_BINDING,
                    binding::header(&ekm, &provided.key, referred).unwrap(),
                )
            }
            None => request,
        };
        http.request(&request).await.unwrap()
    }

    /// Asks for the protected page: the redirect to the provider, and the cookie that goes with it.
    async fn begin(&self) -> (Response, String) {
        let redirect = self.send(Request::get(HOST, PROTECTED), self.relying, None).await;
        assert_eq!(redirect.status, 302, "{}", redirect.text());
        let cookie = cookie(&redirect);
        (redirect, cookie)
    }

    /// Logs alice in at the provider that the redirect leads to: the redirect back.
    async fn log_in(&self, redirect: &Response) -> Response {
        let path = path(redirect, PROVIDER);
        let form = self.send(Request::get(PROVIDER, &path), self.provider, self.referred).await;
        assert_eq!(form.status, 200, "{}", form.text());
        self.send(filled_in(&path, &form), self.provider, None).await
    }

    /// Comes back to the relying party: what it answers.
    async fn come_back(&self, redirect: &Response, cookie: &str) -> Response {
        let request = Request::get(HOST, &path(redirect, HOST)).header("Cookie", cookie);
        self.send(request, self.relying, None).await
    }

    /// All of it: does the relying party let this browser in?
    async fn is_let_in(&self) -> bool {
        let (redirect, state) = self.begin().await;
        let back = self.log_in(&redirect).await;
        assert_eq!(back.status, 302, "{}", back.text());
        let answer = self.come_back(&back, &state).await;
        if !has_session(&answer) {
            return false;
        }
        let request = Request::get(HOST, PROTECTED).header("Cookie", cookie(&answer));
        let page = self.send(request, self.relying, None).await;
        page.status == 200 && shown(&page.text(), "OIDC_CLAIM_sub") == Some("alice")
    }
}

/// The provider's form, which has what its address had, filled in by alice.
fn filled_in(path: &str, form: &Response) -> Request {
    let (_, query) = path.split_once('?').unwrap();
    Request::new("POST", PROVIDER, "/authorize")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Cookie", cookie(form))
        .body(format!("{query}&sub=alice"))
}

/// Whether the relying party's answer begins a session. If not, it is a page that says so.
fn has_session(answer: &Response) -> bool {
    answer.headers_named("Set-Cookie").any(|value| value.starts_with(b"mod_auth_openidc_session="))
}

/// The cookies that a response sets, as they are sent back.
fn cookie(response: &Response) -> String {
    let pair = |value: &[u8]| String::from_utf8_lossy(value).split(';').next().unwrap().to_owned();
    response.headers_named("Set-Cookie").map(pair).collect::<Vec<_>>().join("; ")
}

/// The path and query that a redirect to this host leads to.
fn path(redirect: &Response, host: &str) -> String {
    let location = redirect.headers_named("Location").next().expect("a redirect leads somewhere");
    let url = tokbind::client::Url::parse(std::str::from_utf8(location).unwrap()).unwrap();
    assert_eq!(url.host_str(), Some(host), "{url}");
    format!("{}?{}", url.path(), url.query().unwrap())
}

fn is_asked(response: &Response) -> bool {
    federation::is_asked_for(
        true,
        response.status,
        response.headers_named(binding::INCLUDE_REFERRED_TOKEN_BINDING_ID),
    )
}

#[tokio::test]
async fn the_redirect_to_the_provider_asks_for_the_key_and_the_one_back_does_not() {
    let (server, _provider) = SingleSignOn::with_policy("enforced").start().await;
    let (here, there) = (Visitor::new(), Visitor::new());
    let walk = Walk { server: &server, relying: Some(&here), provider: Some(&there), referred: Some(&here) };
    let (redirect, _) = walk.begin().await;
    assert!(is_asked(&redirect), "{:?}", redirect.headers);
    let back = walk.log_in(&redirect).await;
    assert!(!is_asked(&back), "{:?}", back.headers);
    // A browser without Token Binding has nothing to prove.
    let (redirect, _) = Walk { relying: None, ..walk }.begin().await;
    assert!(!is_asked(&redirect), "{:?}", redirect.headers);
}

/// Both ask, once: mod_auth_openidc's own header stands.
#[tokio::test]
async fn the_module_asks_only_where_mod_auth_openidc_does_not() {
    for (policy, asked) in [("optional", 1), ("disabled", 1)] {
        let mut site = SingleSignOn::with_policy(policy);
        site.directives = "<Location /app>\n  TokenBindingIncludeReferred On\n</Location>".into();
        let (server, _provider) = site.start().await;
        let here = Visitor::new();
        let walk = Walk { server: &server, relying: Some(&here), provider: None, referred: None };
        let (redirect, _) = walk.begin().await;
        let lines = redirect.headers_named(binding::INCLUDE_REFERRED_TOKEN_BINDING_ID).count();
        assert_eq!(lines, asked, "{policy}: {:?}", redirect.headers);
        assert!(is_asked(&redirect));
    }
}

/// What each policy of mod_auth_openidc lets in: (the client's key, what the id_token is bound to).
#[tokio::test]
async fn an_id_token_bound_to_somebody_else_is_refused() {
    let (here, there, somebody) = (Visitor::new(), Visitor::new(), Visitor::new());
    for (policy, own, foreign, none, unbound_client) in [
        ("optional", true, true, true, true),
        ("required", true, false, false, false),
        ("enforced", true, false, false, false),
    ] {
        let (mut server, _provider) = SingleSignOn::with_policy(policy).start().await;
        server.announce("auth_openidc:error");
        let walk =
            Walk { server: &server, relying: Some(&here), provider: Some(&there), referred: Some(&here) };
        assert_eq!(walk.is_let_in().await, own, "{policy}: bound to the client's key");
        let to_somebody = Walk { referred: Some(&somebody), ..walk };
        assert_eq!(to_somebody.is_let_in().await, foreign, "{policy}: bound to somebody else's key");
        if !foreign {
            let why = "hash of provided token binding ID environment variable does not match cnf[\"tbh\"]";
            assert!(server.log().contains(why), "an administrator sees why: {}", server.log());
        }
        let to_none = Walk { referred: None, ..walk };
        assert_eq!(to_none.is_let_in().await, none, "{policy}: bound to no key");
        let without = Walk { relying: None, referred: None, ..walk };
        assert_eq!(without.is_let_in().await, unbound_client, "{policy}: neither client nor token bound");
    }
}

/// The one gap of "required": a bound id_token is taken from a client that has no Token Binding at all.
#[tokio::test]
async fn only_enforced_refuses_a_bound_id_token_from_an_unbound_client() {
    let (there, somebody) = (Visitor::new(), Visitor::new());
    for (policy, expected) in [("optional", true), ("required", true), ("enforced", false)] {
        let (mut server, _provider) = SingleSignOn::with_policy(policy).start().await;
        server.announce("auth_openidc:error");
        let walk = Walk { server: &server, relying: None, provider: Some(&there), referred: Some(&somebody) };
        assert_eq!(walk.is_let_in().await, expected, "{policy}");
    }
}

/// The provider binds the login to the browser that began it, so that nobody goes on with another's.
#[tokio::test]
async fn a_login_that_was_begun_with_another_key_is_refused_by_the_provider() {
    let (server, _provider) = SingleSignOn::with_policy("enforced").start().await;
    let (here, there, thief) = (Visitor::new(), Visitor::new(), Visitor::new());
    let walk = Walk { server: &server, relying: Some(&here), provider: Some(&there), referred: Some(&here) };
    let (redirect, _) = walk.begin().await;
    let path = path(&redirect, PROVIDER);
    let form = walk.send(Request::get(PROVIDER, &path), Some(&there), Some(&here)).await;
    let request = filled_in(&path, &form);
    let mut answers = Vec::new();
    for provided in [Some(&thief), None] {
        answers.push(walk.send(request.clone(), provided, None).await.status);
    }
    assert_eq!(answers, [400, 400]);
    assert_eq!(walk.send(request, Some(&there), None).await.status, 302);
}

/// The provider reads nothing that httpd did not verify.
#[tokio::test]
async fn forged_headers_do_not_bind_an_id_token() {
    let (mut server, _provider) = SingleSignOn::with_policy("enforced").start().await;
    server.announce("auth_openidc:error");
    let (here, there) = (Visitor::new(), Visitor::new());
    let walk = Walk { server: &server, relying: Some(&here), provider: Some(&there), referred: None };
    let (redirect, state) = walk.begin().await;
    let path = path(&redirect, PROVIDER);
    let id = here.id();
    let forged = ["Sec-Referred-Token-Binding-ID", "Sec_Referred_Token_Binding_ID"]
        .iter()
        .fold(Request::get(PROVIDER, &path), |request, name| request.header(name, &id));
    let form = walk.send(forged, Some(&there), None).await;
    let back = walk.send(filled_in(&path, &form), Some(&there), None).await;
    assert!(!has_session(&walk.come_back(&back, &state).await), "the id_token is bound to no key");
}
