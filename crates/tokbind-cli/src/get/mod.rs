//! `tokbind get`: fetch URLs with Token Binding.

pub(crate) mod body;
mod output;
mod report;

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use tokbind::client::{Client, ClientOptions, CookieJar, Fetch, HttpVersion};
use tokbind::keys::KeyStore;

use self::output::Output;
use self::report::Report;
use super::options::{ConnectArgs, KeysOption, ProxyArgs};
use super::terminal::harmless;
use super::{Failure, Outcome, Verdict};

const EXAMPLES: &str = "\
Examples:
  See what a server negotiates and answers:
    tokbind get -v https://www.example.com/

  Log in, and use the session. A thief has the cookie, but not the key:
    tokbind get -c jar -d user=me -d password=@secret.txt https://www.example.com/login
    tokbind get -b jar https://www.example.com/account
    tokbind get -b jar --ephemeral https://www.example.com/account

  Log in as a browser with Device Bound Session Credentials does:
    tokbind get -c jar --dbsc -v -d user=me -d password=@secret.txt https://www.example.com/login
    tokbind get -b jar -c jar --dbsc https://www.example.com/account

  Fail if the server has no Token Binding:
    tokbind get --require-token-binding -o /dev/null https://www.example.com/";

/// Fetch URLs with Token Binding
///
/// Each request proves the key of its host's registered domain, if the server negotiates Token Binding; redirects that
/// ask for it reveal that key to their target (RFC 8473 section 5.3). A server that knows nothing of Token Binding, and
/// any http URL, is fetched without.
///
/// Exits with 0 when there was a response, whatever its status is: see --fail.
#[derive(clap::Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to fetch; one connection serves all URLs of an origin
    #[arg(required = true, value_name = "URL")]
    urls: Vec<String>,

    /// Show TLS, Token Binding, requests and responses on standard error, but no key, EKM, password or cookie
    #[arg(long, short)]
    verbose: bool,
    /// Print the response's status and header lines before its body
    #[arg(long, short, conflicts_with = "json")]
    include: bool,
    /// Print one line of JSON for each URL: the response, and what was negotiated and proved on the way to it. The body may
    /// have up to 64 MiB
    #[arg(long)]
    json: bool,
    /// Write to this file what would go to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Say nothing when something goes wrong
    #[arg(long, short)]
    silent: bool,
    /// With --silent: say it all the same
    #[arg(long, short = 'S')]
    show_error: bool,
    /// Exit with 1 when a last response has a status of 400 or more
    #[arg(long, short)]
    fail: bool,
    /// Exit with 1 when a request went out without a Token Binding
    #[arg(long, conflicts_with = "no_token_binding")]
    require_token_binding: bool,

    /// Method [default: GET, or POST with --data]
    #[arg(long, short = 'X', value_name = "METHOD")]
    method: Option<String>,
    /// Header line, as in 'Accept: text/html'; a Sec-Token-Binding line is sent in place of the real one
    #[arg(long, short = 'H', value_name = "LINE", value_parser = body::header)]
    header: Vec<(String, Vec<u8>)>,
    /// Body; @FILE reads it from a file, @- from standard input, NAME=@FILE URL-encodes a file's content. Several are
    /// joined with &
    #[arg(long, short, value_name = "DATA")]
    data: Vec<String>,
    /// Redirects to follow; 0 shows a redirect like any other response
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    max_redirects: usize,
    /// Follow redirects. That is what happens anyway, unlike with curl, whose command lines may say so
    #[arg(long, short = 'L')]
    location: bool,
    /// Speak this HTTP version and no other [default: 2, or else 1.1]
    #[arg(long, value_name = "VERSION", value_enum)]
    http: Option<Http>,
    /// Register a key where a server offers Device Bound Session Credentials, and prove it again before requests that need
    /// it. Sessions are kept beside the keys, their cookies where -b and
    /// -c say
    #[arg(long)]
    dbsc: bool,
    /// Send the cookies of this file, which is only read: Netscape's format, as curl writes it; - is standard input. NAME=VALUE
    /// sends that cookie too, to the URLs' origins only
    #[arg(long, short = 'b', value_name = "FILE|NAME=VALUE")]
    cookie: Vec<String>,
    /// Write all cookies to this file in the end, in Netscape's format; - is standard output. It may be the file of --cookie
    #[arg(long, short = 'c', value_name = "FILE")]
    cookie_jar: Option<PathBuf>,

    #[command(flatten)]
    keys: KeysOption,
    /// Use new keys that are gone afterwards, as a browser's private mode does
    #[arg(long, conflicts_with = "keys")]
    ephemeral: bool,
    #[command(flatten)]
    proxy: ProxyArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Http {
    #[value(name = "1.1")]
    V1,
    #[value(name = "2")]
    V2,
}

/// Runs `tokbind get`.
pub(crate) fn run(args: Args) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(Failure::at("starting"))?.block_on(fetch_all(&args));
    outcome.map_err(|failure| if args.is_silent() { failure.silent() } else { failure })
}

