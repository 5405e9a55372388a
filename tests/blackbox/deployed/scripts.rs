//! A single-page application, whose scripts read one cookie and send it back in a header.

use std::time::Duration;

use httpd_harness::browser::Browser;
use httpd_harness::cookies::setup;
use httpd_harness::httpd::{HOST, PATIENCE, documented};
use httpd_harness::session::{PROTOCOLS, fetch};

use super::{HELLO, LOG_IN, text, without_proof};

/// The double-submit pattern: what a script read from the cookie must be what the cookie says.
const API: &str = "#!/bin/sh
cookie() { printf '%s' \"$HTTP_COOKIE\" | tr ';' '\\n' | sed -n \"s/^ *$1=//p\"; }
printf 'Content-Type: text/plain\\n'
if [ \"$REQUEST_METHOD\" = POST ]; then
    printf 'Set-Cookie: session=alice; Path=/; Secure; HttpOnly\\n'
    printf 'Set-Cookie: XSRF-TOKEN=0123; Path=/; Secure\\n\\nhello alice\\n'
elif [ \"$(cookie session)\" = alice ] && [ \"$HTTP_X_XSRF_TOKEN\" = \"$(cookie XSRF-TOKEN)\" ]; then
    printf '\\nhello alice\\n'
else
    printf '\\nlog in\\n'
fi
";

const ASK: &str = "fetch('/api.cgi', {headers: {'X-XSRF-TOKEN': \
    document.cookie.split('; ').find(cookie => cookie.startsWith('XSRF-TOKEN=')).slice(11)}})\
    .then(answer => answer.text())";

#[tokio::test]
async fn a_cookie_that_scripts_read_is_not_bound() {
    let mut setup = setup("");
    setup.virtual_hosts[0].directives = documented("scripts.conf", &[]);
    let server = setup.start();
    server.script("api.cgi", API);
    server.document("page.html", "<p>an application</p>");
    let browser = Browser::with_dbsc().await;
    let mut page = browser.page().await;
    assert_eq!(page.go(&format!("https://{HOST}:{}/page.html", server.port())).await, 200);
    page.evaluate("fetch('/api.cgi', {method: 'POST'}).then(answer => answer.text())").await;
    let bound = tokio::time::timeout(PATIENCE, async {
        while !page.cookies(HOST).await.contains("session=tb2d") {
            assert_eq!(page.evaluate(ASK).await.as_str().unwrap().trim(), HELLO, "{}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    bound.await.unwrap_or_else(|_| panic!("the session is not bound:\n{}", server.log()));
    let stolen = without_proof(&page.cookies(HOST).await);
    assert!(stolen.contains("XSRF-TOKEN=0123"), "{stolen}");
    for protocol in PROTOCOLS {
        assert_eq!(text(&fetch(&server, protocol, None, "/api.cgi", &stolen).await), LOG_IN);
    }
}
