//! A web client with Token Binding: URLs, redirects, cookies, HTTP/1.1 and HTTP/2.
//!
//! Each `https` request carries the key of its host's registered domain when the server negotiated Token Binding, and a
//! redirect that asks for it reveals that key to its target (RFC 8473). Plain `http` has no Token Binding.
//!
//! ```no_run
//! use tokbind::keys::KeyStore;
//! use tokbind::client::{Client, ClientOptions, Fetch};
//!
//! # async fn visit() -> tokbind::Result<()> {
//! let mut client = Client::new(&ClientOptions::new(KeyStore::open(None)?))?;
//! let fetched = client.fetch(Fetch::get("https://www.example.com/")?, &mut ()).await?;
//! println!("{} {}", fetched.url, fetched.response.status);
//! # Ok(())
//! # }
//! ```

mod connection;
mod cookies;
mod fetch;
mod options;
mod redirect;
#[cfg(test)]
mod tests;
mod trace;
mod urls;

use std::collections::HashMap;
use std::sync::Arc;

use token_binding::header::SEC_TOKEN_BINDING;
use url::Origin;

use self::connection::Connection;
use self::urls::{authority, checked, host};
use crate::error::{Error, Result};
use crate::federation::Referral;
use crate::localhost::name_to_look_up;
use crate::message::{Request, Response};
use crate::tls::{Connector, Session};
use crate::{PrivateKey, http1::Http1};

pub use cookies::CookieJar;
pub use fetch::Fetch;
pub use options::{ClientOptions, HttpVersion};
pub use trace::{Sent, Trace};
pub use url::Url;

/// What a request says of its sender unless told otherwise.
const USER_AGENT: &str = concat!("tokbind/", env!("CARGO_PKG_VERSION"));

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// Where the last redirect led.
    pub url: Url,
    /// The last response.
    pub response: Response,
}

/// A web client. It keeps one connection to each origin for the next request, and resumes sessions after that.
#[derive(Debug)]
pub struct Client {
    options: ClientOptions,
    connector: Connector,
    cookies: CookieJar,
    connections: HashMap<Origin, Connection>,
    sessions: HashMap<Origin, Session>,
}

impl Client {
    /// A client without cookies.
    ///
    /// # Errors
    /// [`Error::OpenSsl`] when an option of the connections is no good.
    pub fn new(options: &ClientOptions) -> Result<Self> {
        let options = options.clone();
        let connector = Connector::new(&options.connect.clone().alpn(options.http.alpn()))?;
        Ok(Client {
            options,
            connector,
            cookies: CookieJar::default(),
            connections: HashMap::new(),
            sessions: HashMap::new(),
        })
    }

    /// The cookies.
    pub fn cookies(&self) -> &CookieJar {
        &self.cookies
    }

    /// Replaces the cookies.
    pub fn set_cookies(&mut self, cookies: CookieJar) {
        self.cookies = cookies;
    }

    /// Sends a request, follows redirects (RFC 9110 section 15.4) and returns the last response. `trace` sees everything
    /// on the way; `&mut ()` looks at nothing.
    ///
    /// A redirect to another origin goes without `Authorization`, `Cookie` and the like that the request was given.
    ///
    /// # Errors
    /// Anything, with the server's name in [`Error::At`].
    pub async fn fetch(&mut self, fetch: Fetch, trace: &mut (dyn Trace + Send)) -> Result<Fetched> {
        let mut fetch = Fetch { url: checked(fetch.url)?, ..fetch };
        let mut referral = Referral::default();
        let mut followed = 0;
        loop {
            let referred = referral.take(fetch.url.scheme() == "https");
            let (response, provided) = self.exchange(&fetch, referred, trace).await?;
            trace.received(&fetch.url, &response);
            self.cookies.take(&fetch.url, &response);
            referral.response(provided, &response);
            let limit = self.options.max_redirects;
            match redirect::target(&fetch.url, &response)? {
                Some(target) if limit > 0 => {
                    if followed == limit {
                        return Err(Error::TooManyRedirects { limit });
                    }
                    followed += 1;
                    fetch = redirect::follow(fetch, response.status, checked(target)?);
                }
                _ => return Ok(Fetched { url: fetch.url, response }),
            }
        }
    }

