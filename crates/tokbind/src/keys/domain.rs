//! Which hosts share a key, and what its file is called.

use std::net::{IpAddr, Ipv6Addr};

use url::Host;

use crate::KeyParameters;

/// The longest file name: most file systems stop at 255 bytes.
const MAX_NAME: usize = 255;

/// The scope of a host's key (RFC 8473 section 2.1): the registered domain by the public suffix list, so that all of
/// `example.com`, and only that, shares one.
///
/// An address, a host name of one label and a public suffix are each a scope of their own. Upper case, a final dot, the
/// brackets of an IPv6 address and the spelling of an internationalised name make no difference.
///
/// ```
/// use tokbind::keys::registered_domain;
///
/// assert_eq!(registered_domain("login.example.co.uk"), "example.co.uk");
/// assert_eq!(registered_domain("somebody.github.io"), "somebody.github.io");
/// assert_eq!(registered_domain("192.0.2.7"), "192.0.2.7");
/// assert_eq!(registered_domain("localhost"), "localhost");
/// ```
pub fn registered_domain(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return IpAddr::V6(address).to_string();
    }
    match Host::parse(bare) {
        Ok(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            if name.split('.').any(str::is_empty) {
                return bare.to_lowercase();
            }
            psl::domain_str(name).unwrap_or(name).to_owned()
        }
        Ok(address) => address.to_string(),
        // No host name. It gets a scope of its own rather than somebody else's.
        Err(_) => bare.to_lowercase(),
    }
}

/// The name of a key's file: the domain, the key parameters, `.pem`. `None` when the domain is empty or too long.
///
/// Bytes that could mean something to a file system or a shell are written as `%` and two hex digits.
pub(super) fn file_name(domain: &str, key_parameters: KeyParameters) -> Option<String> {
    let parameters = key_parameters.name()?;
    let mut name = String::new();
    for (place, byte) in domain.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => name.push(byte.into()),
            // Neither a hidden file nor an option.
            b'.' | b'-' if place > 0 => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    let usable = !name.is_empty();
    name.push_str(&format!(".{parameters}.pem"));
    (usable && name.len() <= MAX_NAME).then_some(name)
}

/// The domain and key parameters that a file is named by; `None` when the file is not a key's.
pub(super) fn parse_file_name(file_name: &str) -> Option<(String, KeyParameters)> {
    let stem = file_name.strip_suffix(".pem")?;
    let (encoded, key_parameters) = KeyParameters::ALL_KNOWN.into_iter().find_map(|parameters| {
        Some((stem.strip_suffix(parameters.name()?)?.strip_suffix('.')?, parameters))
    })?;
    let domain = percent_decode(encoded)?;
    // There is one spelling only, or two files could claim one key.
    (self::file_name(&domain, key_parameters)? == file_name).then_some((domain, key_parameters))
}

