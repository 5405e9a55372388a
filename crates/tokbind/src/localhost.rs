//! Names below `localhost`.

/// The name to look up for this host: itself, but `localhost` for what is below it. These are all this machine
/// (RFC 6761 section 6.3); browsers and curl know that, and many a system's resolver does not.
pub(crate) fn name_to_look_up(host: &str) -> &str {
    let name = host.strip_suffix('.').unwrap_or(host);
    match name.rsplit_once('.') {
        Some((_, last)) if last.eq_ignore_ascii_case("localhost") => last,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_localhost_is_localhost() {
        for (host, name) in [
            ("rp.localhost", "localhost"),
            ("a.b.LocalHost", "LocalHost"),
            ("rp.localhost.", "localhost"),
            ("localhost", "localhost"),
            ("notlocalhost", "notlocalhost"),
            ("localhost.example.com", "localhost.example.com"),
            ("example.com.", "example.com."),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
        ] {
            assert_eq!(name_to_look_up(host), name, "{host}");
        }
    }
}
