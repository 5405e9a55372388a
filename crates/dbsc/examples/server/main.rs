//! A small server with device-bound sessions, and a software client that logs in, registers its key and refreshes.
//!
//! Without an argument both run over HTTP on the loopback interface, the client's steps are printed, and the program ends.
//! With one, as in `127.0.0.1:8000`, it only serves: Chrome takes `http://localhost:8000` for a secure place.

mod client;
mod http;
mod server;

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;

use server::Server;

fn main() -> Result<(), Box<dyn Error>> {
    let server = Arc::new(Server::default());
    if let Some(address) = std::env::args().nth(1) {
        let listener = TcpListener::bind(&address)?;
        println!("http://{address}/ (POST /login first)");
        return Ok(http::serve(&listener, |request| server.answer(request))?);
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || http::serve(&listener, |request| server.answer(request)));
    client::run(address)
}
