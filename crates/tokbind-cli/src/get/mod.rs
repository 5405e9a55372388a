//! `tokbind get`: fetch URLs with Token Binding.

mod body;
mod report;

use std::fs::File;
use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::ValueEnum;
use tokbind::client::{Client, ClientOptions, CookieJar, Fetch, Fetched, HttpVersion};
use tokbind::keys::KeyStore;

use self::report::Report;
use super::options::{ConnectArgs, KeysOption};
use super::{Failure, Outcome, Verdict};

const EXAMPLES: &str = "\
Examples:
  See what a server negotiates and answers:
    tokbind get -v https://www.example.com/

  Log in, and use the session. A thief has the cookie, but not the key:
    tokbind get -b jar -d user=me -d password=@secret.txt https://www.example.com/login
    tokbind get -b jar https://www.example.com/account
    tokbind get -b jar --ephemeral https://www.example.com/account

  Fail if the server has no Token Binding:
    tokbind get --require-token-binding -o /dev/null https://www.example.com/";

/// Fetch URLs with Token Binding
///
/// Each request proves the key of its host's registered domain, if the server negotiates Token Binding; redirects that
/// ask for it reveal that key to their target (RFC 8473 section 5.3). A server that knows nothing of Token Binding, and
/// any http URL, is fetched without.
///
/// Exits with 0 when there was a response, whatever its status is: see --fail. A body may have up to 64 MiB.
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
    /// Print one line of JSON for each URL: the response, and what was negotiated and proved on the way to it
    #[arg(long)]
    json: bool,
    /// Write the bodies to this file
    #[arg(long, short, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
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
    /// Speak this HTTP version and no other [default: 2, or else 1.1]
    #[arg(long, value_name = "VERSION", value_enum)]
    http: Option<Http>,
    /// Send the cookies in this file, and keep those that are set in it
    #[arg(long, short = 'b', value_name = "FILE")]
    cookie_jar: Option<PathBuf>,

    #[command(flatten)]
    keys: KeysOption,
    /// Use new keys that are gone afterwards, as a browser's private mode does
    #[arg(long, conflicts_with = "keys")]
    ephemeral: bool,
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
    runtime.map_err(Failure::at("starting"))?.block_on(fetch_all(&args))
}

async fn fetch_all(args: &Args) -> Outcome {
    let fetches = args.fetches()?;
    let mut client = args.client()?;
    let mut output: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(File::create(path).map_err(Failure::at(path.display()))?),
        None => Box::new(stdout()),
    };
    let mut verdict = Verdict::Good;
    for fetch in fetches {
        let mut report = Report::new(args.verbose, !args.connect.no_token_binding);
        let url = fetch.url.clone();
        let result = client.fetch(fetch, &mut report).await;
        // Cookies that came before an error are still cookies.
        client.cookies().save()?;
        let fetched = result?;
        let wrote = if args.json {
            let report = report.json(&url, &fetched);
            writeln!(output, "{report}")
        } else {
            write_response(&mut output, &fetched, args.include)
        };
        match &args.output {
            Some(path) => wrote.map_err(Failure::at(path.display()))?,
            None => wrote?,
        }
        if args.fail && fetched.response.status >= 400 {
            eprintln!("tokbind: {} answered with status {}", fetched.url, fetched.response.status);
            verdict = Verdict::Bad;
        }
        if args.require_token_binding
            && let Some(url) = report.unbound()
        {
            eprintln!("tokbind: the request to {url} went out without a Token Binding");
            verdict = Verdict::Bad;
        }
    }
    Ok(verdict)
}

impl Args {
    fn client(&self) -> Result<Client, Failure> {
        let keys = if self.ephemeral { KeyStore::ephemeral() } else { self.keys.open()? };
        let mut options = ClientOptions::new(keys)
            .connect(self.connect.options()?)
            .max_redirects(self.max_redirects)
            .http(match self.http {
                None => HttpVersion::Any,
                Some(Http::V1) => HttpVersion::Http1,
                Some(Http::V2) => HttpVersion::Http2,
            });
        for resolve in &self.connect.server.resolve {
            options = options.resolve(resolve.clone());
        }
        let mut client = Client::new(&options)?;
        if let Some(path) = &self.cookie_jar {
            client.set_cookies(CookieJar::open(path)?);
        }
        Ok(client)
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
        let fetch = |url: &String| {
            let mut fetch = Fetch::get(url).map_err(|error| Failure::Usage(error.to_string()))?;
            fetch.method.clone_from(&method);
            fetch.headers.clone_from(&headers);
            fetch.body.clone_from(&body);
            Ok(fetch)
        };
        self.urls.iter().map(fetch).collect()
    }
}

fn write_response(output: &mut dyn Write, fetched: &Fetched, include: bool) -> std::io::Result<()> {
    let response = &fetched.response;
    if include {
        writeln!(output, "{} {}", response.status, response.reason)?;
        for (name, value) in &response.headers {
            write!(output, "{name}: ")?;
            output.write_all(value)?;
            writeln!(output)?;
        }
        writeln!(output)?;
    }
    output.write_all(&response.body)?;
    output.flush()
}
