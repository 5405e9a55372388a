//! Many at once.

use std::sync::Arc;

use dbsc::sign::Signer as _;
use futures_util::future::join_all;
use httpd_harness::client::{connect, unbound};
use httpd_harness::device::{Device, REFRESH, SHORT_LIVED};
use httpd_harness::httpd::HOST;
use httpd_harness::session::Protocol;
use httpd_harness::shown;
use tokbind::Request;
use tokbind::http2::Http2;
use token_binding_server::dbsc::tokens::Session;

use super::{sealed, server};

const SESSIONS: usize = 1000;
const CONNECTIONS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_refresh_at_once_and_none_is_lost() {
    let server = Arc::new(server(""));
    let keyring = sealed::keyring(&server);
    let devices: Vec<Device> = (0..SESSIONS)
        .map(|_| {
            let mut device = Device::new(Protocol::Http2);
            let key = device.key.public_key().clone();
            device.session = Session { key, registered: sealed::later(0) }.seal(&keyring).unwrap();
            device
        })
        .collect();
    let rounds = devices.chunks(SESSIONS / CONNECTIONS).map(async |devices| {
        let options = unbound().alpn(["h2"]);
        let http = Http2::handshake(connect(&server, &options).await).await.unwrap();
        let one = async |device: &Device| {
            let challenge = sealed::challenge(&server, device, 0);
            let request = Request::new("POST", HOST, REFRESH)
                .header("Sec-Secure-Session-Id", &device.session)
                .header("Secure-Session-Response", device.key.refresh_proof(&challenge).unwrap());
            let response = http.request(&request).await.unwrap();
            assert_eq!(response.status, 200, "{}", server.log());
            let cookies: Vec<_> = response.headers_named("Set-Cookie").map(<[u8]>::to_vec).collect();
            let cookie = String::from_utf8(cookies[0].clone()).unwrap();
            assert!(cookie.starts_with(SHORT_LIVED), "{cookie}");
            let request = Request::get(HOST, "/env.cgi").header("Cookie", cookie.split(';').next().unwrap());
            let page = http.request(&request).await.unwrap().text();
            assert_eq!(shown(&page, "Sec_Device_Bound_Session_Key"), Some(&*device.thumbprint()));
        };
        join_all(devices.iter().map(one)).await.len()
    });
    assert_eq!(join_all(rounds).await.into_iter().sum::<usize>(), SESSIONS);
}
