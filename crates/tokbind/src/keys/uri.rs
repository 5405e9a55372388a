//! The URI of a token (RFC 7512).

use std::fs;
use std::io;
use std::path::PathBuf;

use zeroize::Zeroizing;

/// PKCS #11 modules of all kinds behind one, where a URI names none.
const P11_KIT: &str = "p11-kit-proxy.so";

/// What a `pkcs11:` URI says of a token: what it is like, and how to get to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TokenUri {
    pub(super) token: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) slot: Option<u64>,
    /// The PKCS #11 module's path.
    pub(super) module: PathBuf,
    pin: Pin,
}

#[derive(Default, PartialEq, Eq)]
enum Pin {
    /// Somebody has to be asked.
    #[default]
    Unknown,
    File(PathBuf),
    Value(Zeroizing<String>),
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Pin::Unknown { "unknown" } else { "known" })
    }
}

impl TokenUri {
    /// Reads a URI. An error says what is wrong with it, and shows no PIN.
    pub(super) fn parse(uri: &str) -> Result<Self, String> {
        let rest = uri.strip_prefix("pkcs11:").ok_or("it does not begin with pkcs11:")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parsed = TokenUri { module: P11_KIT.into(), ..TokenUri::default() };
        for (name, value) in attributes(path, ';')? {
            match name {
                "token" => parsed.token = Some(value),
                "manufacturer" => parsed.manufacturer = Some(value),
                "model" => parsed.model = Some(value),
                "serial" => parsed.serial = Some(value),
                "slot-id" => parsed.slot = Some(value.parse().map_err(|_| "slot-id is a number")?),
                // What is asked for is always a private key, and which one the host says.
                "type" if value == "private" => {}
                other => return Err(format!("{other} does not name a token")),
            }
        }
        for (name, value) in attributes(query, '&')? {
            match name {
                "module-path" => parsed.module = value.into(),
                "module-name" => parsed.module = format!("{value}.so").into(),
                "pin-value" => parsed.pin = Pin::Value(Zeroizing::new(value)),
                "pin-source" => match value.strip_prefix("file:").unwrap_or(&value) {
                    command if command.starts_with('|') => {
                        return Err("a pin-source that is a command is not run".to_owned());
                    }
                    file => parsed.pin = Pin::File(file.strip_prefix("//").unwrap_or(file).into()),
                },
                other => return Err(format!("{other} is not known")),
            }
        }
        Ok(parsed)
    }

    /// The PIN, if the URI says what it is or where; else `None`.
    pub(super) fn pin(&self) -> io::Result<Option<Zeroizing<String>>> {
        match &self.pin {
            Pin::Unknown => Ok(None),
            Pin::Value(pin) => Ok(Some(pin.clone())),
            Pin::File(path) => {
                let text = Zeroizing::new(fs::read_to_string(path)?);
                Ok(Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())))
            }
        }
    }
}

/// Names and values, percent-decoded. None may be there twice.
fn attributes(text: &str, separator: char) -> Result<Vec<(&str, String)>, String> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for attribute in text.split(separator).filter(|attribute| !attribute.is_empty()) {
        let (name, value) = attribute.split_once('=').ok_or("an attribute has a name, = and a value")?;
        if found.iter().any(|(known, _)| *known == name) {
            return Err(format!("{name} is there twice"));
        }
        let value = percent_encoding::percent_decode_str(value).decode_utf8();
        found.push((name, value.map_err(|_| format!("the value of {name} is no text"))?.into_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_token_and_the_way_to_it() {
        let uri = "pkcs11:token=My%20token;serial=12?module-path=/usr/lib/x.so&pin-source=file:/run/pin";
        let parsed = TokenUri::parse(uri).unwrap();
        assert_eq!(parsed.token.as_deref(), Some("My token"));
        assert_eq!(parsed.serial.as_deref(), Some("12"));
        assert_eq!(parsed.module, PathBuf::from("/usr/lib/x.so"));
        assert_eq!(parsed.pin, Pin::File("/run/pin".into()));
        assert_eq!(TokenUri::parse("pkcs11:").unwrap().module, PathBuf::from(P11_KIT));
        let secret = TokenUri::parse("pkcs11:token=a?pin-value=12%2034").unwrap();
        assert_eq!(secret.pin().unwrap().unwrap().as_str(), "12 34");
        assert!(!format!("{secret:?}").contains("34"));
    }

    #[test]
    fn what_names_no_token_is_refused_and_no_pin_is_shown() {
        for wrong in [
            "token=a",
            "pkcs11:object=a?pin-value=s3cret",
            "pkcs11:token",
            "pkcs11:token=a;token=b",
            "pkcs11:token=%ff",
            "pkcs11:slot-id=x",
            "pkcs11:?pin-source=|cat s3cret",
            "pkcs11:?pin-value=s3cret&x=y",
        ] {
            let error = TokenUri::parse(wrong).unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
