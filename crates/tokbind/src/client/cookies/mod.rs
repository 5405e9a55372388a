//! Cookies (RFC 6265, and what draft-ietf-httpbis-rfc6265bis adds).

mod bytes;
mod netscape;
mod rules;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use cookie_store::{Cookie, CookieStore, RawCookie};
use url::Url;

use self::netscape::Line;
use crate::error::{Error, Result};
use crate::message::Response;

/// Cookies, in memory.
#[derive(Clone, Debug, Default)]
pub struct CookieJar {
    cookies: CookieStore,
    /// When each was created, in numbers: a newer value does not make a cookie younger (RFC 6265 section 5.3).
    created: HashMap<Place, u64>,
    next: u64,
}

/// What tells two cookies apart: domain, path and name.
type Place = (String, String, String);

fn place(cookie: &Cookie<'_>) -> Place {
    ((&cookie.domain).into(), (&cookie.path).into(), cookie.name().to_owned())
}

impl CookieJar {
    /// Reads the cookies in a file of the Netscape format, as curl and others have it. No file, and an empty one, hold none.
    ///
    /// # Errors
    /// [`Error::File`] when the file can't be read or is in another format.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(Error::file("reading the cookie jar", path))?,
        };
        let mut jar = CookieJar::default();
        for line in netscape::lines(&file).map_err(Error::file("reading the cookie jar", path))? {
            jar.put(line.cookie, &line.from);
        }
        Ok(jar)
    }

    /// Writes the cookies to a file of the Netscape format, those included that a browser would drop when it is closed. The
    /// file is readable for its owner only, and whole or not there at all.
    ///
    /// # Errors
    /// [`Error::File`] when the file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.replace(path).map_err(Error::file("writing the cookie jar", path))
    }

    /// What [`write`](Self::write) writes.
    pub fn content(&self) -> Vec<u8> {
        let mut cookies: Vec<_> = self.cookies.iter_unexpired().collect();
        cookies.sort_by_key(|cookie| self.age(cookie));
        netscape::file(cookies.into_iter().map(Line::of))
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        // Where the jar really is, if its name is a symbolic link.
        let path = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            path => path?,
        };
        let content = self.content();
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            // `-c /dev/stdout` and the like: nothing to be replaced.
            return fs::OpenOptions::new().write(true).open(&path)?.write_all(&content);
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = tempfile::Builder::new()
            .prefix(".tokbind-")
            .tempfile_in(directory.unwrap_or_else(|| Path::new(".")))?;
        file.write_all(&content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// The value of the `Cookie` header for a request: longer paths first, then older cookies (RFC 6265 section 5.4).
    pub fn header(&self, url: &Url) -> Option<Vec<u8>> {
        let mut cookies = self.cookies.matches(url);
        cookies.sort_by_key(|cookie| (Reverse(String::from(&cookie.path).len()), self.age(cookie)));
        let pairs: Vec<_> = cookies
            .iter()
            .map(|cookie| bytes::encode(&format!("{}={}", cookie.name(), cookie.value())))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join(&b"; "[..]))
    }

    fn age(&self, cookie: &Cookie<'_>) -> u64 {
        self.created.get(&place(cookie)).copied().unwrap_or(u64::MAX)
    }

    /// Whether a request would carry a cookie of this name.
    #[cfg(feature = "dbsc")]
    pub(super) fn has(&self, url: &Url, name: &str) -> bool {
        self.cookies.get_request_values(url).any(|(known, _)| known == name)
    }

    /// How many cookies there are.
    pub fn len(&self) -> usize {
        self.cookies.iter_unexpired().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the cookies that a response sets.
    pub fn take(&mut self, url: &Url, response: &Response) {
        for line in response.headers_named("set-cookie") {
            self.insert(line, url);
        }
    }

    /// Takes a cookie, written as in a `Set-Cookie` header, as if this URL had set it. One that breaks a rule is ignored
    /// (RFC 6265 section 5.3).
    pub fn insert(&mut self, set_cookie: &[u8], url: &Url) {
        if let Some(cookie) = rules::parsed(set_cookie) {
            self.put(cookie, url);
        }
    }

    fn put(&mut self, cookie: RawCookie<'static>, url: &Url) {
        let Some(cookie) = rules::acceptable(cookie, url) else { return };
        let Ok(cookie) = Cookie::try_from_raw_cookie(&cookie, url) else { return };
        if !rules::is_secure(url) && self.hides_secure_one(&cookie) {
            return;
        }
        let place = place(&cookie);
        if self.cookies.insert(cookie, url).is_ok() {
            let known = self.cookies.contains(&place.0, &place.1, &place.2);
            if known && !self.created.contains_key(&place) {
                self.created.insert(place, self.next);
                self.next += 1;
            } else if !known {
                self.created.remove(&place);
            }
        }
    }

    /// Without TLS, anybody on the way could set a cookie over one that is sent with TLS only, or beside it from a neighbouring
    /// host (6265bis section 5.7, step 16).
    fn hides_secure_one(&self, cookie: &Cookie<'_>) -> bool {
        let (domain, path, name) = place(cookie);
        self.cookies.iter_unexpired().filter(|other| other.secure() == Some(true)).any(|other| {
            let (other_domain, other_path, other_name) = place(other);
            name == other_name
                && rules::are_related(&domain, &other_domain)
                && rules::is_path_below(&path, &other_path)
        })
    }
}
