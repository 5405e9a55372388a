//! Which wildcards in certificates are not believed.

use openssl::x509::X509Ref;
use psl::Type;

/// Whether the certificate has the host only through a wildcard for a whole public suffix, as in `*.co.uk`. No authority may
/// issue one (CA/Browser Forum's Baseline Requirements, section 3.2.2.6), browsers refuse it, and OpenSSL does not.
pub(super) fn is_too_wide(certificate: &X509Ref, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let Some((_, parent)) = host.split_once('.') else { return false };
    if !is_public_suffix(parent) {
        return false;
    }
    let names = certificate.subject_alt_names();
    let mut names = names.iter().flatten().filter_map(|name| name.dnsname());
    !names.any(|name| name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case(&host))
}

/// Whether registries give out the names directly below `name`. Companies that do so for their customers (the list's private
/// section) run these names themselves, and have wildcards for them.
fn is_public_suffix(name: &str) -> bool {
    psl::suffix(name.as_bytes())
        .is_some_and(|suffix| suffix.as_bytes() == name.as_bytes() && suffix.typ() == Some(Type::Icann))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registrys_suffix_has_no_wildcard_and_a_companys_has() {
        for suffix in ["uk", "co.uk", "com"] {
            assert!(is_public_suffix(suffix), "{suffix}");
        }
        for other in ["example.co.uk", "github.io", "test", "corp"] {
            assert!(!is_public_suffix(other), "{other}");
        }
    }

    #[test]
    fn the_hosts_own_name_is_believed_wherever_it_is() {
        let certificate = |names: &[&str]| tokbind_testing::self_signed("x", names, true).0;
        assert!(is_too_wide(&certificate(&["*.co.uk"]), "shop.co.uk"));
        assert!(is_too_wide(&certificate(&["*.CO.UK", "other.co.uk"]), "Shop.co.uk."));
        assert!(!is_too_wide(&certificate(&["*.co.uk", "shop.co.uk"]), "shop.co.uk"));
        assert!(!is_too_wide(&certificate(&["*.shop.co.uk"]), "www.shop.co.uk"));
        assert!(!is_too_wide(&certificate(&["*.github.io"]), "somebody.github.io"));
        assert!(!is_too_wide(&certificate(&["localhost"]), "localhost"));
    }
}
