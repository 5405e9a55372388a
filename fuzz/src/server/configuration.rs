use std::net::IpAddr;

use token_binding::{KeyParameters, ProtocolVersion};

use super::readers::as_applications_see;
use token_binding_server::config::{DirectoryConfig, ServerConfig};
use token_binding_server::cookies::names::CookieNames;
use token_binding_server::directives::{DIRECTIVES, Directive, Place, Section};
use token_binding_server::questions::{Question, Requirement};
use token_binding_server::variable::Variable;

static TABLE: [Directive; DIRECTIVES.len()] = DIRECTIVES;

/// A configuration: lines of a directive and its words, for a server, or behind `<` for a directory of it. What is
/// refused changes nothing and says what is allowed; what is taken is what was written.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (mut server, mut directory) = (ServerConfig::default(), DirectoryConfig::default());
    for line in text.lines() {
        let (line, in_directory) = line.strip_prefix('<').map_or((line, false), |line| (line, true));
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let Some(name) = words.next() else { continue };
        let words: Vec<&str> = words.collect();
        asked(name, &words);
        let Some(row) = TABLE.iter().find(|row| row.name.to_bytes().eq_ignore_ascii_case(name.as_bytes()))
        else {
            continue;
        };
        if in_directory {
            let before = directory.clone();
            let result =
                row.apply(Section::Directory(&mut directory), &words).map_err(|error| error.to_string());
            answered(row, &words, &result, directory == before);
            assert!(result.is_err() || row.place == Place::ServerAndDirectory);
        } else {
            let before = server.clone();
            let result = row.apply(Section::Server(&mut server), &words).map_err(|error| error.to_string());
            answered(row, &words, &result, server == before);
            if result.is_ok() {
                written(row, &words, &server);
            }
        }
    }
    merged(&server, &directory);
}

/// An error names the directive, quotes a word unless there is none or it may be a secret, and has changed nothing.
fn answered(row: &Directive, words: &[&str], result: &Result<(), String>, is_unchanged: bool) {
    let name = row.name.to_str().unwrap();
    let Err(message) = result else { return assert!(!words.is_empty()) };
    assert!(is_unchanged, "{message}");
    assert!(message.starts_with(&format!("{name}: ")), "{message}");
    if name == "TokenBindingCookieSecret" {
        assert!(
            message.contains("file:PATH, or exec:COMMAND") || message.contains("is allowed in"),
            "{message}"
        );
        // Behind `file:PATH` nobody writes a secret; a word alone may be one.
        let is_file = words.first().is_some_and(|first| first.starts_with("file:"));
        let secret = words.first().filter(|word| !is_file && word.len() > name.len());
        assert!(secret.is_none_or(|word| !message.contains(word)), "a secret in a message");
        return;
    }
    let quotes =
        |word: &&str| message.to_ascii_lowercase().contains(&format!("\"{word}\"").to_ascii_lowercase());
    let says_why = words.iter().any(quotes)
        || ["takes a value: ", "is allowed in the server", "\"all\" and \"none\" can't be"]
            .iter()
            .any(|why| message.contains(why));
    assert!(says_why, "{message}");
}

/// What a line has set, read back.
fn written(row: &Directive, words: &[&str], server: &ServerConfig) {
    match row.name.to_str().unwrap() {
        "TokenBindingKeyParameters" => {
            let names = server.key_parameters().iter().filter_map(|known| known.name());
            assert!(names.eq(words.iter().map(|word| word.to_ascii_lowercase())));
        }
        "TokenBindingMinVersion" => {
            assert_eq!(server.min_version().to_string(), words[0]);
            assert!((ProtocolVersion::OLDEST..=ProtocolVersion::V1_0).contains(&server.min_version()));
        }
        "TokenBindingTrustedProxy" if words[0].eq_ignore_ascii_case("none") => {
            assert!(server.trusted_proxies().is_none());
        }
        "TokenBindingTrustedProxy" => words.iter().for_each(|word| proxy(word, server)),
        "TokenBindingCookie" => cookies(words, server.cookies.names.as_ref().unwrap()),
        _ => {}
    }
    assert!(server.key_parameters().iter().all(|known| KeyParameters::ALL_KNOWN.contains(known)));
    for variable in Variable::ALL {
        let name = server.env_name(variable).to_str().unwrap().to_ascii_uppercase().replace('-', "_");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert!(
            !name.starts_with("HTTP_")
                || name.ends_with("TOKEN_BINDING_ID")
                || name.contains("SEC_TOKEN_BINDING")
                || name == "HTTP_SEC_DEVICE_BOUND_SESSION_KEY"
                || name.ends_with("TB_SSL_CLIENT_CERT_FINGERPRINT")
        );
    }
}

