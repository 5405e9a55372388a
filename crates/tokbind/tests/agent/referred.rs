//! Referred bindings across redirects.

use tokbind::{KeyParameters, Request, Response};

use crate::support::{Scene, Site, SiteOptions};

struct Federation {
    _sites: [Site; 2],
    scene: Scene,
}

/// `rp.test` redirects, `idp.test` is where to.
async fn federation(rp: SiteOptions) -> Federation {
    let sites = [Site::start(rp).await, Site::usual().await];
    let scene = Scene::new(&[("rp.test", &sites[0]), ("idp.test", &sites[1])]).await;
    Federation { _sites: sites, scene }
}

impl Federation {
    async fn get(&self, host: &str, path: &str) -> Response {
        self.get_as("browser", host, path).await
    }

    async fn get_as(&self, user_agent: &str, host: &str, path: &str) -> Response {
        let request = Request::get(host, path).header("user-agent", user_agent);
        let response = self.scene.browser().http2(host).await.request(&request).await.unwrap();
        assert_eq!(response.header("x-refused"), None);
        response
    }

    fn id(&self, host: &str) -> String {
        self.scene.id(host, KeyParameters::ECDSAP256)
    }
}

const REDIRECT: &str = "/redirect?https://idp.test/authorize";

#[tokio::test]
async fn the_next_request_for_the_location_proves_both_keys_once() {
    let federation = federation(SiteOptions::default()).await;
    assert_eq!(federation.get("rp.test", REDIRECT).await.status, 302);
    let response = federation.get("idp.test", "/authorize").await;
    assert_eq!(response.header("x-provided"), Some(federation.id("idp.test").as_str()));
    assert_eq!(response.header("x-referred"), Some(federation.id("rp.test").as_str()));
    let response = federation.get("idp.test", "/authorize").await;
    assert_eq!(response.header("x-provided"), Some(federation.id("idp.test").as_str()));
    assert_eq!(response.header("x-referred"), None);
}

#[tokio::test]
async fn the_referred_key_has_its_own_parameters() {
    let token_binding = Some(KeyParameters::RSA2048_PKCS1_5);
    let federation = federation(SiteOptions { token_binding, ..SiteOptions::default() }).await;
    federation.get("rp.test", REDIRECT).await;
    let response = federation.get("idp.test", "/authorize").await;
    let referred = federation.scene.id("rp.test", KeyParameters::RSA2048_PKCS1_5);
    assert_eq!(response.header("x-referred"), Some(referred.as_str()));
    assert_eq!(response.header("x-provided"), Some(federation.id("idp.test").as_str()));
}

#[tokio::test]
async fn no_other_request_and_no_other_client_does() {
    let federation = federation(SiteOptions::default()).await;
    federation.get("rp.test", REDIRECT).await;
    assert_eq!(federation.get("idp.test", "/").await.header("x-referred"), None);
    assert_eq!(federation.get("idp.test", "/authorize?x").await.header("x-referred"), None);
    assert_eq!(federation.get("rp.test", "/authorize").await.header("x-referred"), None);
    assert_eq!(federation.get_as("other", "idp.test", "/authorize").await.header("x-referred"), None);
    assert!(federation.get("idp.test", "/authorize").await.header("x-referred").is_some());
}

#[tokio::test]
async fn only_a_redirect_that_asks_for_it_does() {
    let federation = federation(SiteOptions::default()).await;
    federation.get("rp.test", "/plain-redirect?https://idp.test/authorize").await;
    assert_eq!(federation.get("idp.test", "/authorize").await.header("x-referred"), None);
}

#[tokio::test]
async fn a_site_without_token_binding_has_nothing_to_refer_to() {
    let federation = federation(SiteOptions { token_binding: None, ..SiteOptions::default() }).await;
    federation.get("rp.test", REDIRECT).await;
    assert_eq!(federation.get("idp.test", "/authorize").await.header("x-referred"), None);
}

#[tokio::test]
async fn a_site_may_refer_to_itself() {
    let federation = federation(SiteOptions::default()).await;
    federation.get("rp.test", "/redirect?/next").await;
    let response = federation.get("rp.test", "/next").await;
    assert_eq!(response.header("x-provided"), response.header("x-referred"));
    assert!(response.header("x-referred").is_some());
}
