//! The directive table: every directive's name, place, help line and setter. A setter's error quotes the word it did
//! not like and lists the words it accepts.

use std::ffi::CStr;

use thiserror::Error;
use token_binding::{KeyParameters, ProtocolVersion};

use crate::config::{DirectoryConfig, ServerConfig};
use crate::cookies::realm::Realm;
use crate::cookies::settings::CookiePolicy;
use crate::dbsc::settings as dbsc;
use crate::env_name::env_name;
use crate::peers::{NoNetwork, TrustedProxies};
use crate::variable::{PassVar, Variable};
use crate::words::{DirectiveError, one};

/// Where a directive may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the server and in virtual hosts.
    Server,
    /// Also in directories and locations, and in `.htaccess` where `AllowOverride AuthConfig` holds (as the C module's).
    ServerAndDirectory,
}

/// One row of the table.
pub struct Directive {
    pub name: &'static CStr,
    pub place: Place,
    pub help: &'static CStr,
    set: Setter,
}

enum Setter {
    Server(fn(&mut ServerConfig, &[&str]) -> Result<(), DirectiveError>),
    /// A setting of directories; in a server section, the default of its directories.
    Directory(fn(&mut DirectoryConfig, &[&str]) -> Result<(), DirectiveError>),
    /// The name of a variable's environment variable.
    EnvName(Variable),
}