async fn fetch_all(args: &Args) -> Outcome {
    let fetches = args.fetches()?;
    let mut client = args.client()?;
    let outcome = fetch_each(args, &mut client, fetches).await;
    // Cookies that came before an error are still cookies.
    let written = args.write_jar(client.cookies());
    let verdict = outcome?;
    written.map(|()| verdict)
}

async fn fetch_each(args: &Args, client: &mut Client, fetches: Vec<Fetch>) -> Outcome {
    let mut output = Output::new(args.output.as_deref(), args.include);
    let mut verdict = Verdict::Good;
    for fetch in fetches {
        let mut report = Report::new(args.verbose, !args.connect.no_token_binding);
        let url = fetch.url.clone();
        let result = if args.json {
            client.fetch(fetch, &mut report).await
        } else {
            client.fetch_into(fetch, &mut report, &mut output).await
        };
        let fetched = result?;
        if args.json {
            output.line(&report.json(&url, &fetched))?;
        }
        output.flush()?;
        if args.fail && fetched.response.status >= 400 {
            args.complain(&format!("{} answered with status {}", fetched.url, fetched.response.status));
            verdict = Verdict::Bad;
        }
        if args.require_token_binding
            && let Some(url) = report.unbound()
        {
            args.complain(&format!("the request to {url} went out without a Token Binding"));
            verdict = Verdict::Bad;
        }
    }
    Ok(verdict)
}

impl Args {
    fn is_silent(&self) -> bool {
        self.silent && !self.show_error
    }

    fn complain(&self, sentence: &str) {
        if !self.is_silent() {
            eprintln!("tokbind: {}", harmless(sentence));
        }
    }

    fn client(&self) -> Result<Client, Failure> {
        let keys = if self.ephemeral { KeyStore::ephemeral() } else { self.keys.open()? };
        let mut options = ClientOptions::new(keys)
            .connect(self.connect.options()?)
            .max_redirects(self.max_redirects)
            .device_bound_sessions(self.dbsc)
            .proxies(self.proxy.proxies()?)
            .http(match self.http {
                None => HttpVersion::Any,
                Some(Http::V1) => HttpVersion::Http1,
                Some(Http::V2) => HttpVersion::Http2,
            });
        for resolve in &self.connect.server.resolve {
            options = options.resolve(resolve.clone());
        }
        let mut client = Client::new(&options)?;
        client.set_cookies(self.jar()?);
        Ok(client)
    }

    fn jar(&self) -> Result<CookieJar, Failure> {
        let mut files = self.cookie.iter().filter(|cookie| !cookie.contains('='));
        match (files.next().map(String::as_str), files.next()) {
            (Some("-"), None) => Ok(CookieJar::read("/dev/stdin")?),
            (Some(file), None) => Ok(CookieJar::read(file)?),
            (None, _) => Ok(CookieJar::default()),
            (Some(_), Some(_)) => Err(Failure::Usage(
                "--cookie takes one file; as NAME=VALUE, it takes several cookies".to_owned(),
            )),
        }
    }

    fn write_jar(&self, jar: &CookieJar) -> Result<(), Failure> {
        match self.cookie_jar.as_deref() {
            None => Ok(()),
            Some(path) if path == Path::new("-") => Ok(stdout().write_all(&jar.content())?),
            Some(path) => Ok(jar.write(path)?),
        }
    }

    /// The cookies that are given one by one, as in `a=1; b=2`.
    fn cookies(&self) -> Result<Vec<u8>, Failure> {
        let given: Vec<_> = self.cookie.iter().filter(|cookie| cookie.contains('=')).collect();
        let pairs = given.iter().map(|cookies| cookies.trim_matches([' ', ';']));
        let (_, value) = body::header(&format!("Cookie: {}", pairs.collect::<Vec<_>>().join("; ")))
            .map_err(|error| Failure::Usage(format!("--cookie: {error}")))?;
        Ok(value)
    }

    fn fetches(&self) -> Result<Vec<Fetch>, Failure> {
        let body = body::read(&self.data)?;
        let mut headers = self.header.clone();
        let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if body.is_some() && !has_type {
            headers.push(("Content-Type".to_owned(), b"application/x-www-form-urlencoded".to_vec()));
        }
        let method = match (&self.method, &body) {
            (Some(method), _) => method.clone(),
            (None, Some(_)) => "POST".to_owned(),
            (None, None) => "GET".to_owned(),
        };
        let body = body.unwrap_or_default();
        let cookies = self.cookies()?;
        let fetch = |url: &String| {
            let mut fetch = Fetch::get(url).map_err(|error| Failure::Usage(error.to_string()))?;
            fetch.method.clone_from(&method);
            fetch.headers.clone_from(&headers);
            fetch.cookies.clone_from(&cookies);
            fetch.body.clone_from(&body);
            Ok(fetch)
        };
        self.urls.iter().map(fetch).collect()
    }
}
