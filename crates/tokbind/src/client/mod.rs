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

#[cfg(feature = "dbsc")]
mod bound;
mod connection;
mod cookies;
mod fetch;
mod options;
mod redirect;
#[cfg(test)]
mod tests;
mod trace;
mod urls;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use token_binding::header::SEC_TOKEN_BINDING;
use url::Origin;

use self::connection::Connection;
use self::urls::{authority, checked, host};
use crate::error::{Error, Result};
use crate::federation::Referral;
use crate::http1::Http1;
use crate::http1::MAX_BODY;
use crate::keys::Key;
use crate::localhost::name_to_look_up;
use crate::message::{Collect, Request, Response, Sink};
use crate::timeout::within;
use crate::tls::{Connector, Session};

pub use cookies::CookieJar;
pub use fetch::Fetch;
pub use options::{ClientOptions, HttpVersion};
#[cfg(feature = "dbsc")]
pub use trace::SessionEvent;
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
    /// Origins that refuse HTTP/2 (RFC 9113 section 7).
    http1_only: HashSet<Origin>,
    cookies: CookieJar,
    connections: HashMap<Origin, Connection>,
    tls_sessions: HashMap<Origin, Session>,
    /// `None`: no sessions are begun, and none goes on.
    #[cfg(feature = "dbsc")]
    sessions: Option<crate::sessions::Store>,
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
            #[cfg(feature = "dbsc")]
            sessions: options.has_sessions.then(|| crate::sessions::Store::new(options.keys.path())),
            options,
            connector,
            http1_only: HashSet::new(),
            cookies: CookieJar::default(),
            connections: HashMap::new(),
            tls_sessions: HashMap::new(),
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
    /// Anything, with the server's name in [`Error::At`]. [`Error::TooLarge`] for a body of more than [`MAX_BODY`] bytes.
    pub async fn fetch(&mut self, fetch: Fetch, trace: &mut (dyn Trace + Send)) -> Result<Fetched> {
        let mut body = Collect::up_to(MAX_BODY);
        let Fetched { url, response } = self.fetch_into(fetch, trace, &mut body).await?;
        Ok(Fetched { url, response: Response { body: body.into_bytes(), ..response } })
    }

    /// Like [`fetch`](Self::fetch), but hands on the body of the last response as it comes, however large it is. The response
    /// that is returned has none.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch), and what the sink refuses. Part of the body may have been handed on by then.
    pub async fn fetch_into(
        &mut self,
        fetch: Fetch,
        trace: &mut (dyn Trace + Send),
        sink: &mut dyn Sink,
    ) -> Result<Fetched> {
        let mut fetch = Fetch { url: checked(fetch.url)?, ..fetch };
        let mut referral = Referral::default();
        let mut followed = 0;
        let limit = self.options.max_redirects;
        loop {
            #[cfg(feature = "dbsc")]
            Box::pin(self.refresh_sessions(&mut fetch, trace)).await;
            let referred = referral.take(fetch.url.scheme() == "https");
            let mut last = Last { follows: limit > 0, ..Last::any(&mut *sink) };
            let (response, provided) = self.exchange(&fetch, referred, trace, &mut last).await?;
            trace.received(&fetch.url, &response, last.length);
            self.cookies.take(&fetch.url, &response);
            #[cfg(feature = "dbsc")]
            Box::pin(self.take_sessions(&fetch.url, &response, trace)).await;
            referral.response(provided, &response);
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
    ///
    /// It goes out again where the server has not processed it (RFC 9113 sections 7 and 8.7), and where a kept connection turns
    /// out to be closed and seeing it twice does no harm; but not when part of a response has been handed on.
    async fn exchange(
        &mut self,
        fetch: &Fetch,
        referred: Option<Arc<Key>>,
        trace: &mut (dyn Trace + Send),
        last: &mut Last<'_>,
    ) -> Result<(Response, Option<Arc<Key>>)> {
        let origin = fetch.url.origin();
        let mut kept = self.connections.remove(&origin);
        let mut refused = false;
        loop {
            let reused = kept.is_some();
            let connection = match kept.take() {
                Some(kept) => kept,
                None => self.connect(&fetch.url, &origin).await.map_err(Error::at(&origin))?,
            };
            match self.exchange_on(connection, reused, fetch, referred.clone(), trace, last).await {
                Err(error) if last.begun => return Err(Error::at(&origin)(error)),
                Err(error) if error.wants_http1() && self.options.http == HttpVersion::Any => {
                    if self.http1_only.insert(origin.clone()) {
                        continue;
                    }
                    return Err(Error::at(&origin)(error));
                }
                Err(error) if error.is_unprocessed() && !std::mem::replace(&mut refused, true) => continue,
                Err(error) if reused && is_idempotent(&fetch.method) && error.is_connections() => continue,
                result => return result.map_err(Error::at(&origin)),
            }
        }
    }

    async fn exchange_on(
        &mut self,
        mut connection: Connection,
        reused: bool,
        fetch: &Fetch,
        referred: Option<Arc<Key>>,
        trace: &mut (dyn Trace + Send),
        last: &mut Last<'_>,
    ) -> Result<(Response, Option<Arc<Key>>)> {
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
        let response = connection.request_into(&request, last).await?;
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
        let mut cookies = self.cookies.header(url).unwrap_or_default();
        if !cookies.is_empty() && !fetch.cookies.is_empty() {
            cookies.extend_from_slice(b"; ");
        }
        cookies.extend_from_slice(&fetch.cookies);
        if !fetch.has("Cookie") && !cookies.is_empty() {
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
        let proxy = self.options.proxies.of(url.scheme(), &host, port)?;
        let limit = self.options.connect.timeout;
        let tcp = match &proxy {
            None => self.connector.dial((address.as_str(), port)).await?,
            Some(proxy) => self.connector.dial((proxy.host.as_str(), proxy.port)).await?,
        };
        if url.scheme() == "http" {
            let http1 = Http1::over(tcp).timeout(limit);
            return Ok(Connection::Plain(Box::new(http1), proxy));
        }
        let tcp = match proxy {
            None => tcp,
            Some(proxy) => within(limit, "asking the proxy", proxy.tunnel(tcp, &address, port)).await?,
        };
        if self.http1_only.contains(origin) {
            let connector = Connector::new(&self.options.connect.clone().alpn(HttpVersion::Http1.alpn()))?;
            let connection = connector.connect_over(tcp, &host, None).await?;
            return Connection::start(connection, self.options.http).await;
        }
        let connection = self.connector.connect_over(tcp, &host, self.tls_sessions.get(origin)).await?;
        self.tls_sessions.insert(origin.clone(), connection.session());
        Connection::start(connection, self.options.http).await
    }
}

/// Hands on the body of a response that is the last one, and skips those of redirects that are followed.
struct Last<'a> {
    sink: &'a mut dyn Sink,
    follows: bool,
    begun: bool,
    skips: bool,
    /// How many bytes came.
    length: u64,
}

impl<'a> Last<'a> {
    /// Hands on the body of any response.
    fn any(sink: &'a mut dyn Sink) -> Self {
        Last { sink, follows: false, begun: false, skips: false, length: 0 }
    }
}

impl Sink for Last<'_> {
    fn begin(&mut self, head: &Response) -> Result<()> {
        self.begun = true;
        self.skips = self.follows && redirect::is_one(head);
        if self.skips { Ok(()) } else { self.sink.begin(head) }
    }

    fn expect(&mut self, length: u64) -> Result<()> {
        if self.skips { Ok(()) } else { self.sink.expect(length) }
    }

    fn data(&mut self, bytes: &[u8]) -> Result<()> {
        self.length += bytes.len() as u64;
        if self.skips { Ok(()) } else { self.sink.data(bytes) }
    }
}

/// RFC 9110 section 9.2.2.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}
