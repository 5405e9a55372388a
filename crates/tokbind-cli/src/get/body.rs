//! What a request is made of on the command line.

use std::fs;
use std::io::{Read, stdin};

use http::{HeaderName, HeaderValue};
use tokbind::client::Url;

use crate::Failure;

/// Reads a header line.
pub(crate) fn header(line: &str) -> Result<(String, Vec<u8>), String> {
    let (name, value) = line.split_once(':').ok_or("a name, a colon and a value are expected")?;
    let (name, value) = (name.trim(), value.trim());
    HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
    HeaderValue::from_str(value).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value.as_bytes().to_vec()))
}

/// The body that all `--data` options make together.
pub(crate) fn read(data: &[String]) -> Result<Option<Vec<u8>>, Failure> {
    let mut parts = Vec::new();
    for part in data {
        parts.push(match (part.strip_prefix('@'), part.split_once("=@")) {
            (Some(file), _) => content(file)?,
            (None, Some((name, file))) => {
                let value = content(file)?;
                let value = String::from_utf8(value).map_err(Failure::at(file))?;
                format!("{name}={}", encode(value.trim_end_matches(['\r', '\n']))).into_bytes()
            }
            (None, None) => part.clone().into_bytes(),
        });
    }
    Ok((!data.is_empty()).then(|| parts.join(&b'&')))
}

fn content(file: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    if file == "-" {
        stdin().read_to_end(&mut bytes).map_err(Failure::at("reading standard input"))?;
        Ok(bytes)
    } else {
        fs::read(file).map_err(Failure::at(file))
    }
}

/// A value of `application/x-www-form-urlencoded`. The `url` crate writes queries in that format.
fn encode(value: &str) -> String {
    let Ok(mut url) = Url::parse("http://localhost/") else { return String::new() };
    url.query_pairs_mut().append_pair("", value);
    url.query().unwrap_or_default().trim_start_matches('=').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_line_is_checked() {
        assert_eq!(header("X-A:  b c "), Ok(("X-A".to_owned(), b"b c".to_vec())));
        assert_eq!(header("X-Empty:"), Ok(("X-Empty".to_owned(), Vec::new())));
        for wrong in ["", "X-A", ": b", "X A: b", "X-A: b\r\nX-B: c"] {
            assert!(header(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn data_is_joined() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        fs::write(&file, "p&w=\u{e4}\n").unwrap();
        let file = file.to_str().unwrap();
        let read = |data: &[String]| read(data).unwrap().map(|body| String::from_utf8(body).unwrap());
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[String::new()]).as_deref(), Some(""));
        assert_eq!(read(&["a=b".to_owned(), "c".to_owned()]).as_deref(), Some("a=b&c"));
        assert_eq!(read(&[format!("@{file}")]).as_deref(), Some("p&w=\u{e4}\n"));
        assert_eq!(read(&[format!("x=@{file}")]).as_deref(), Some("x=p%26w%3D%C3%A4"));
        assert_eq!(read(&["mail=a@b".to_owned()]).as_deref(), Some("mail=a@b"));
        assert!(super::read(&["@/nowhere/f".to_owned()]).is_err());
    }
}
