//! A headless Chromium, driven through its DevTools port: version 69, or today's behind a proxy.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::httpd::PATIENCE;
use super::{pki, setup};

/// A browser with a profile of its own: fresh keys, no cookies.
pub struct Browser {
    // Killed when it goes out of scope; it may write to its profile until then.
    process: Child,
    devtools: String,
    profile: TempDir,
}

/// One tab.
pub struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_id: u64,
    events: Vec<Value>,
}

impl Browser {
    /// Starts Chromium 69, which speaks Token Binding itself. Every host name leads to this machine; certificates are
    /// taken as they are.
    pub async fn start() -> Self {
        Self::with_token_binding("--ignore-certificate-errors").await
    }

    /// As [`start`](Self::start), but only the tests' own certificate is taken, and without reservation: for the names
    /// in it, the browser uses one HTTP/2 connection.
    pub async fn trusting() -> Self {
        let key = pki::server().certificate.public_key().unwrap().public_key_to_der().unwrap();
        let hash = openssl::base64::encode_block(&openssl::sha::sha256(&key));
        Self::with_token_binding(&format!("--ignore-certificate-errors-spki-list={hash}")).await
    }

    async fn with_token_binding(certificates: &str) -> Self {
        let profile = profile();
        let mut command = Command::new(setup::chromium_69());
        command
            .args(["--single-process", "--enable-features=token-binding,NetworkService"])
            .args([certificates, "--host-resolver-rules=MAP * 127.0.0.1"]);
        Self::run(command, profile).await
    }

    /// Starts today's Chromium, which does not, with a proxy that does it instead, and with trust in one more
    /// certificate authority. Its trust store is the user's: the profile serves as home.
    pub async fn with_proxy(proxy: u16, authority: &Path) -> Self {
        let profile = profile();
        trust(&profile, authority, "C,,").await;
        let mut command = todays(&profile);
        command.arg(format!("--proxy-server=http://127.0.0.1:{proxy}"));
        Self::run(command, profile).await
    }

    /// The same, but the agent's own file says what goes through it. Every name that the browser looks up itself leads to this
    /// machine, and certificates of the tests' own are taken there.
    pub async fn with_pac(proxy: u16, authority: &Path) -> Self {
        let profile = profile();
        trust(&profile, authority, "C,,").await;
        let key = pki::server().certificate.public_key().unwrap().public_key_to_der().unwrap();
        let hash = openssl::base64::encode_block(&openssl::sha::sha256(&key));
        let mut command = todays(&profile);
        command
            .arg(format!("--proxy-pac-url=http://127.0.0.1:{proxy}/proxy.pac"))
            .arg(format!("--ignore-certificate-errors-spki-list={hash}"))
            .arg("--host-resolver-rules=MAP * 127.0.0.1");
        Self::run(command, profile).await
    }

    /// Starts today's Chromium, with keys in software for Device Bound Session Credentials. Every host name leads to this
    /// machine, and the tests' own certificate is trusted for real: sessions are registered on no other connection.
    pub async fn with_dbsc() -> Self {
        Self::direct(DBSC).await
    }

    /// The same without Device Bound Session Credentials.
    pub async fn without_dbsc() -> Self {
        Self::direct("--disable-features=DeviceBoundSessions").await
    }

    async fn direct(features: &str) -> Self {
        let profile = profile();
        let certificate = profile.path().join("server.pem");
        std::fs::write(&certificate, pki::server().certificate.to_pem().unwrap()).unwrap();
        trust(&profile, &certificate, "P,,").await;
        Self::run(direct(&profile, features), profile).await
    }

    /// Ends it, and starts it again with the same profile.
    pub async fn restart_with_dbsc(mut self) -> Self {
        let mut page = self.page().await;
        let _ = page.try_command("Browser.close", &json!({})).await;
        timeout(PATIENCE, self.process.wait()).await.expect("Chromium ends").unwrap();
        let Self { profile, .. } = self;
        Self::run(direct(&profile, DBSC), profile).await
    }