    /// Sends one request. Also returns the key that it proved.
    async fn exchange(
        &mut self,
        fetch: &Fetch,
        referred: Option<Arc<PrivateKey>>,
        trace: &mut (dyn Trace + Send),
    ) -> Result<(Response, Option<Arc<PrivateKey>>)> {
        let origin = fetch.url.origin();
        if let Some(kept) = self.connections.remove(&origin) {
            match self.exchange_on(kept, true, fetch, referred.clone(), trace).await {
                // The server may close a connection just when it is to be used again. It has not seen the request, or
                // seeing it twice does no harm.
                Err(error) if is_idempotent(&fetch.method) && error.is_connections() => {}
                result => return result.map_err(Error::at(&origin)),
            }
        }
        let connection = self.connect(&fetch.url, &origin).await.map_err(Error::at(&origin))?;
        self.exchange_on(connection, false, fetch, referred, trace).await.map_err(Error::at(&origin))
    }

    async fn exchange_on(
        &mut self,
        mut connection: Connection,
        reused: bool,
        fetch: &Fetch,
        referred: Option<Arc<PrivateKey>>,
        trace: &mut (dyn Trace + Send),
    ) -> Result<(Response, Option<Arc<PrivateKey>>)> {
        let mut request = self.request(fetch)?;
        let mut provided = None;
        let mut shown = None;
        if !fetch.has(SEC_TOKEN_BINDING)
            && let Some(binding) =
                connection.bind(&self.options.keys, &host(&fetch.url)?, referred.as_ref()).await?
        {
            request = request.header(SEC_TOKEN_BINDING, binding.value);
            provided = Some(binding.key);
            shown = referred;
        }
        trace.sending(&Sent {
            url: &fetch.url,
            request: &request,
            http: connection.http(),
            tls: connection.info().as_ref(),
            reused,
            provided: provided.as_deref(),
            referred: shown.as_deref(),
        });
        let response = connection.request(&request).await?;
        if connection.reusable() {
            self.connections.insert(fetch.url.origin(), connection);
        }
        Ok((response, provided))
    }

    fn request(&self, fetch: &Fetch) -> Result<Request> {
        let url = &fetch.url;
        let path =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let mut request = Request::new(&fetch.method, &authority(url)?, &path);
        for (name, value) in &fetch.headers {
            if name.eq_ignore_ascii_case("host") {
                request.host = String::from_utf8_lossy(value).into_owned();
            } else {
                request = request.header(name, value);
            }
        }
        for (name, value) in [("Accept", "*/*"), ("User-Agent", USER_AGENT)] {
            if !fetch.has(name) {
                request = request.header(name, value);
            }
        }
        if !fetch.has("Cookie")
            && let Some(cookies) = self.cookies.header(url)
        {
            request = request.header("Cookie", cookies);
        }
        Ok(request.body(fetch.body.clone()))
    }

    async fn connect(&mut self, url: &Url, origin: &Origin) -> Result<Connection> {
        let host = host(url)?;
        let port = url.port_or_known_default().unwrap_or(443);
        let (address, port) = match self.options.address(&host, port) {
            Some(address) => (address.ip().to_string(), address.port()),
            None => (name_to_look_up(&host).to_owned(), port),
        };
        if url.scheme() == "http" {
            let stream = self.connector.dial((address.as_str(), port)).await?;
            let http1 = Http1::over(stream).timeout(self.options.connect.timeout);
            return Ok(Connection::Plain(Box::new(http1)));
        }
        let connection = match self.sessions.get(origin) {
            Some(session) => self.connector.resume((address.as_str(), port), &host, session).await?,
            None => self.connector.connect((address.as_str(), port), &host).await?,
        };
        self.sessions.insert(origin.clone(), connection.session());
        Connection::start(connection, self.options.http).await
    }
}

/// RFC 9110 section 9.2.2.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}