/// The first and the last address of a network are in it; IPv4 also as IPv6 writes it.
fn proxy(word: &str, server: &ServerConfig) {
    let proxies = server.trusted_proxies().unwrap();
    let (address, length) = word.split_once('/').unwrap_or((word, "128"));
    let (address, length): (IpAddr, u32) = (address.parse().unwrap(), length.parse().unwrap());
    assert!(length > 0, "everybody");
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            for bits in [address.to_bits() & !host, address.to_bits() | host] {
                let ip = std::net::Ipv4Addr::from_bits(bits);
                assert!(
                    proxies.contain(&ip.to_string()) && proxies.contain(&format!("::ffff:{ip}")),
                    "{word}"
                );
            }
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            for bits in [address.to_bits() & !host, address.to_bits() | host] {
                let ip = std::net::Ipv6Addr::from_bits(bits);
                // A larger network than that of all mapped addresses does not have them: they are IPv4's.
                let is_foreign = length < 96 && ip.to_ipv4_mapped().is_some();
                assert!(proxies.contain(&ip.to_string()) || is_foreign, "{word}");
            }
        }
    }
    for nobody in ["", "localhost", "/run/proxy.sock", "10.0.0.1:80", "unknown"] {
        assert!(!proxies.contain(nobody));
    }
}

/// Each name is bound as it was written, and as every application would read it.
fn cookies(words: &[&str], names: &CookieNames) {
    let is_none = |word: &&str| word.eq_ignore_ascii_case("none");
    assert_eq!(names.binds_any(), !words.iter().any(is_none));
    for word in words.iter().filter(|word| !is_none(word)) {
        let name = word.replace('*', "a.b");
        let spellings = [
            name.clone(),
            name.to_ascii_uppercase(),
            name.replace('_', "."),
            format!(" {name}\t"),
            format!("\"{name}\""),
            format!("{name}[x]"),
            name.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        ];
        for spelling in &spellings {
            assert!(names.binds(spelling.as_bytes()), "{spelling}");
        }
        // `%7*` is not an escape before the wildcard is filled in.
        let is_readable = word.len() > 1 && !(word.contains('*') && word.contains('%'));
        for seen in as_applications_see(name.as_bytes()).iter().filter(|_| is_readable) {
            assert!(names.binds(seen), "{}", seen.escape_ascii());
        }
    }
}

/// Silence inherits, the inner value wins, and three levels can be merged from either end.
fn merged(server: &ServerConfig, directory: &DirectoryConfig) {
    let silent = ServerConfig::default();
    assert_eq!(&ServerConfig::merge(server, &silent), server);
    assert_eq!(&ServerConfig::merge(&silent, server), server);
    assert_eq!(&ServerConfig::merge(server, server), server);
    let other = ServerConfig { strict: Some(false), directory: directory.clone(), ..ServerConfig::default() };
    let left = ServerConfig::merge(&ServerConfig::merge(server, &other), server);
    assert_eq!(left, ServerConfig::merge(server, &ServerConfig::merge(&other, server)));
    assert_eq!(&DirectoryConfig::merge(directory, &DirectoryConfig::default()), directory);
    assert_eq!(server.pass(Some(directory)), directory.pass.unwrap_or_else(|| server.pass(None)));
    if server.check().is_ok() {
        let names = Variable::ALL.map(|variable| server.env_name(variable).to_bytes().to_ascii_lowercase());
        for (position, name) in names.iter().enumerate() {
            assert!(!names[..position].contains(name), "one variable would overwrite another");
        }
    }
}

/// `Require token-binding` and `TOKEN_BINDING(...)` read words of the configuration, too.
fn asked(name: &str, words: &[&str]) {
    match name {
        "Require" => {
            let known = ["provided", "referred", "not"];
            let is_known = |word: &&str| known.iter().any(|known| word.eq_ignore_ascii_case(known));
            // httpd hands all of them over at once.
            let said: Vec<&str> = words.iter().flat_map(|word| word.split_ascii_whitespace()).collect();
            let is_right = said.len() < 2 && said.iter().all(is_known);
            assert_eq!(Requirement::parse(&words.join(" ")).is_ok(), is_right);
        }
        "TOKEN_BINDING" => {
            let word = words.join(" ");
            if let Err(message) = Question::parse(&word).map_err(|error| error.to_string()) {
                assert!(message.contains(&format!("\"{word}\"")) && message.contains("key_parameters"));
            }
        }
        _ => {}
    }
}
