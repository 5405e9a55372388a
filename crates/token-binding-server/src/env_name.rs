//! The names that an administrator may give to the module's environment variables: none that a client, or anybody else, sets.

use std::ffi::CString;

use crate::words::{DirectiveError, one};

const ALLOWED: &str = "the name of an environment variable: letters, digits, \"_\" and \"-\", no digit first";

/// Names that have a meaning already, in the spelling of a CGI program's environment: the meta-variables of CGI (RFC 3875 s4.1)
/// and of httpd, and what loaders, shells and interpreters read.
const TAKEN: &[&str] = &[
    "AUTH_TYPE",
    "BASH_ENV",
    "CACHE",
    "CLASSPATH",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "DATE_GMT",
    "DATE_LOCAL",
    "DOCUMENT_NAME",
    "DOCUMENT_ROOT",
    "DOCUMENT_URI",
    "DONT_VARY",
    "DOWNGRADE_1_0",
    "ENV",
    "GATEWAY_INTERFACE",
    "HANDLER",
    "HOME",
    "HTTP2",
    "HTTPS",
    "IFS",
    "LANG",
    "LAST_MODIFIED",
    "LOGNAME",
    "NOKEEPALIVE",
    "NO_CACHE",
    "NO_ETAG",
    "NO_GZIP",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PATH",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "PWD",
    "QUERY_STRING",
    "RUBYLIB",
    "RUBYOPT",
    "SHELL",
    "TERM",
    "TMPDIR",
    "TZ",
    "UNIQUE_ID",
    "USER",
    "USER_NAME",
];

/// What the names of whole families begin with.
const FAMILIES: &[&str] = &[
    "AUTHENTICATE_",
    "AUTHORIZE_",
    "BALANCER_",
    "CONTEXT_",
    "DYLD_",
    "FCGI_",
    "FORCE_",
    "GZIP_ONLY_",
    "H2PUSH",
    "H2_",
    "LC_",
    "LD_",
    "MELLON_",
    "OIDC_",
    "PERL5",
    "PROXY_",
    "PYTHON",
    "REDIRECT_",
    "REMOTE_",
    "REQUEST_",
    "SCRIPT_",
    "SERVER_",
    "SSL_",
    "SUPPRESS_ERROR_",
];

/// The one name that a directive takes.
pub(crate) fn env_name(words: &[&str]) -> Result<CString, DirectiveError> {
    let word = one(words, ALLOWED)?;
    let valid = word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !valid {
        return Err(DirectiveError::invalid(word, ALLOWED));
    }
    if is_forgeable(word) {
        return Err(DirectiveError::invalid_because(
            word,
            ": a client sets variables that begin with HTTP_ by sending a header of that name",
            format!("{ALLOWED}, not beginning with HTTP_"),
        ));
    }
    if is_taken(word) {
        return Err(DirectiveError::invalid_because(
            word,
            ": that variable has a meaning of its own, and whoever reads it would take a key for it",
            format!("{ALLOWED}, of nobody else's"),
        ));
    }
    CString::new(word).map_err(|_| DirectiveError::invalid(word, ALLOWED))
}

/// Whether a client's request header would become this variable. Not if the header is one that is removed from every request.
fn is_forgeable(name: &str) -> bool {
    match name.split_at_checked(5) {
        Some((prefix, header)) if prefix.replace('-', "_").eq_ignore_ascii_case("HTTP_") => {
            crate::headers::reserved(header.as_bytes()).is_none()
        }
        _ => false,
    }
}

/// Whether somebody else sets or reads a variable of this name. In a CGI program's environment `-` becomes `_`.
fn is_taken(name: &str) -> bool {
    let folded = name.replace('-', "_").to_ascii_uppercase();
    TAKEN.contains(&folded.as_str()) || FAMILIES.iter().any(|family| folded.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variable::Variable;

    #[test]
    fn names_of_others_are_refused() {
        for name in [
            "PATH",
            "path",
            "HTTPS",
            "REMOTE_USER",
            "remote-user",
            "AUTH_TYPE",
            "SSL_CLIENT_VERIFY",
            "LD_PRELOAD",
            "REDIRECT_STATUS",
            "no-gzip",
            "force-response-1.0",
            "proxy-nokeepalive",
            "OIDC_CLAIM_sub",
        ] {
            let problem = env_name(&[name]).unwrap_err().to_string();
            assert!(problem.contains(name) || problem.contains("invalid"), "{name}: {problem}");
        }
    }

    #[test]
    fn the_default_names_and_ones_own_are_taken() {
        for name in
            ["TB_ID", "HTTPS_KEY", "MY_PATH", "SSLKEY", "Token-Binding", "HTTP_SEC_PROVIDED_TOKEN_BINDING_ID"]
        {
            assert_eq!(env_name(&[name]).unwrap().to_bytes(), name.as_bytes());
        }
        for variable in Variable::ALL {
            let name = variable.default_env_name().to_str().unwrap();
            assert_eq!(env_name(&[name]).unwrap().to_str().unwrap(), name);
        }
    }
}
