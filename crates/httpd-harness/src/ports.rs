//! Ports for servers that must know theirs before they start.
//!
//! A port that was found free can be somebody else's before the server binds it: the system gives the same ports to clients of
//! all kinds. So these come from below that range, and each is reserved, by an abstract Unix socket of its name, for as long
//! as the process of the tests lives; no two of them, in any process that asks here, are the same.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Mutex;

/// Beyond 10080, which browsers refuse.
const FIRST: u16 = 10_100;
/// Where the system's own range begins, unless it says otherwise.
const EPHEMERAL: u16 = 32_768;

/// What reserves the ports, and the next one to look at.
static RESERVED: Mutex<(Vec<UnixListener>, u16)> = Mutex::new((Vec::new(), 0));

/// A port of 127.0.0.1 that nobody else gets.
///
/// # Panics
/// If there is none left.
pub fn free_port() -> u16 {
    let mut reserved = RESERVED.lock().unwrap();
    let (sockets, next) = &mut *reserved;
    let end = ephemeral().clamp(FIRST + 1, EPHEMERAL);
    if *next == 0 {
        // Several processes begin at several places.
        let number = u16::try_from(std::process::id() * 97 % u32::from(end - FIRST)).unwrap();
        *next = FIRST + number;
    }
    for _ in FIRST..end {
        let port = *next;
        *next = if port + 1 < end { port + 1 } else { FIRST };
        let name = SocketAddr::from_abstract_name(format!("mod_token_binding-test-port-{port}")).unwrap();
        let Ok(socket) = UnixListener::bind_addr(&name) else { continue };
        // Something else may listen there.
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            sockets.push(socket);
            return port;
        }
    }
    panic!("no port left from {FIRST} to {end}");
}

fn ephemeral() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_out_once_and_not_from_the_systems_range() {
        let mut ports: Vec<u16> = (0..200).map(|_| free_port()).collect();
        assert!(ports.iter().all(|port| (FIRST..EPHEMERAL).contains(port)));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 200);
        let name =
            SocketAddr::from_abstract_name(format!("mod_token_binding-test-port-{}", ports[0])).unwrap();
        assert!(UnixListener::bind_addr(&name).is_err(), "no other process gets it either");
    }
}
