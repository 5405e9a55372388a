//! Applications that people run, each as it is deployed, with the configuration that docs/applications.md shows for it.

mod java;
mod php;
mod python;
mod scripts;

use httpd_harness::Httpd;
use httpd_harness::device::{Device, SHORT_LIVED};
use httpd_harness::httpd::HOST;
use httpd_harness::session::{PROTOCOLS, Protocol, fetch};
use tokbind::{Request, Response};

const HELLO: &str = "hello alice";
const LOG_IN: &str = "log in";

/// What a thief has, when the proof has run out.
fn without_proof(cookies: &str) -> String {
    cookies.split("; ").filter(|cookie| !cookie.starts_with(SHORT_LIVED)).collect::<Vec<_>>().join("; ")
}

/// A browser that has logged in by a form, registered its key and proved it.
async fn logged_in(server: &Httpd) -> Device {
    let mut device = Device::new(Protocol::Http2);
    let form = Request::new("POST", HOST, "/")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("user=alice");
    let page = device.send(server, form).await;
    assert_eq!(text(&page), HELLO, "{}", server.log());
    assert_eq!(device.register(server, &page).await.status, 200, "{}", server.log());
    assert_eq!(device.refresh(server).await.status, 200, "{}", server.log());
    device
}

/// The session is the device's, and a copy of its cookies opens nothing once the proof has run out.
async fn assert_bound(server: &Httpd, device: &mut Device, name: &str) {
    // The first has the pending cookie bound.
    for _ in 0..2 {
        assert_eq!(text(&device.get(server, "/").await), HELLO, "{}", server.log());
    }
    assert!(device.jar[name].starts_with("tb2d"), "{:?}", device.jar[name]);
    let stolen = without_proof(&device.cookies());
    for protocol in PROTOCOLS {
        assert_eq!(text(&fetch(server, protocol, None, "/", &stolen).await), LOG_IN);
    }
    assert_eq!(device.refresh(server).await.status, 200);
    assert_eq!(text(&device.get(server, "/").await), HELLO);
}

fn text(page: &Response) -> String {
    page.text().trim().to_owned()
}
