//! Cookies (RFC 6265).

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use cookie_store::{CookieStore, RawCookie};
use url::Url;

use super::urls::host;
use crate::error::{Error, Result};
use crate::message::Response;

/// Cookies, in memory or in a file.
#[derive(Clone, Debug, Default)]
pub struct CookieJar {
    cookies: CookieStore,
    path: Option<PathBuf>,
}

impl CookieJar {
    /// Reads the cookies in a file, or starts with none if there is no such file yet.
    ///
    /// The file holds JSON. Cookies that a browser would drop when it is closed are kept in it as well.
    ///
    /// # Errors
    /// [`Error::File`] when the file can't be read or is no cookie jar.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let cookies = match File::open(&path) {
            Ok(file) => cookie_store::serde::json::load(BufReader::new(file))
                .map_err(|error| Error::file("reading the cookie jar", &path)(io::Error::other(error)))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => CookieStore::default(),
            Err(error) => return Err(Error::file("reading the cookie jar", &path)(error)),
        };
        Ok(CookieJar { cookies, path: Some(path) })
    }

    /// Writes the cookies back to the file that they came from, readable for its owner only, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`] when the file can't be written.
    pub fn save(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        self.write(path).map_err(Error::file("writing the cookie jar", path))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        // Where the jar really is, if its name is a symbolic link.
        let path = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            path => path?,
        };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = tempfile::Builder::new()
            .prefix(".tokbind-")
            .tempfile_in(directory.unwrap_or_else(|| Path::new(".")))?;
        cookie_store::serde::json::save_incl_expired_and_nonpersistent(&self.cookies, &mut file)
            .map_err(io::Error::other)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// The value of the `Cookie` header for a request.
    pub fn header(&self, url: &Url) -> Option<String> {
        let pairs: Vec<_> =
            self.cookies.get_request_values(url).map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
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
            let Some(cookie) = std::str::from_utf8(line).ok().and_then(|line| acceptable(line, url)) else {
                continue;
            };
            // A cookie that breaks a rule is ignored (RFC 6265 section 5.3).
            let _ = self.cookies.insert_raw(&cookie, url);
        }
    }
}

/// RFC 6265 section 5.3, step 5: no cookie for all of a public suffix. It is the list that scopes keys, too.
fn acceptable(line: &str, url: &Url) -> Option<RawCookie<'static>> {
    let mut cookie = RawCookie::parse(line.to_owned()).ok()?;
    let domain = cookie.domain().unwrap_or_default().trim_start_matches('.').to_ascii_lowercase();
    if !domain.is_empty() && psl::suffix_str(&domain) == Some(&domain) {
        if host(url).ok()? != domain {
            return None;
        }
        cookie.unset_domain();
    }
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn set(jar: &mut CookieJar, from: &str, lines: &[&str]) {
        let headers = lines.iter().map(|line| ("Set-Cookie".to_owned(), line.as_bytes().to_vec())).collect();
        jar.take(&url(from), &Response { headers, ..Response::default() });
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let mut jar = CookieJar::default();
        let lines = [
            "host=1",
            "wide=2; Domain=example.com",
            "safe=3; Secure",
            "deep=4; Path=/d",
            "late=5; Max-Age=0",
        ];
        set(&mut jar, "https://www.example.com/", &lines);
        let sent = |to: &str| {
            let header = jar.header(&url(to)).unwrap_or_default();
            let mut pairs: Vec<_> = header.split("; ").map(str::to_owned).collect();
            pairs.sort();
            pairs.join(" ")
        };
        assert_eq!(sent("https://www.example.com/"), "host=1 safe=3 wide=2");
        assert_eq!(sent("https://www.example.com/d/e"), "deep=4 host=1 safe=3 wide=2");
        assert_eq!(sent("http://www.example.com/"), "host=1 wide=2");
        assert_eq!(sent("https://example.com/"), "wide=2");
        assert_eq!(sent("https://example.org/"), "");
        set(&mut jar, "https://www.example.com/", &["host=; Max-Age=0"]);
        assert_eq!(jar.len(), 3);
    }

    #[test]
    fn a_cookie_is_never_for_a_public_suffix() {
        let mut jar = CookieJar::default();
        for (from, domain) in [
            ("https://a.co.uk/", "co.uk"),
            ("https://a.co.uk/", ".CO.UK"),
            ("https://a.github.io/", "github.io"),
            ("https://a.example/", "example"),
            ("https://a.example/", "b.example"),
        ] {
            set(&mut jar, from, &[&format!("a=b; Domain={domain}")]);
            assert!(jar.is_empty(), "{from} {domain}");
        }
        set(&mut jar, "https://github.io/", &["own=1; Domain=github.io"]);
        assert_eq!(jar.header(&url("https://github.io/")).as_deref(), Some("own=1"));
        assert_eq!(jar.header(&url("https://a.github.io/")), None);
    }

    #[test]
    fn a_jar_is_kept_in_a_file_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jar.json");
        let mut jar = CookieJar::open(&path).unwrap();
        set(&mut jar, "https://a.example/", &["session=1", "stays=2; Max-Age=1000", "gone=3; Max-Age=0"]);
        jar.save().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let again = CookieJar::open(&path).unwrap();
        assert_eq!(again.len(), 2);
        again.save().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn another_file_is_no_jar_and_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jar.json");
        fs::write(&path, "# Netscape HTTP Cookie File\n").unwrap();
        let error = CookieJar::open(&path).unwrap_err().to_string();
        assert!(error.contains("reading the cookie jar") && error.contains("jar.json"), "{error}");
        assert!(fs::read_to_string(&path).unwrap().starts_with("# Netscape"));
        assert!(CookieJar::open(directory.path()).is_err());
        CookieJar::default().save().unwrap();
    }
}