    async fn run(mut command: Command, profile: TempDir) -> Self {
        let mut process = command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().join("user").display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Chromium can be run");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let devtools = timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(rest) = line.strip_prefix("DevTools listening on ws://") {
                    return rest.split('/').next().unwrap().to_owned();
                }
            }
            panic!("Chromium ended: {:?}", process.wait().await)
        })
        .await
        .expect("Chromium opens its DevTools port");
        // What it says from now on is not read, but must not block it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { process, devtools, profile }
    }

    /// The tab that it has started with.
    pub async fn page(&self) -> Page {
        let url = timeout(PATIENCE, async {
            loop {
                if let Some(url) = self.tab().await {
                    return url;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("Chromium opens a tab");
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut page = Page { socket, last_id: 0, events: Vec::new() };
        page.command("Page.enable", json!({})).await;
        page.command("Network.enable", json!({})).await;
        page
    }
}

impl Browser {
    /// Where its tab is driven from, once there is one.
    async fn tab(&self) -> Option<String> {
        let stream = TcpStream::connect(&self.devtools).await.unwrap();
        let request = tokbind::Request::get(&self.devtools, "/json/list");
        let response = tokbind::http1::Http1::over(stream).request(&request).await.unwrap();
        let targets: Value = serde_json::from_slice(&response.body).unwrap();
        let page = targets.as_array().unwrap().iter().find(|target| target["type"] == "page")?;
        page["webSocketDebuggerUrl"].as_str().map(str::to_owned)
    }
}

/// The features for keys in software, and without the limit of signatures in a time.
const DBSC: &str = "--enable-features=DeviceBoundSessions:RefreshQuota/false,EnableBoundSessionCredentialsSoftwareKeysForManualTesting";

fn todays(profile: &TempDir) -> Command {
    let mut command = Command::new(setup::chromium());
    command
        .env("HOME", profile.path())
        .args(["--no-first-run", "--disable-quic", "--disable-sync", "--disable-component-update"])
        .args(["--disable-background-networking", "--disable-dev-shm-usage"]);
    command
}

fn direct(profile: &TempDir, features: &str) -> Command {
    let mut command = todays(profile);
    command.args([features, "--host-resolver-rules=MAP * 127.0.0.1"]);
    command
}

/// Adds a certificate to the profile's trust store, which is that of the home directory.
async fn trust(profile: &TempDir, certificate: &Path, how: &str) {
    let store = profile.path().join(".pki/nssdb");
    std::fs::create_dir_all(&store).unwrap();
    let store = format!("sql:{}", store.display());
    let trusted = Command::new("certutil")
        .args(["-d", &store, "-A", "-t", how, "-n", "of the tests", "-i"])
        .arg(certificate)
        .output()
        .await
        .expect("certutil can be run");
    assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stderr));
}

fn profile() -> TempDir {
    tempfile::Builder::new().prefix("tb-chromium-").tempdir().unwrap()
}

impl Page {
    /// Sends a command and waits for its result; events that come meanwhile are kept.
    pub async fn command(&mut self, method: &str, parameters: Value) -> Value {
        self.try_command(method, &parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn try_command(&mut self, method: &str, parameters: &Value) -> Result<Value, Value> {
        self.last_id += 1;
        let id = self.last_id;
        let text = json!({ "id": id, "method": method, "params": parameters }).to_string();
        self.socket.send(Message::text(text)).await.unwrap();
        loop {
            let mut message = self.receive().await;
            if message["id"] == json!(id) {
                let error = message["error"].take();
                return if error.is_null() { Ok(message["result"].take()) } else { Err(error) };
            }
            self.events.push(message);
        }
    }

    async fn event(&mut self, method: &str) -> Value {
        if let Some(position) = self.events.iter().position(|event| event["method"] == method) {
            return self.events.remove(position);
        }
        loop {
            let message = self.receive().await;
            if message["method"] == method {
                return message;
            }
            self.events.push(message);
        }
    }

    async fn receive(&mut self) -> Value {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await.expect("Chromium answers");
            match next.expect("Chromium is still there").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                _ => continue,
            }
        }
    }

    /// Goes to a page, redirects included, and waits until it has loaded. The status is that of the page it ended on.
    pub async fn go(&mut self, url: &str) -> u16 {
        self.events.clear();
        let result = self.command("Page.navigate", json!({ "url": url })).await;
        assert!(result.get("errorText").is_none_or(|text| text == ""), "{url}: {result}");
        self.loaded().await
    }

    /// Waits until the page being navigated to has loaded.
    pub async fn loaded(&mut self) -> u16 {
        loop {
            let response = self.event("Network.responseReceived").await;
            if response["params"]["type"] == "Document" {
                self.event("Page.loadEventFired").await;
                return response["params"]["response"]["status"].as_u64().unwrap().try_into().unwrap();
            }
        }
    }

    /// Waits until the tab has come to this address, whatever pages send it on by themselves on the way.
    pub async fn arrive(&mut self, url: &str) {
        let arrived = json!({
            "expression": format!("location.href === {} && document.readyState === 'complete'", json!(url)),
        });
        let there = timeout(PATIENCE, async {
            // Between two pages there may be nothing to ask.
            while !matches!(self.try_command("Runtime.evaluate", &arrived).await, Ok(answer) if answer["result"]["value"] == true) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        if there.is_err() {
            panic!("{url} was not reached, but {}:\n{}", self.url().await, self.text().await);
        }
    }

    /// Submits a form and waits for the page that it leads to.
    pub async fn submit(&mut self, form: &str) -> u16 {
        self.events.clear();
        self.evaluate(&format!("void document.querySelector('{form}').submit()")).await;
        self.loaded().await
    }

    /// The value of a JavaScript expression; a promise is waited for.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.command("Runtime.evaluate", parameters).await;
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// The page as text.
    pub async fn text(&mut self) -> String {
        self.evaluate("document.body.innerText").await.as_str().unwrap().to_owned()
    }

    pub async fn url(&mut self) -> String {
        self.evaluate("location.href").await.as_str().unwrap().to_owned()
    }

    /// Forgets a cookie, as when its time is over.
    pub async fn forget_cookie(&mut self, host: &str, name: &str) {
        let parameters = json!({ "name": name, "url": format!("https://{host}/") });
        self.command("Network.deleteCookies", parameters).await;
    }

    /// The cookies of a host, as a `Cookie` header.
    pub async fn cookies(&mut self, host: &str) -> String {
        let all = self.command("Network.getAllCookies", json!({})).await;
        let of_host = |cookie: &&Value| cookie["domain"].as_str().unwrap().trim_start_matches('.') == host;
        let pair = |cookie: &Value| {
            format!("{}={}", cookie["name"].as_str().unwrap(), cookie["value"].as_str().unwrap())
        };
        all["cookies"].as_array().unwrap().iter().filter(of_host).map(pair).collect::<Vec<_>>().join("; ")
    }
}
