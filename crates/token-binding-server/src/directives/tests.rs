//! Each directive's words: what is taken, what is refused and how.

use super::*;

fn directive(name: &CStr) -> &'static Directive {
    static TABLE: [Directive; DIRECTIVES.len()] = DIRECTIVES;
    TABLE.iter().find(|directive| directive.name == name).unwrap()
}

fn server(name: &CStr, words: &[&str]) -> Result<ServerConfig, String> {
    let mut config = ServerConfig::default();
    directive(name)
        .apply(Section::Server(&mut config), words)
        .map(|()| config)
        .map_err(|error| error.to_string())
}

/// Each error names the directive, quotes the word and lists what is allowed.
fn assert_refused(name: &CStr, words: &[&str], quoted: &str, allowed: &str) {
    let message = server(name, words).unwrap_err();
    assert!(message.starts_with(name.to_str().unwrap()), "{message}");
    assert!(message.contains(&format!("\"{quoted}\"")), "{message}");
    assert!(message.contains(allowed), "{message}");
}

#[test]
fn switches_take_on_and_off_in_any_case() {
    assert_eq!(server(c"TokenBindingEnabled", &["off"]).unwrap().enabled, Some(false));
    assert_eq!(server(c"TokenBindingStrict", &["OFF"]).unwrap().strict, Some(false));
    assert_eq!(server(c"TokenBindingPassHeaders", &["On"]).unwrap().pass_headers, Some(true));
    assert_refused(c"TokenBindingStrict", &["maybe"], "maybe", "On or Off");
    assert_refused(c"TokenBindingEnabled", &["On", "Off"], "Off", "On or Off");
    assert!(server(c"TokenBindingEnabled", &[]).unwrap_err().contains("On or Off"));
}

#[test]
fn key_parameters_keep_their_order() {
    let config = server(c"TokenBindingKeyParameters", &["rsa2048_pss", "ECDSAP256"]).unwrap();
    assert_eq!(config.key_parameters(), [KeyParameters::RSA2048_PSS, KeyParameters::ECDSAP256]);
    assert_refused(
        c"TokenBindingKeyParameters",
        &["p256"],
        "p256",
        "ecdsap256, rsa2048_pss, rsa2048_pkcs1.5",
    );
    assert_refused(c"TokenBindingKeyParameters", &["ecdsap256", "ecdsap256"], "ecdsap256", "once");
    assert!(server(c"TokenBindingKeyParameters", &[]).is_err());
}

#[test]
fn versions_from_0_13_to_1_0() {
    assert_eq!(server(c"TokenBindingMinVersion", &["1.0"]).unwrap().min_version(), ProtocolVersion::V1_0);
    assert_eq!(server(c"TokenBindingMinVersion", &["0.16"]).unwrap().min_version().minor, 16);
    for word in ["0.12", "1.1", "2.0", "1", "0.256", "01.0", "v1.0", "1.0 ", ""] {
        assert_refused(c"TokenBindingMinVersion", &[word], word, "0.13 to 1.0");
    }
}

#[test]
fn pass_var_adds_up_within_a_section() {
    let mut config = ServerConfig::default();
    for words in [&["provided"][..], &["context", "Referred"]] {
        directive(c"TokenBindingPassVar").apply(Section::Server(&mut config), words).unwrap();
    }
    let named = [Variable::Provided, Variable::Context, Variable::Referred];
    let expected = named.into_iter().fold(PassVar::NONE, PassVar::with);
    assert_eq!(config.pass(None), expected);
    assert_eq!(server(c"TokenBindingPassVar", &["none"]).unwrap().pass(None), PassVar::NONE);
    assert_refused(c"TokenBindingPassVar", &["none", "provided"], "none", "context");
    assert_refused(c"TokenBindingPassVar", &["provided", "all"], "all", "provided, referred, other, context");
}

#[test]
fn what_may_stand_in_a_directory() {
    for directive in &DIRECTIVES {
        let word = if directive.name == c"TokenBindingPassVar" { "none" } else { "On" };
        let mut config = DirectoryConfig::default();
        let result = directive.apply(Section::Directory(&mut config), &[word]);
        assert_eq!(result.is_ok(), directive.place == Place::ServerAndDirectory, "{result:?}");
        assert_eq!(result.is_ok(), config != DirectoryConfig::default());
    }
}

#[test]
fn trusted_proxies_are_addresses_and_networks() {
    let mut config = ServerConfig::default();
    for words in [&["10.1.2.3"][..], &["fd00::/8", "192.168.0.0/16"]] {
        directive(c"TokenBindingTrustedProxy").apply(Section::Server(&mut config), words).unwrap();
    }
    let proxies = config.trusted_proxies().unwrap();
    for (address, trusted) in
        [("10.1.2.3", true), ("10.1.2.4", false), ("fd12::1", true), ("192.168.9.9", true), ("::1", false)]
    {
        assert_eq!(proxies.contain(address), trusted, "{address}");
    }
    let none = server(c"TokenBindingTrustedProxy", &["none"]).unwrap();
    assert_eq!(none.trusted_proxies, Some(TrustedProxies::default()));
    assert!(server(c"TokenBindingTrustedProxy", &[]).unwrap_err().contains("10.1.0.0/16"));
    for word in
        ["", "proxy.example", "10.1", "10.1.2.3/33", "10.1.2.3/", "::1/129", "0.0.0.0/0", "::/0", "none"]
    {
        assert_refused(c"TokenBindingTrustedProxy", &["10.1.2.3", word], word, "10.1.0.0/16");
    }
}

#[test]
fn cookies() {
    assert!(server(c"TokenBindingCookie", &["a", "b*"]).unwrap().cookies.names().unwrap().binds(b"bc"));
    assert_refused(c"TokenBindingCookie", &["a;b"], "a;b", "names of cookies");
    assert_eq!(server(c"TokenBindingCookieEncrypt", &["on"]).unwrap().cookies.encrypt, Some(true));
    let required = server(c"TokenBindingCookiePolicy", &["Required"]).unwrap().cookies.policy;
    assert_eq!(required, Some(CookiePolicy::Required));
    assert_refused(c"TokenBindingCookiePolicy", &["enforced"], "enforced", "optional, required or report");
    let message = server(c"TokenBindingCookieSecret", &["s3cr3t"]).unwrap_err();
    assert!(message.contains("file:PATH, or exec:COMMAND") && !message.contains("s3cr3t"), "{message}");
}

#[test]
fn names_of_variables_are_checked() {
    let config = server(c"TokenBindingProvidedEnvVar", &["TB_ID"]).unwrap();
    assert_eq!(config.env_name(Variable::Provided), c"TB_ID");
    for word in ["", "1ST", "a b", "a=b", "\u{e9}", "HTTP_X_USER", "http-x"] {
        assert_refused(c"TokenBindingContextEnvVar", &[word], word, "letters, digits");
    }
    let proxied = ["HTTP_SEC_PROVIDED_TOKEN_BINDING_ID"];
    assert!(
        server(c"TokenBindingProvidedEnvVar", &proxied).is_ok(),
        "its header is removed from every request"
    );
}