fn percent_decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_scope_is_a_registered_domain() {
        for (host, domain) in [
            ("example.com", "example.com"),
            ("www.example.com", "example.com"),
            ("a.b.c.example.com", "example.com"),
            ("WWW.Example.COM.", "example.com"),
            ("www.example.co.uk", "example.co.uk"),
            ("co.uk", "co.uk"),
            ("com", "com"),
            ("a.somebody.github.io", "somebody.github.io"),
            ("github.io", "github.io"),
            ("www.city.kawasaki.jp", "city.kawasaki.jp"),
            ("a.b.kawasaki.jp", "a.b.kawasaki.jp"),
            ("c.a.b.kawasaki.jp", "a.b.kawasaki.jp"),
            // Not on the list: the rule is `*`.
            ("a.b.internal", "b.internal"),
            ("localhost", "localhost"),
            ("intranet.", "intranet"),
            ("a.localhost", "a.localhost"),
        ] {
            assert_eq!(registered_domain(host), domain, "{host}");
        }
    }

    #[test]
    fn spelling_makes_no_difference() {
        assert_eq!(registered_domain("www.食狮.公司.cn"), "xn--85x722f.xn--55qx5d.cn");
        assert_eq!(registered_domain("www.xn--85x722f.xn--55qx5d.cn"), "xn--85x722f.xn--55qx5d.cn");
        assert_eq!(registered_domain("www.Bücher.example"), "xn--bcher-kva.example");
    }

    #[test]
    fn an_address_is_a_scope_of_its_own() {
        assert_eq!(registered_domain("192.0.2.7"), "192.0.2.7");
        assert_eq!(registered_domain("8.192.0.2"), "8.192.0.2");
        for loopback in ["::1", "[::1]", "[0:0:0:0:0:0:0:1]"] {
            assert_eq!(registered_domain(loopback), "::1", "{loopback}");
        }
        assert_eq!(registered_domain("[2001:DB8::7]"), "2001:db8::7");
    }

    #[test]
    fn what_is_no_host_shares_nothing() {
        for odd in ["", ".", "..", "a..example.com", "a b.example.com", "../example.com", "[::1"] {
            assert_ne!(registered_domain(odd), "example.com", "{odd:?}");
        }
    }

    #[test]
    fn file_names_are_safe_and_tell_what_they_hold() {
        const EC: KeyParameters = KeyParameters::ECDSAP256;
        for (domain, parameters, expected) in [
            ("example.com", EC, "example.com.ecdsap256.pem"),
            ("example.com", KeyParameters::RSA2048_PKCS1_5, "example.com.rsa2048_pkcs1.5.pem"),
            ("::1", KeyParameters::RSA2048_PSS, "%3A%3A1.rsa2048_pss.pem"),
            ("..", EC, "%2E..ecdsap256.pem"),
            ("-f", EC, "%2Df.ecdsap256.pem"),
            ("../a/b\0", EC, "%2E.%2Fa%2Fb%00.ecdsap256.pem"),
            ("a%2fb", EC, "a%252fb.ecdsap256.pem"),
        ] {
            assert_eq!(file_name(domain, parameters).as_deref(), Some(expected), "{domain:?}");
            assert_eq!(parse_file_name(expected), Some((domain.to_owned(), parameters)), "{domain:?}");
        }
        assert_eq!(file_name("", EC), None);
        assert_eq!(file_name("a", KeyParameters(88)), None);
        assert!(file_name(&"a".repeat(241), EC).is_some());
        assert_eq!(file_name(&"a".repeat(242), EC), None);
    }

    #[test]
    fn other_files_are_no_keys() {
        for other in [
            "",
            ".lock",
            "ecdsap256.pem",
            ".ecdsap256.pem",
            "example.com.pem",
            "example.com.ecdsap384.pem",
            "example.com.ecdsap256",
            "Example.com.ecdsap256.pem",
            "%65xample.com.ecdsap256.pem",
            "%3a%3a1.ecdsap256.pem",
            "%.ecdsap256.pem",
            "%+1.ecdsap256.pem",
            "%FF.ecdsap256.pem",
        ] {
            assert_eq!(parse_file_name(other), None, "{other:?}");
        }
    }

    proptest! {
        /// Whatever a redirect names as its host: a scope of its own, in a file of the directory.
        #[test]
        fn any_host_has_a_scope_and_a_safe_file(host in "\\PC{0,40}|([a-z0-9-]{0,9}[.]){0,4}(com|co[.]uk|github[.]io|[.])?") {
            let domain = registered_domain(&host);
            prop_assert_eq!(registered_domain(&domain), domain.clone(), "{:?}", host);
            if let Some(name) = file_name(&domain, KeyParameters::ECDSAP256) {
                prop_assert!(!name.starts_with('.') && !name.contains(['/', '\0']) && name.len() <= MAX_NAME);
                prop_assert_eq!(parse_file_name(&name), Some((domain, KeyParameters::ECDSAP256)));
            }
        }

        #[test]
        fn any_file_name_can_be_looked_at(name in "\\PC{0,40}([.]ecdsap256[.]pem)?") {
            if let Some((domain, key_parameters)) = parse_file_name(&name) {
                prop_assert_eq!(file_name(&domain, key_parameters), Some(name));
            }
        }
    }
}
