//! Connects to a web server, offers Token Binding, and prints what was negotiated and what a request would carry.
//!
//! usage: connect URL

use tokbind::client::Url;
use tokbind::keys::KeyStore;
use tokbind::tls::{ConnectOptions, Connector, Offer};
use tokbind::{KeyParameters, binding};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: connect URL")?;
    let url = Url::parse(&url)?;
    let host =
        url.host_str().filter(|_| url.scheme() == "https").ok_or("Token Binding needs an https URL")?;
    let port = url.port().unwrap_or(443);

    let options = ConnectOptions::new().offer(Offer::v1(KeyParameters::ALL_KNOWN));
    let connection = Connector::new(&options)?.connect((host, port), host).await?;
    let Some(negotiated) = connection.negotiated() else {
        println!("{host} does not negotiate Token Binding");
        return Ok(());
    };
    println!("{host} negotiated version {}, {}", negotiated.version, negotiated.key_parameters);

    // KeyStore::open(None) is for keys that stay.
    let key = KeyStore::ephemeral().key(host, negotiated.key_parameters)?;
    let header = binding::header(&connection.ekm()?, &*key, None)?;
    println!("{}: {header}", binding::SEC_TOKEN_BINDING);
    Ok(())
}
