use openssl::ssl::SslVersion;
use tokbind_testing::dbsc_site::{Flaw, site};
use tokbind_testing::tls::ServerOptions;
use tokbind_testing::web::Web;

use super::*;
use crate::tls::ConnectOptions;

#[test]
fn each_probe_has_a_name_of_its_own() {
    let mut names: Vec<_> = all().map(|probe| probe.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), session_rules().count());
}

/// The probes that a server with this flaw fails.
async fn failed(flaw: Flaw) -> Vec<&'static str> {
    let web = Web::tls(ServerOptions::new(SslVersion::TLS1_3), site(flaw)).await;
    let options = ConnectOptions::new().ca_certificate(web.certificate.clone().unwrap());
    let target = Target::new(&web.url("a.example", "/login"), options).unwrap().resolve(web.address.ip());
    let findings = run_sessions(&target, &SessionOptions::new(), &[], |_| {}).await.unwrap();
    findings.into_iter().filter(|finding| finding.verdict.is_failure()).map(|finding| finding.probe).collect()
}

#[tokio::test]
async fn a_right_server_passes() {
    assert_eq!(failed(Flaw::None).await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_broken_server_fails_where_it_is_broken() {
    for (flaw, expected) in [
        (Flaw::NoChallengeInOffer, &["offer", "registration-challenge"][..]),
        (Flaw::OfferIsShared, &["offer-not-shared"]),
        (Flaw::RegistrationIsCached, &["registration-not-cached"]),
        (Flaw::OtherAttributes, &["cookie-attributes"]),
        (
            Flaw::NoVerification,
            &[
                "registration-alg-none",
                "registration-typ",
                "registration-alg",
                "registration-key",
                "registration-no-point",
                "refresh-key",
                "refresh-alg-none",
                "refresh-typ",
                "refresh-jwk",
            ],
        ),
        (Flaw::AnyChallenge, &["registration-challenge", "refresh-challenge", "refresh-other-session"]),
        (Flaw::RefreshWithoutProof, &["challenge", "refresh"]),
        (Flaw::RefreshEndsOnNoProof, &["challenge", "refresh"]),
        (Flaw::RefreshIsCached, &["refresh-not-cached"]),
        (Flaw::AnyIdentifier, &["session-identifier"]),
        (Flaw::NoCookieOnRefresh, &["refresh"]),
    ] {
        assert_eq!(failed(flaw).await, expected, "{flaw:?}");
    }
}