/// The settings that a directive writes to: those of the section it stands in.
pub enum Section<'a> {
    Server(&'a mut ServerConfig),
    Directory(&'a mut DirectoryConfig),
}

pub const DIRECTIVES: [Directive; 23] = [
    Directive {
        name: c"TokenBindingEnabled",
        place: Place::Server,
        help: c"On or Off: negotiate and verify Token Binding on this virtual host (default On)",
        set: Setter::Server(|config, words| set(&mut config.enabled, on_or_off(words))),
    },
    Directive {
        name: c"TokenBindingKeyParameters",
        place: Place::Server,
        help: c"accepted key parameters, most preferred first: ecdsap256 rsa2048_pss rsa2048_pkcs1.5 (default: all three)",
        set: Setter::Server(|config, words| set(&mut config.key_parameters, key_parameters(words))),
    },
    Directive {
        name: c"TokenBindingMinVersion",
        place: Place::Server,
        help: c"oldest protocol version accepted, from 0.13 to 1.0 (default 0.13; 1.0 for RFC 8471 only)",
        set: Setter::Server(|config, words| set(&mut config.min_version, min_version(words))),
    },
    Directive {
        name: c"TokenBindingStrict",
        place: Place::Server,
        help: c"On or Off: refuse requests whose Token Binding is wrong or missing, or serve them unbound (default On)",
        set: Setter::Server(|config, words| set(&mut config.strict, on_or_off(words))),
    },
    Directive {
        name: c"TokenBindingPassVar",
        place: Place::ServerAndDirectory,
        help: c"what is passed on: none, or some of provided referred other context certificate device (default: all but context)",
        set: Setter::Directory(|config, words| pass_var(&mut config.pass, words)),
    },
    Directive {
        name: c"TokenBindingPassHeaders",
        place: Place::Server,
        help: c"On or Off: pass the variables on as request headers too, for proxied backends (default On)",
        set: Setter::Server(|config, words| set(&mut config.pass_headers, on_or_off(words))),
    },
    Directive {
        name: c"TokenBindingIncludeReferred",
        place: Place::ServerAndDirectory,
        help: c"On or Off: redirects of bound clients ask them to prove their key to the redirect's target (default Off)",
        set: Setter::Directory(|config, words| set(&mut config.include_referred, on_or_off(words))),
    },
    Directive {
        name: c"TokenBindingTrustedProxy",
        place: Place::Server,
        help: c"none, or addresses and networks of reverse proxies whose Sec-...-Token-Binding-ID headers are believed (default none)",
        set: Setter::Server(|config, words| trusted_proxies(&mut config.trusted_proxies, words)),
    },
    Directive {
        name: c"TokenBindingProvidedEnvVar",
        place: Place::Server,
        help: c"environment variable of the provided Token Binding ID (default Sec-Provided-Token-Binding-ID)",
        set: Setter::EnvName(Variable::Provided),
    },
    Directive {
        name: c"TokenBindingReferredEnvVar",
        place: Place::Server,
        help: c"environment variable of the referred Token Binding ID (default Sec-Referred-Token-Binding-ID)",
        set: Setter::EnvName(Variable::Referred),
    },
    Directive {
        name: c"TokenBindingOtherEnvVar",
        place: Place::Server,
        help: c"environment variable of bindings of other types (default Sec-Other-Token-Binding-ID)",
        set: Setter::EnvName(Variable::Other),
    },
    Directive {
        name: c"TokenBindingContextEnvVar",
        place: Place::Server,
        help: c"environment variable of version, key parameters and EKM (default Sec-Token-Binding-Context)",
        set: Setter::EnvName(Variable::Context),
    },
    Directive {
        name: c"TokenBindingCookie",
        place: Place::Server,
        help: c"cookies to bind to the client's key: all, none, or names, in which * stands for any characters (default none)",
        set: Setter::Server(|config, words| config.cookies.add_names(words)),
    },
    Directive {
        name: c"TokenBindingCookieSecret",
        place: Place::Server,
        help: c"file:PATH or exec:COMMAND: a secret that seals bound cookies; of several lines the first seals, all unseal",
        set: Setter::Server(|config, words| config.cookies.add_secret(words)),
    },
    Directive {
        name: c"TokenBindingCookieEncrypt",
        place: Place::Server,
        help: c"On or Off: encrypt the values of bound cookies, too; Off makes them shorter (default On)",
        set: Setter::Server(|config, words| set(&mut config.cookies.encrypt, on_or_off(words))),
    },
    Directive {
        name: c"TokenBindingCookiePolicy",
        place: Place::Server,
        help: c"optional, required or report: may clients without a key (Token Binding or DBSC) have the bound cookies, unbound; or only say what would be kept back (default optional)",
        set: Setter::Server(|config, words| set(&mut config.cookies.policy, cookie_policy(words))),
    },
    Directive {
        name: c"TokenBindingCookieRealm",
        place: Place::Server,
        help: c"a name: virtual hosts of one realm and secret share their bound cookies (default: the ServerName without port)",
        set: Setter::Server(|config, words| set(&mut config.cookies.realm, Realm::parse(words))),
    },
    Directive {
        name: c"TokenBindingDBSC",
        place: Place::Server,
        help: c"On or Off: bind the cookies of TokenBindingCookie to keys of today's browsers by DBSC, for clients without Token Binding (default Off)",
        set: Setter::Server(|config, words| set(&mut config.cookies.dbsc.enabled, on_or_off(words))),
    },
    Directive {
        name: c"TokenBindingDBSCPath",
        place: Place::Server,
        help: c"the path, from / to /, under which browsers register and refresh (default /.well-known/token-binding-dbsc/)",
        set: Setter::Server(|config, words| set(&mut config.cookies.dbsc.path, dbsc::path(words))),
    },
    Directive {
        name: c"TokenBindingDBSCLifetime",
        place: Place::Server,
        help: c"how many seconds one proof of a browser's key counts, from 10 to 86400 (default 600)",
        set: Setter::Server(|config, words| set(&mut config.cookies.dbsc.lifetime, dbsc::lifetime(words))),
    },
    Directive {
        name: c"TokenBindingDBSCInitiators",
        place: Place::Server,
        help: c"*, none, or hosts of other sites whose links may have a session refreshed first (default *)",
        set: Setter::Server(|config, words| config.cookies.dbsc.add_initiators(words)),
    },
    Directive {
        name: c"TokenBindingDBSCSite",
        place: Place::Server,
        help: c"none, or a domain: one session for it and all hosts below it, for cookies with Domain= (default none)",
        set: Setter::Server(|config, words| set(&mut config.cookies.dbsc.site, dbsc::site(words))),
    },
    Directive {
        name: c"TokenBindingDeviceEnvVar",
        place: Place::Server,
        help: c"environment variable of the key that a device has proved (default Sec-Device-Bound-Session-Key)",
        set: Setter::EnvName(Variable::Device),
    },
];

impl Directive {
    /// Writes the directive's words into the section it stands in. The error is what `httpd -t` prints.
    pub fn apply(&self, section: Section<'_>, words: &[&str]) -> Result<(), Rejected> {
        match (&self.set, section) {
            (Setter::Server(set), Section::Server(config)) => set(config, words),
            (Setter::Directory(set), Section::Server(config)) => set(&mut config.directory, words),
            (Setter::Directory(set), Section::Directory(config)) => set(config, words),
            (Setter::EnvName(variable), Section::Server(config)) => {
                env_name(words).map(|name| config.env_names.set(*variable, Some(name)))
            }
            (Setter::Server(_) | Setter::EnvName(_), Section::Directory(_)) => Err(DirectiveError::Place),
        }
        .map_err(|error| Rejected { directive: self.name, error })
    }
}

/// A directive with words that are wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {error}", directive.to_string_lossy())]
pub struct Rejected {
    directive: &'static CStr,
    error: DirectiveError,
}

fn set<T>(field: &mut Option<T>, parsed: Result<T, DirectiveError>) -> Result<(), DirectiveError> {
    *field = Some(parsed?);
    Ok(())
}

fn on_or_off(words: &[&str]) -> Result<bool, DirectiveError> {
    const ALLOWED: &str = "On or Off";
    let word = one(words, ALLOWED)?;
    if word.eq_ignore_ascii_case("on") {
        Ok(true)
    } else if word.eq_ignore_ascii_case("off") {
        Ok(false)
    } else {
        Err(DirectiveError::invalid(word, ALLOWED))
    }
}

fn key_parameters(words: &[&str]) -> Result<Vec<KeyParameters>, DirectiveError> {
    let allowed = || {
        let names: Vec<&str> = KeyParameters::ALL_KNOWN.into_iter().filter_map(KeyParameters::name).collect();
        format!("one or more of {}", names.join(", "))
    };
    let mut list = Vec::new();
    for word in words {
        let parameters =
            KeyParameters::from_name(word).ok_or_else(|| DirectiveError::invalid(word, allowed()))?;
        if list.contains(&parameters) {
            return Err(DirectiveError::Duplicate { word: (*word).to_owned(), allowed: allowed().into() });
        }
        list.push(parameters);
    }
    if list.is_empty() {
        return Err(DirectiveError::missing(allowed()));
    }
    Ok(list)
}

fn min_version(words: &[&str]) -> Result<ProtocolVersion, DirectiveError> {
    let allowed = format!("a version from {} to {}", ProtocolVersion::OLDEST, ProtocolVersion::V1_0);
    let word = one(words, allowed.clone())?;
    match word.parse::<ProtocolVersion>() {
        Ok(version) if (ProtocolVersion::OLDEST..=ProtocolVersion::V1_0).contains(&version) => Ok(version),
        _ => Err(DirectiveError::invalid(word, allowed)),
    }
}

/// Repeated lines of one section add up, as they did in the C module.
fn pass_var(field: &mut Option<PassVar>, words: &[&str]) -> Result<(), DirectiveError> {
    const ALLOWED: &str = "none, or one or more of provided, referred, other, context, certificate, device";
    let none = |word: &&&str| word.eq_ignore_ascii_case("none");
    if words.is_empty() {
        return Err(DirectiveError::missing(ALLOWED));
    }
    if words.iter().find(none).is_some() {
        if words.len() > 1 {
            return Err(DirectiveError::not_alone("none", ALLOWED));
        }
        *field = Some(PassVar::NONE);
        return Ok(());
    }
    let mut pass = field.unwrap_or(PassVar::NONE);
    for word in words {
        let variable = Variable::ALL
            .into_iter()
            .find(|variable| word.eq_ignore_ascii_case(variable.word()))
            .ok_or_else(|| DirectiveError::invalid(word, ALLOWED))?;
        pass = pass.with(variable);
    }
    *field = Some(pass);
    Ok(())
}

/// Repeated lines of one section add up.
fn trusted_proxies(field: &mut Option<TrustedProxies>, words: &[&str]) -> Result<(), DirectiveError> {
    const ALLOWED: &str =
        "none, or one or more IP addresses or networks such as 10.1.2.3, 10.1.0.0/16, fd00::/8";
    match words {
        [] => return Err(DirectiveError::missing(ALLOWED)),
        [word] if word.eq_ignore_ascii_case("none") => {
            *field = Some(TrustedProxies::default());
            return Ok(());
        }
        words if words.iter().any(|word| word.eq_ignore_ascii_case("none")) => {
            return Err(DirectiveError::not_alone("none", ALLOWED));
        }
        _ => {}
    }
    let networks = words
        .iter()
        .map(|word| {
            word.parse().map_err(|why: NoNetwork| DirectiveError::invalid_because(word, why, ALLOWED))
        })
        .collect::<Result<Vec<_>, _>>()?;
    field.get_or_insert_default().extend(networks);
    Ok(())
}

fn cookie_policy(words: &[&str]) -> Result<CookiePolicy, DirectiveError> {
    const ALLOWED: &str = "optional, required or report";
    let word = one(words, ALLOWED)?;
    if word.eq_ignore_ascii_case("optional") {
        Ok(CookiePolicy::Optional)
    } else if word.eq_ignore_ascii_case("report") {
        Ok(CookiePolicy::Report)
    } else if word.eq_ignore_ascii_case("required") {
        Ok(CookiePolicy::Required)
    } else {
        Err(DirectiveError::invalid(word, ALLOWED))
    }
}

#[cfg(test)]
mod tests;
